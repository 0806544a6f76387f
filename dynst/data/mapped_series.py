"""A series that memory need not hold: what is read of it is scaled when it is read."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from dynst.data.gather import of_channels, window_rows
from dynst.data.scaler import SeasonalScaler
from dynst.data.store import Readings
from dynst.devices import CPU

__all__ = ["MappedSeries"]


@dataclass(frozen=True)
class MappedSeries:
    """What ``Series`` gives, from readings that are mapped from a store's file.

    Each process reads the rows and sensors that it is asked for, and no others. The system keeps
    what it reads in memory as long as there is room, once for all processes of a machine.

    Batches are those of a ``Series``, but for the last digit of what is scaled. They take longer,
    since an overlapping window is scaled anew.

    Args:
        readings: raw, ``[N, S, C]``.
        scaler: of all sensors, in main memory.
    """

    readings: Readings
    scaler: SeasonalScaler
    complete: ClassVar[bool] = False  # nobody has looked
    num_bytes: ClassVar[int] = 0  # that a process holds for good

    @property
    def device(self) -> torch.device:
        """Main memory: batches alone go to a device."""
        return CPU

    @property
    def num_sensors(self) -> int:
        """S, of the whole network."""
        return int(self.readings.values.shape[1])

    @cached_property
    def time(self) -> Tensor:
        """``[N]`` int64."""
        return torch.from_numpy(np.array(self.readings.time))

    @cached_property
    def calendar(self) -> Tensor:
        """``[N, F]``."""
        return self.scaler.calendar(self.time)

    def on(self, device: torch.device) -> "MappedSeries":
        """The series as it is: it has no room elsewhere."""
        return self

    def past(self, first: Tensor, length: int, sensors: Tensor) -> tuple[Tensor, Tensor]:
        """See ``Series.past``."""
        everyone = torch.equal(sensors, torch.arange(self.num_sensors))
        return self._read(first, length, None if everyone else sensors)

    def ahead(
        self, first: Tensor, length: int, channels: Tensor, locations: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """See ``Series.ahead``."""
        values, observed = self._read(first, length, locations)
        return of_channels(values, channels), of_channels(observed, channels)

    def num_observed(
        self, first: Tensor, length: int, channels: Tensor, locations: Tensor | None = None
    ) -> Tensor:
        """See ``Series.num_observed``."""
        observed = _windows(self.readings.observed, first, length, locations)
        return of_channels(observed, channels).sum()

    def at(self, rows: Tensor, channels: Tensor) -> tuple[Tensor, Tensor]:
        """See ``Series.at``."""
        values = torch.from_numpy(self.readings.values[rows.numpy()])
        observed = torch.from_numpy(self.readings.observed[rows.numpy()])
        return (
            of_channels(self._scaled(values, observed, rows), channels),
            of_channels(observed, channels),
        )

    def _read(self, first: Tensor, length: int, sensors: Tensor | None) -> tuple[Tensor, Tensor]:
        values = _windows(self.readings.values, first, length, sensors)
        observed = _windows(self.readings.observed, first, length, sensors)
        rows = window_rows(first, length)
        return self._scaled(values, observed, rows, sensors), observed

    def _scaled(
        self, values: Tensor, observed: Tensor, rows: Tensor, sensors: Tensor | None = None
    ) -> Tensor:
        scaled = self.scaler.transform(values, self.time[rows], sensors)
        return scaled if observed.all() else scaled.masked_fill_(~observed, 0.0)


def _windows(rows: np.ndarray, first: Tensor, length: int, sensors: Tensor | None) -> Tensor:
    """``[N, S, C]`` to ``[B, length, K, C]``, of these sensors or of all."""
    num_sensors = rows.shape[1] if sensors is None else len(sensors)
    out = np.empty((len(first), length, num_sensors, rows.shape[2]), rows.dtype)
    for start, window in zip(first.tolist(), out, strict=True):
        lines = rows[start : start + length]
        if sensors is None:
            window[:] = lines
        else:
            np.take(lines, sensors.numpy(), axis=1, out=window)
    return torch.from_numpy(out)
