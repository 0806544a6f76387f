"""A large network cut into parts that lie together.

Each part has a halo of the sensors that its locations receive messages from.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_array
from scipy.sparse.csgraph import reverse_cuthill_mckee
from torch import Tensor

__all__ = ["Subgraph", "cut_into_subgraphs", "packed", "unpacked"]


@dataclass(frozen=True)
class Subgraph:
    """What one training step sees of the network; both in ascending order.

    Args:
        locations: ``[L]``, where the errors count; each location of the network is in one part.
        sensors: ``[M]``, the locations and their halo, which other parts have too.
    """

    locations: Tensor
    sensors: Tensor


def cut_into_subgraphs(
    neighbours: Tensor, points: np.ndarray | None, parts: int, hops: int
) -> tuple[Subgraph, ...]:
    """Parts whose sizes differ by at most one.

    With ``points [S, 2 or 3]`` the longest side is halved again and again (recursive coordinate
    bisection, Berger and Bokhari 1987), which gives tiles on a grid. Without them, an order in
    which neighbours are close together is cut into stretches (reverse Cuthill–McKee, 1969). The
    halo is what the lists ``neighbours [S, N]`` name, so many ``hops`` out; −1 is no entry.
    """
    order = np.arange(len(neighbours)) if points is not None else _close_together(neighbours)
    pieces = np.array_split(order, parts) if points is None else _bisected(order, points, parts)
    cores = [torch.from_numpy(np.sort(piece)) for piece in pieces]
    return tuple(Subgraph(core, _reached(core, neighbours, hops)) for core in cores)


def packed(parts: Sequence[Subgraph]) -> dict[str, Tensor]:
    """Parts as a few tensors, whatever their number: one after another, and their sizes."""
    return {
        "locations": torch.cat([part.locations for part in parts]),
        "location_counts": torch.tensor([len(part.locations) for part in parts]),
        "sensors": torch.cat([part.sensors for part in parts]),
        "sensor_counts": torch.tensor([len(part.sensors) for part in parts]),
    }


def unpacked(tensors: Mapping[str, Tensor]) -> tuple[Subgraph, ...]:
    """What ``packed`` was given."""
    locations, sensors = (
        tensors[f"{name}s"].split(tensors[f"{name}_counts"].tolist())
        for name in ("location", "sensor")
    )
    return tuple(map(Subgraph, locations, sensors))


def _bisected(index: np.ndarray, points: np.ndarray, parts: int) -> list[np.ndarray]:
    """``index`` in ``parts`` chunks, larger ones first, as ``numpy.array_split`` sizes them."""
    if parts == 1:
        return [index]
    here, left = points[index], parts // 2
    axis = int(np.argmax(here.max(0) - here.min(0)))
    order = index[np.argsort(here[:, axis], kind="stable")]
    size = left * (len(index) // parts) + min(left, len(index) % parts)
    return _bisected(order[:size], points, left) + _bisected(order[size:], points, parts - left)


def _close_together(neighbours: Tensor) -> np.ndarray:
    present = neighbours >= 0
    rows = torch.arange(len(neighbours))[:, None].expand_as(neighbours)[present].numpy()
    shape = (len(neighbours), len(neighbours))
    graph = csr_array(
        (np.ones(len(rows), np.int8), (rows, neighbours[present].numpy())), shape=shape
    )
    order: np.ndarray = reverse_cuthill_mckee((graph + graph.T).tocsr(), symmetric_mode=True)
    return order.astype(np.int64)


def _reached(core: Tensor, neighbours: Tensor, hops: int) -> Tensor:
    """The core and what it reaches, as a mask of the network at the most."""
    inside = torch.zeros(len(neighbours) + 1, dtype=torch.bool)  # the last slot is −1's
    inside[core], newest = True, core
    for _ in range(hops):
        before = inside.clone()
        inside[neighbours[newest].flatten()] = True
        newest = (inside & ~before)[:-1].nonzero().squeeze(1)
    return inside[:-1].nonzero().squeeze(1)
