"""Every location may receive messages from every sensor.

Exact and simple, with memory that grows with the square of the network.
"""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.checkpoint import checkpoint

from dynst.models.layers.gated_aggregation import gated_attention, gated_average
from dynst.models.protocol import Aggregation, HeadAggregation, Neighborhood, Pairs, Topology

__all__ = ["DenseTopology"]

# scores held at once, where each window has its own; larger blocks leave the processor's cache
PIECE = 2**20


class DenseTopology(Topology):
    """``proximity[l, j]`` ≥ 0 is how near sensor j is to location l, 0 where unknown."""

    proximity: Tensor

    def __init__(self, proximity: Tensor) -> None:
        super().__init__()
        self.register_buffer("proximity", proximity, persistent=False)  # [S, S]

    def restricted(self, sensors: Tensor) -> "DenseTopology":
        return DenseTopology(self.proximity[sensors][:, sensors])

    def sensor_to_sensor(self, sensors: Tensor, gates: Tensor | None) -> Neighborhood:
        return _DenseNeighborhood(self.proximity[sensors][:, sensors], gates)

    def sensor_to_location(
        self, sensors: Tensor, gates: Tensor | None, locations: Tensor | None = None
    ) -> Neighborhood:
        receivers = (
            torch.arange(len(self.proximity), device=sensors.device)
            if locations is None
            else locations
        )
        near = self.proximity if locations is None else self.proximity[locations]
        return _DenseNeighborhood(near[:, sensors], gates, receivers[:, None] == sensors)


@dataclass(frozen=True)
class _DenseNeighborhood:
    proximity: Tensor  # [L, K]
    gates: Tensor | None  # [K]
    masked: Tensor | None = None  # [L, K] bool, pairs without learned scores

    def average(self) -> Aggregation:
        return partial(_mix, gated_average(self.proximity, self.gates))

    def attend(
        self, query: Tensor, key: Tensor, proximity_weight: Tensor | None = None
    ) -> Aggregation:
        if query.dim() == 4 and proximity_weight is None and self.masked is None:
            return partial(self._attend_in_pieces, query, key)
        return partial(_mix, self._weight(query, key, proximity_weight))

    def attend_by_head(
        self, query: Tensor, key: Tensor, proximity_weight: Tensor
    ) -> HeadAggregation:
        weight = self._weight(query, key, proximity_weight)
        return HeadAggregation(partial(_mix, weight), partial(_mix, weight.mean(0, keepdim=True)))

    def _weight(self, query: Tensor, key: Tensor, proximity_weight: Tensor | None) -> Tensor:
        scores = query @ key.mT
        if proximity_weight is not None:
            scores = scores + proximity_weight * self.proximity
        if self.masked is not None:
            scores = scores.masked_fill(self.masked, -torch.inf)
        return gated_attention(scores, self.gates)

    def _attend_in_pieces(self, query: Tensor, key: Tensor, values: Tensor) -> Tensor:
        """``[B, heads, K, E]`` thrice.

        The scores of all windows together, ``[B, heads, L, K]``, are never kept.

        Torch's own attention does so where there are no gates and sizes are equal. Otherwise a
        chunk of windows is computed at a time, and again in the backward pass.
        """
        if self.gates is None and query.shape == values.shape:
            return scaled_dot_product_attention(query, key, values, scale=1.0)
        windows = max(1, PIECE // (query[0, ..., 0].numel() * key.shape[-2]))
        pieces = zip(*(part.split(windows) for part in (query, key, values)), strict=True)
        return torch.cat(
            [
                checkpoint(self._piece, *piece, use_reentrant=False, preserve_rng_state=False)
                for piece in pieces
            ]
        )

    def _piece(self, query: Tensor, key: Tensor, values: Tensor) -> Tensor:
        return gated_attention(query @ key.mT, self.gates) @ values

    def neighbours(self) -> Pairs:
        index = torch.arange(self.proximity.shape[1], device=self.proximity.device).expand_as(
            self.proximity
        )
        return Pairs(index, gated_average(self.proximity, self.gates), self.proximity)


def _mix(weight: Tensor, values: Tensor) -> Tensor:
    """``[..., L, K] @ [B, ..., K, D]``.

    Heads have the windows of a batch laid side by side, ``[heads, L, K] @ [heads, K, B·D]``: else
    each window would get its own copy of all weights, and of their gradients. Without heads torch
    copies no weights, while laying windows side by side is a copy.
    """
    if weight.dim() == 3 and values.dim() == 4:
        beside = values.permute(1, 2, 0, 3)  # [heads, K, B, D]
        aggregated: Tensor = (weight @ beside.flatten(2)).unflatten(
            -1, beside.shape[2:]
        )  # [heads, L, B, D]
        return aggregated.permute(2, 0, 1, 3)
    return weight.expand(*values.shape[:-2], -1, -1) @ values
