"""Which sensors receive messages from which.

Made from edges and settings alone, so that a saved model is rebuilt with the same lists.
"""

from typing import NoReturn

import torch
from torch import Tensor

from dynst.data.edges import Edges
from dynst.data.neighbor_lists import neighbour_lists
from dynst.errors import ConfigError
from dynst.models.layers.dense_topology import DenseTopology
from dynst.models.layers.sparse_topology import SparseTopology
from dynst.models.protocol import Topology, Traits

__all__ = ["NEIGHBOURS", "make_topology", "proximity"]

NEIGHBOURS = 16  # saved models rely on it


def make_topology(
    edges: Edges, num_sensors: int, traits: Traits, neighbours: int | None = None
) -> Topology:
    """All pairs of a small network, or lists of neighbours.

    Raises:
        ConfigError: the network needs neighbour lists, but has no edges to make them from, or the
            backbone takes none.
    """
    if neighbours is None and num_sensors <= traits.max_all_pairs:
        return DenseTopology(proximity(edges, num_sensors))
    if not traits.takes_lists:
        _refuse_lists(num_sensors, traits, neighbours)
    if not len(edges):
        raise ConfigError(
            f"each of the {num_sensors} locations receives from neighbours, but the store has no "
            f"edges that say which they are; "
            f"import it with edges or positions{_or_all_pairs(traits)}"
        )
    return SparseTopology(*neighbour_lists(edges, num_sensors, neighbours or NEIGHBOURS))


def _or_all_pairs(traits: Traits) -> str:
    return (
        f", or leave model.neighbours out for at most {traits.max_all_pairs} sensors"
        if traits.max_all_pairs
        else ""
    )


def _refuse_lists(num_sensors: int, traits: Traits, neighbours: int | None) -> NoReturn:
    if neighbours is not None:
        raise ConfigError(
            "model.neighbours must be left out for a backbone that attends to all sensors, but "
            f"got {neighbours}; remove it, or use the backbone morph_graph"
        )
    raise ConfigError(
        f"the backbone attends to at most {traits.max_all_pairs} sensors, but the store has "
        f"{num_sensors}; raise data.patch, or use the backbone morph_graph"
    )


def proximity(edges: Edges, num_sensors: int) -> Tensor:
    """Edge weights as ``[location, sensor]``, largest 1; parallel edges keep the larger weight."""
    dense = torch.zeros(num_sensors, num_sensors)
    if not len(edges):
        return dense
    flat = torch.from_numpy(edges.target * num_sensors + edges.source)
    dense.view(-1).scatter_reduce_(0, flat, torch.tensor(edges.weight), "amax")
    return dense / dense.max().clamp(min=1e-12)
