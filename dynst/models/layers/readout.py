"""From K hidden states to forecasts for all S locations, the switched-off ones included."""

from collections.abc import Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn

from dynst.models.layers.gated_aggregation import widened
from dynst.models.layers.location_attention import LocationAttention, last_reading
from dynst.models.layers.location_blocks import LocationBlocks
from dynst.models.layers.location_kriging import LocationKriging
from dynst.models.protocol import Shape, Topology
from dynst.models.renamed import read_old_names

__all__ = ["Readout"]


class Readout(LocationAttention):
    """Each location aggregates the other active sensors' states, and adds its own where it is on.

    Beside the states runs a linear path: each active sensor extrapolates its own window, at first
    by its last reading (as the linear models of Zeng et al. 2023). A location that is off
    aggregates the others' extrapolations by the same weights, mixed with those of kriging where
    it has them.
    """

    def __init__(
        self,
        shape: Shape,
        topology: Topology,
        targets: Sequence[int],
        location_embedding: Tensor,
        *,
        heads: int = 4,
        blocks: int = 0,
        kriging: bool = False,
    ) -> None:
        """``location_embedding [S, E]`` is what the embeddings begin as.

        Each location attends most to those with a large dot product. In ``blocks`` rounds the
        states of all locations exchange messages before they forecast.
        """
        if shape.hidden % heads:
            raise ValueError(f"hidden must be a multiple of {heads} heads, but got {shape.hidden}")
        super().__init__(shape, topology, location_embedding, heads)
        self.others = nn.Linear(shape.hidden, shape.hidden)
        self.own = nn.Linear(shape.hidden, shape.hidden)
        self.encode_location = nn.Linear(location_embedding.shape[1], shape.hidden)
        self.forecast = nn.Linear(shape.hidden, shape.horizon * shape.num_targets)
        self.extrapolate = last_reading(shape, targets)
        self.kriging = LocationKriging(shape, location_embedding) if kriging else None
        self.refine = (
            LocationBlocks(shape, topology, location_embedding.shape[1], blocks, heads)
            if blocks
            else None
        )
        read_old_names(self, {"place": "encode_location"})

    def forward(
        self,
        hidden: Tensor,
        morphed: Tensor,
        sensors: Tensor,
        gates: Tensor | None,
        locations: Tensor | None = None,
        among: Tensor | None = None,
    ) -> Tensor:
        """``hidden [B, K, D]`` and ``morphed [B, K, T·2C]`` to scaled ``[B, H, L, targets]``, of
        all locations or these.

        Where there are blocks, the states of all locations are made, or those of ``among [M]``
        (ascending, with the sensors and the locations among them).
        """
        if self.refine is None or locations is None:
            return self._forecast(hidden, morphed, sensors, gates, locations)
        found = self._forecast(hidden, morphed, sensors, gates, among)
        return found[:, :, locations if among is None else torch.searchsorted(among, locations)]

    def reading(self, sensors: Tensor) -> "Readout":
        """The same with what depends on ``sensors [K]`` alone computed once, where exporters know
        no operator for it.
        """
        if self.kriging is None:
            return self
        copy = deepcopy(self)
        copy.kriging = self.kriging.reading(sensors)
        return copy

    def _forecast(
        self,
        hidden: Tensor,
        morphed: Tensor,
        sensors: Tensor,
        gates: Tensor | None,
        locations: Tensor | None,
    ) -> Tensor:
        batch, shape, size = len(hidden), self.shape, self.shape.hidden // self.heads
        extrapolated = self.extrapolate(morphed)  # [B, K, H·targets]
        # [B, heads, K, D/heads]
        values = self.others(hidden).unflatten(-1, (self.heads, size)).transpose(1, 2)
        aggregation = self.head_aggregation(sensors, gates, locations)
        mixed = aggregation.by_head(values).transpose(1, 2).flatten(2)  # [B, L, D]
        guessed = aggregation.on_average(extrapolated[:, None]).squeeze(1)  # [B, L, H·targets]
        if self.kriging is not None:
            guessed = self.kriging(guessed, extrapolated, sensors, gates, locations)
        here, which = self.located(sensors, locations)
        own, beyond = self.own(hidden[:, which]), extrapolated[:, which] - guessed[:, here]
        if gates is not None:
            share = gates[which, None]
            own, beyond = own * share, beyond * share
        embedding = self.embeddings_of(locations)
        everywhere = mixed + self.encode_location(embedding)
        state = widened(everywhere).index_add(1, here, widened(own))
        if self.refine is not None:
            state = self.refine(state, embedding, self._numbers(locations))
        straight = widened(guessed).index_add(1, here, widened(beyond))
        out: Tensor = self.forecast(nn.functional.gelu(state)) + straight  # [B, L, H·targets]
        return out.view(batch, -1, shape.horizon, shape.num_targets).transpose(1, 2)

    def _numbers(self, locations: Tensor | None) -> Tensor:
        if locations is not None:
            return locations
        return torch.arange(self.shape.num_sensors, device=self.location_embedding.device)
