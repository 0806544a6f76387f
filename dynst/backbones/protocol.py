"""What a backbone is: active sensors in, one hidden state for each of them out."""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

__all__ = ["CompactBackbone", "Geometry", "Shape"]


@dataclass(frozen=True)
class Shape:
    """Sizes that every part of a forecaster agrees on."""

    window: int
    horizon: int
    num_sensors: int
    num_channels: int
    num_targets: int
    hidden: int


@dataclass(frozen=True)
class Geometry:
    """What is known of who is near whom: ``proximity[l, j]`` ≥ 0 is how near sensor j is to location l, 0 where unknown."""

    proximity: Tensor  # [S, S]


class CompactBackbone(Protocol):
    """A network that sees active sensors only: its cost shrinks with K.

    Wherever sensors mix, sensor j's message is weighted by ``gates[j]`` and the weights are renormalised, so that gates of 1 on a
    set A and 0 elsewhere give what A alone gives. ``gates`` None means all 1.
    """

    def __call__(self, morphed: Tensor, calendar: Tensor, sensors: Tensor, gates: Tensor | None) -> Tensor:
        """``morphed [B, K, T·2C]``, ``calendar [B, F]``, ``sensors [K]``, ``gates [K]`` to ``[B, K, D]``."""
