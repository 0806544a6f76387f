"""What a backbone is: active sensors in, one hidden state for each of them out; and who may hear whom."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

__all__ = ["CompactBackbone", "Geometry", "Links", "Mixing", "Shape"]

Mixing = Callable[[Tensor], Tensor]
"""From one message of each sensor, ``[B, ..., K, D]``, to what each location hears, ``[B, ..., L, D]``."""


@dataclass(frozen=True)
class Shape:
    """Sizes that every part of a forecaster agrees on."""

    window: int
    horizon: int
    num_sensors: int
    num_channels: int
    num_targets: int
    hidden: int


class Links(Protocol):
    """Who of K given sensors each of L locations may hear, gates included."""

    def average(self) -> Mixing:
        """By proximity alone: the known graph."""

    def attend(self, query: Tensor, key: Tensor, nearness: Tensor | None = None) -> Mixing:
        """By learned scores, ``query [..., L, E] · key [..., K, E]``, plus ``nearness [..., 1, 1]`` times the proximity."""


class Geometry(nn.Module):
    """What is known of who is near whom among all S locations. Its buffers are made from edges and never saved."""

    def among(self, sensors: Tensor, gates: Tensor | None) -> Links:
        """The given ``sensors [K]`` to one another, L = K. ``gates`` None means all 1."""
        raise NotImplementedError

    def everywhere(self, sensors: Tensor, gates: Tensor | None) -> Links:
        """The given ``sensors [K]`` to all locations, L = S; none listens to itself."""
        raise NotImplementedError


class CompactBackbone(Protocol):
    """A network that sees active sensors only: its cost shrinks with K.

    Wherever sensors mix, sensor j's message is weighted by ``gates[j]`` and the weights are renormalised, so that gates of 1 on a
    set A and 0 elsewhere give what A alone gives. ``gates`` None means all 1.
    """

    def __call__(self, morphed: Tensor, calendar: Tensor, sensors: Tensor, gates: Tensor | None) -> Tensor:
        """``morphed [B, K, T·2C]``, ``calendar [B, F]``, ``sensors [K]``, ``gates [K]`` to ``[B, K, D]``."""
