"""What the readings of a long table as a whole tell: channels that are hardly readings."""

from collections.abc import Iterator, Sequence

import numpy as np

from dynst.data.importers.columns.first_cells import quoted
from dynst.data.importers.report import Finding, assumed
from dynst.data.importers.source import Block

__all__ = ["Signals"]

SPARSE = 0.9  # of the readings missing is worth a word


class Signals:
    """Watches blocks go by.

    Args:
        channels: their names.
        sensors: number of sensors.
        asked: whether the user named the channels.
    """

    def __init__(self, channels: Sequence[str], sensors: int, *, asked: bool) -> None:
        self.channels, self.asked = list(channels), asked
        self._low = np.full((sensors, len(channels)), np.inf)
        self._high = -self._low
        self._alike = np.ones(len(channels), bool)
        self._compared = np.zeros(len(channels), np.int64)
        self._steps, self._seen = 0, 0

    def watch(self, blocks: Iterator[Block]) -> Iterator[Block]:
        """The same blocks."""
        for time, values in blocks:
            self._look(values)
            yield time, values

    def findings(self) -> tuple[Finding, ...]:
        """After the last block."""
        found = []
        cells = self._steps * self._low.size
        missing = 1 - self._seen / max(1, cells)
        if missing > SPARSE:
            found.append(
                assumed(
                    f"{missing:.2%} of the readings are missing, so the sensors' column may be "
                    f"another",
                    "--sensor-column",
                )
            )
        if self.asked or self._steps < 2:
            return tuple(found)
        steady = np.all(self._low >= self._high, axis=0)
        found += self._doubts(steady, "never changes at any sensor")
        alike = self._alike & (self._compared > 1) & ~steady
        found += self._doubts(alike, "is the same for all sensors at every time")
        return tuple(found)

    def _doubts(self, which: np.ndarray, why: str) -> list[Finding]:
        names = [name for name, doubtful in zip(self.channels, which, strict=True) if doubtful]
        if not names:
            return []
        return [
            assumed(
                f"{quoted(names)} {why}, but is taken as a reading",
                "--variable names the channels to take",
            )
        ]

    def _look(self, values: np.ndarray) -> None:
        there = ~np.isnan(values)
        self._steps += len(values)
        self._seen += int(there.sum())
        if self.asked:
            return
        low, high = np.where(there, values, np.inf), np.where(there, values, -np.inf)
        self._low = np.minimum(self._low, low.min(axis=0))
        self._high = np.maximum(self._high, high.max(axis=0))
        several = there.sum(axis=1) > 1
        self._alike &= np.all(~several | (low.min(axis=1) >= high.max(axis=1)), axis=0)
        self._compared += several.sum(axis=0)
