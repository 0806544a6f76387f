"""What a backbone is: active sensors in, one hidden state for each of them out.

And which sensors receive messages from which.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from torch import Tensor, nn

from dynst.notices import notice

__all__ = [
    "Aggregation",
    "CompactBackbone",
    "FrameShape",
    "HeadAggregation",
    "Neighborhood",
    "Pairs",
    "Shape",
    "Topology",
    "Traits",
]

Aggregation = Callable[[Tensor], Tensor]
"""From one message of each sensor, ``[B, ..., K, D]``, to what each location receives, ``[B, ...,
L, D]``.
"""


class HeadAggregation(NamedTuple):
    """Attention whose scores all windows share, ``[heads, L, K]``.

    Args:
        by_head: values for each head, ``[B, heads, K, D]``, to their weighted sums, ``[B, heads, L,
            D]``.
        on_average: values for all heads alike, ``[B, 1, K, D]``, to the mean of the heads' weighted
            sums, ``[B, 1, L, D]``.
    """

    by_head: Aggregation
    on_average: Aggregation


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
class FrameShape:
    """Sizes of a network over images, ``[B, T, channels_in, rows, columns]`` to ``[B, H,
    channels_out, rows, columns]``.
    """

    window: int
    horizon: int
    channels_in: int
    channels_out: int
    rows: int
    columns: int
    hidden: int


@dataclass(frozen=True)
class Traits:
    """What the forecaster around a backbone has to know of it.

    Args:
        compact: reads active sensors alone and leaves the other locations to the readout; else it
            reads every location, those that are off filled in, and forecasts them all by itself.
        max_all_pairs: sensors up to which all of them may exchange messages; saved models rely on
            the number.
        takes_lists: of neighbours, above that number or where a user wants them.
    """

    compact: bool
    max_all_pairs: int = 512
    takes_lists: bool = True


@dataclass(frozen=True)
class Pairs:
    """The N senders of each of L receivers, one by one, for messages that are made for each pair.

    Args:
        index: ``[L, N]``, indices of the senders among the K given sensors; any index where a list
            is short.
        weight: ``[L, N]``, as ``Neighborhood.average`` weighs them: gated, rows sum to 1, or to 0
            where all senders are off.
        proximity: ``[L, N]`` ≥ 0, whatever the gates.
    """

    index: Tensor
    weight: Tensor
    proximity: Tensor


class Neighborhood(Protocol):
    """Which of K given sensors each of L locations receives messages from, gates included."""

    def average(self) -> Aggregation:
        """By proximity alone: the known graph."""

    def attend(
        self, query: Tensor, key: Tensor, proximity_weight: Tensor | None = None
    ) -> Aggregation:
        """By learned scores, ``query [..., L, E] · key [..., K, E]``, plus ``proximity_weight [...,
        1, 1]`` times the proximity.
        """

    def attend_by_head(
        self, query: Tensor, key: Tensor, proximity_weight: Tensor
    ) -> HeadAggregation:
        """By scores as those of ``attend``, from ``query [heads, L, E]`` and ``key [heads, K,
        E]``.
        """

    def neighbours(self) -> Pairs:
        """The known graph pair by pair."""


class Topology(nn.Module):
    """Which of all S locations are near one another.

    Its buffers are made from edges and never saved.
    """

    def sensor_to_sensor(self, sensors: Tensor, gates: Tensor | None) -> Neighborhood:
        """The given ``sensors [K]`` to one another, L = K. ``gates`` None means all 1."""
        raise NotImplementedError

    def sensor_to_location(
        self, sensors: Tensor, gates: Tensor | None, locations: Tensor | None = None
    ) -> Neighborhood:
        """The given ``sensors [K]`` to all locations, L = S, or to ``locations [L]`` alone.

        None attends to itself.
        """
        raise NotImplementedError

    def restricted(self, sensors: Tensor) -> "Topology":
        """The same among ``sensors [M]`` alone (ascending), whose numbers are then 0 to M − 1.

        Nobody receives from anyone that this one does not name.
        """
        raise NotImplementedError

    def among(self, sensors: Tensor, gates: Tensor | None) -> Neighborhood:
        """The name that ``sensor_to_sensor`` had."""
        notice("Topology.among is now called sensor_to_sensor; rename the call")
        return self.sensor_to_sensor(sensors, gates)

    def everywhere(
        self, sensors: Tensor, gates: Tensor | None, locations: Tensor | None = None
    ) -> Neighborhood:
        """The name that ``sensor_to_location`` had."""
        notice("Topology.everywhere is now called sensor_to_location; rename the call")
        return self.sensor_to_location(sensors, gates, locations)


class CompactBackbone(Protocol):
    """A network that sees active sensors only: its cost shrinks with K.

    Wherever sensors exchange messages, sensor j's message is weighted by ``gates[j]`` and the
    weights are renormalised, so that gates of 1 on a set A and 0 elsewhere give what A alone gives.
    ``gates`` None means all 1.
    """

    def __call__(
        self, morphed: Tensor, calendar: Tensor, sensors: Tensor, gates: Tensor | None
    ) -> Tensor:
        """``morphed [B, K, T·2C]``, ``calendar [B, F]``, ``sensors [K]``, ``gates [K]`` to ``[B, K,
        D]``.
        """
