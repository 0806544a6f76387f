"""Values that often mean missing, counted while the readings stream by."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from dynst.data.manifest import Question

__all__ = ["FillValues"]

MARKERS = (0.0, -1.0, -99.0, -999.0, -9999.0, 9999.0, 255.0, 65535.0)
LIKELY_SHARE = 0.005
SAMPLED_VALUES = 1_000_000


@dataclass
class FillValues:
    """Counts values that often mean missing, channel by channel."""

    channels: Sequence[str]
    declared: tuple[float, ...] = ()
    observed: np.ndarray = field(init=False)
    counts: np.ndarray = field(init=False)
    low: np.ndarray = field(init=False)
    high: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        size = len(self.channels)
        self.observed, self.counts = np.zeros(size), np.zeros((len(MARKERS), size))
        self.low, self.high = np.full(size, np.inf), np.full(size, -np.inf)

    def watch(self, values: np.ndarray) -> None:
        """``values [N, S, C]``, large blocks by a sample of their steps.

        The range is taken without the markers.
        """
        values = values[:: max(1, values.size // SAMPLED_VALUES)]
        finite = np.isfinite(values)
        self.observed += finite.sum((0, 1))
        usual = finite.copy()
        for row, marker in enumerate(MARKERS):
            hits = values == marker
            self.counts[row] += hits.sum((0, 1))
            usual &= ~hits
        self.low = np.minimum(self.low, np.where(usual, values, np.inf).min((0, 1)))
        self.high = np.maximum(self.high, np.where(usual, values, -np.inf).max((0, 1)))

    def questions(self) -> tuple[Question, ...]:
        """Frequent zeros, and other markers that lie at the edge of the range."""
        found = []
        for row, marker in enumerate(MARKERS):
            share = self.counts[row] / np.maximum(self.observed, 1)
            outside = (marker <= self.low) | (marker >= self.high)
            for index in np.flatnonzero(
                (share >= LIKELY_SHARE) & outside & (marker not in self.declared)
            ).tolist():
                found.append(
                    Question(
                        channel=self.channels[index],
                        value=marker,
                        count=int(self.counts[row][index]),
                        share=float(share[index]),
                        reason="which lies at the edge of their range",
                    )
                )
        return tuple(found)
