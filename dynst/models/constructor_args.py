"""What a constructor of a backbone gets, by the names of its parameters.

Every other parameter is an option of the job.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dynst.data.calendar import NUM_CALENDAR
from dynst.data.edges import Edges
from dynst.data.manifest import Patching
from dynst.errors import ConfigError
from dynst.models.graph.patch_transformer import fourier_features
from dynst.models.grid.adapter import frame_shape
from dynst.models.layers.dense_topology import DenseTopology
from dynst.models.layers.topology import make_topology
from dynst.models.protocol import FrameShape, Shape, Topology, Traits

__all__ = ["OLD_NAMES", "PARTS", "Blueprint"]


@dataclass(frozen=True)
class Blueprint:
    """All that the parts of a forecaster are made from.

    Args:
        shape: of the forecaster.
        edges, node_embedding, positions: of the whole network of sensors.
        sensors: ``[M]``, which of them the forecaster has, where it has not all.
        location_blocks: of the readout.
        wants_kriging: in the readout; None where it can have it.
    """

    shape: Shape
    traits: Traits
    neighbours: int | None
    edges: Edges
    targets: tuple[int, ...]
    node_embedding: Tensor  # [S, E]
    positions: Tensor | None  # [S, 2]
    layout: Patching | None
    sensors: Tensor | None = None
    location_blocks: int = 0
    wants_kriging: bool | None = None

    def rows(self, values: Tensor) -> Tensor:
        """``values [S, ...]``, of the sensors that the forecaster has."""
        return values if self.sensors is None else values[self.sensors]

    @cached_property
    def topology(self) -> Topology:
        """One object, so that backbone and readout share its memory."""
        return self._topology(self.edges, self.traits)

    @property
    def readout_topology(self) -> Topology:
        """For the readout, which compares all pairs of a small network also where the backbone
        keeps to lists.
        """
        if self.traits.max_all_pairs:
            return self.topology
        return self._topology(self.edges, Traits(compact=True))

    @property
    def kriging(self) -> bool:
        """Whether the readout has it: each location then receives from all sensors that there are.

        Raises:
            ConfigError: it is wanted where locations receive from lists of neighbours.
        """
        possible = isinstance(self.readout_topology, DenseTopology)
        if self.wants_kriging and not possible:
            raise ConfigError(
                "model.kriging needs locations that receive from all sensors, but they have lists "
                "of neighbours; leave it out, or model.neighbours of a small network"
            )
        return possible if self.wants_kriging is None else self.wants_kriging

    @cached_property
    def backward(self) -> Topology:
        return self._topology(self.edges.backward(), self.traits)

    def _topology(self, edges: Edges, traits: Traits) -> Topology:
        """Lists are those of the whole network, whatever part of it the forecaster has."""
        whole = make_topology(edges, len(self.node_embedding), traits, self.neighbours)
        return whole if self.sensors is None else whole.restricted(self.sensors)

    @property
    def frames(self) -> FrameShape:
        if self.layout is None:
            raise ConfigError(
                "the backbone reads images of a grid, but the store has no grid; import the "
                "data as one, or take another backbone"
            )
        return frame_shape(self.layout, self.shape)

    @cached_property
    def own_edges(self) -> Edges:
        return self.edges if self.sensors is None else self.edges.restricted(self.sensors.numpy())

    @property
    def edge_index(self) -> Tensor:
        return torch.tensor(np.stack([self.own_edges.source, self.own_edges.target]))


PARTS: dict[str, Callable[[Blueprint], Any]] = {
    "shape": lambda blueprint: blueprint.shape,
    "window": lambda blueprint: blueprint.shape.window,
    "horizon": lambda blueprint: blueprint.shape.horizon,
    "num_sensors": lambda blueprint: blueprint.shape.num_sensors,
    "num_channels": lambda blueprint: blueprint.shape.num_channels,
    "num_targets": lambda blueprint: blueprint.shape.num_targets,
    "hidden": lambda blueprint: blueprint.shape.hidden,
    "targets": lambda blueprint: list(blueprint.targets),
    "num_calendar": lambda blueprint: NUM_CALENDAR,
    "node_embedding": lambda blueprint: blueprint.rows(blueprint.node_embedding),
    "positions": lambda blueprint: (
        None if blueprint.positions is None else blueprint.rows(blueprint.positions).float()
    ),
    "positional_features": lambda blueprint: blueprint.rows(
        fourier_features(blueprint.positions, len(blueprint.node_embedding))
    ),
    "topology": lambda blueprint: blueprint.topology,
    "backward": lambda blueprint: blueprint.backward,
    "frames": lambda blueprint: blueprint.frames,
    "edge_index": lambda blueprint: blueprint.edge_index,  # [2, E] int64
    "edge_weight": lambda blueprint: torch.tensor(
        blueprint.own_edges.weight
    ),  # [E], a copy: a store's own may not be written to
}

OLD_NAMES = {"identity": "node_embedding", "places": "positional_features", "geometry": "topology"}
for _old, _new in OLD_NAMES.items():
    PARTS[_old] = PARTS[_new]
