"""Every location may hear every sensor: exact and simple, with memory that grows with the square of the network."""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from dynst.backbones.mixing import gated_attention, gated_average
from dynst.backbones.protocol import Geometry, Links, Mixing, Pairs

__all__ = ["AllPairs"]


class AllPairs(Geometry):
    """``proximity[l, j]`` ≥ 0 is how near sensor j is to location l, 0 where unknown."""

    proximity: Tensor

    def __init__(self, proximity: Tensor) -> None:
        super().__init__()
        self.register_buffer("proximity", proximity, persistent=False)  # [S, S]

    def among(self, sensors: Tensor, gates: Tensor | None) -> Links:
        return _PairLinks(self.proximity[sensors][:, sensors], gates)

    def everywhere(self, sensors: Tensor, gates: Tensor | None) -> Links:
        itself = torch.arange(len(self.proximity), device=sensors.device)[:, None] == sensors
        return _PairLinks(self.proximity[:, sensors], gates, itself)


@dataclass(frozen=True)
class _PairLinks:
    proximity: Tensor  # [L, K]
    gates: Tensor | None  # [K]
    deaf: Tensor | None = None  # [L, K] bool, pairs that never mix by learned scores

    def average(self) -> Mixing:
        return partial(torch.matmul, gated_average(self.proximity, self.gates))

    def attend(self, query: Tensor, key: Tensor, nearness: Tensor | None = None) -> Mixing:
        scores = query @ key.mT
        if nearness is not None:
            scores = scores + nearness * self.proximity
        if self.deaf is not None:
            scores = scores.masked_fill(self.deaf, -torch.inf)
        return partial(torch.matmul, gated_attention(scores, self.gates))

    def neighbours(self) -> Pairs:
        index = torch.arange(self.proximity.shape[1], device=self.proximity.device).expand_as(self.proximity)
        return Pairs(index, gated_average(self.proximity, self.gates), self.proximity)
