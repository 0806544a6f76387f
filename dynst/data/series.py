"""The scaled series of a network, in memory or on a device."""

from dataclasses import dataclass, replace
from functools import cached_property
from math import prod

import numpy as np
import torch
from torch import Tensor

from dynst.data.gather import channel_range, gather, gather_all, of_channels
from dynst.data.kept_columns import KeptColumns
from dynst.data.scaler import SeasonalScaler
from dynst.data.store import Readings
from dynst.devices import fits, to_device

__all__ = ["Series", "make_series"]

BLOCK_BYTES = 2**24  # of readings that are scaled at a time


@dataclass(frozen=True)
class Series:
    """The scaled series, resident in main memory or on a device.

    Unobserved values are 0, which is their profile.
    """

    time: Tensor  # [N] int64
    values: Tensor  # [N, S, C]
    observed: Tensor  # [N, S, C] bool; of a complete series one True, expanded
    calendar: Tensor  # [N, F]

    @property
    def complete(self) -> bool:
        """Everything is observed and no mask is stored. False promises nothing."""
        return not any(self.observed.stride())

    @property
    def num_sensors(self) -> int:
        """S, of the whole network."""
        return self.values.shape[1]

    @property
    def num_bytes(self) -> int:
        """Of values and masks."""
        return self.values.nbytes + (0 if self.complete else self.observed.nbytes)

    @property
    def device(self) -> torch.device:
        """Where the readings are; times stay in main memory."""
        return self.values.device

    def on(self, device: torch.device) -> "Series":
        """The same readings on ``device``, copied once for all who ask.

        The series as it is where they would fill the device.
        """
        if device == self.device:
            return self
        if device not in self._copies:
            self._copies[device] = self._copied(device) if fits(device, self.num_bytes) else self
        return self._copies[device]

    def _copied(self, device: torch.device) -> "Series":
        observed = (
            self.observed[:1, :1, :1].to(device).expand(self.observed.shape)
            if self.complete
            else self.observed.to(device)
        )
        return replace(
            self,
            values=self.values.to(device),
            observed=observed,
            calendar=self.calendar.to(device),
        )

    def past(self, first: Tensor, length: int, sensors: Tensor) -> tuple[Tensor, Tensor]:
        """Readings and whether they were observed, ``[B, length, K, C]``.

        Args:
            first: ``[B]`` int64, the first row of each window; where the series is, as ``sensors``.
            length: rows of each.
            sensors: ``[K]`` int64.
        """
        values = self._value_columns.gather(first, length, sensors)
        if self.complete:
            return values, self._true.expand_as(values)
        return values, self._observed_columns.gather(first, length, sensors)

    def ahead(
        self, first: Tensor, length: int, channels: Tensor, locations: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """As ``past`` for some channels, of all sensors or ``locations [L]``:
        ``[B, length, L, len(channels)]``.

        Channels and locations are in main memory.
        """
        values = _ahead(self.values, first, length, channels, locations)
        if self.complete:
            return values, self._true.expand_as(values)
        return values, _ahead(self.observed, first, length, channels, locations)

    def num_observed(
        self, first: Tensor, length: int, channels: Tensor, locations: Tensor | None = None
    ) -> Tensor:
        """How many of what ``ahead`` gives was observed."""
        if self.complete:
            width = self.num_sensors if locations is None else len(locations)
            return torch.tensor(len(first) * length * width * len(channels))
        return _ahead(self.observed, first, length, channels, locations).sum()

    def at(self, rows: Tensor, channels: Tensor) -> tuple[Tensor, Tensor]:
        """Readings of all sensors in any ``rows [...]``, and whether they were observed:
        ``[..., S, len(channels)]``.
        """
        values, observed = self.values[rows], self.observed[rows]
        return of_channels(values, channels), of_channels(observed, channels)

    @property
    def _true(self) -> Tensor:
        return self.observed.new_ones(())

    @cached_property
    def _value_columns(self) -> KeptColumns:
        """Of all windows of the series, whichever part they are in."""
        return KeptColumns(self.values)

    @cached_property
    def _observed_columns(self) -> KeptColumns:
        """As ``_value_columns``, of a series that is not complete."""
        return KeptColumns(self.observed)

    @cached_property
    def _copies(self) -> dict[torch.device, "Series"]:
        return {}


def make_series(readings: Readings, scaler: SeasonalScaler) -> Series:
    """Scale the whole series, a block of rows at a time: beside the result only a block is in
    memory.
    """
    shape = readings.values.shape
    time = torch.from_numpy(np.array(readings.time))
    blocks = _row_blocks(len(time), 4 * prod(shape[1:]))
    complete = all(bool(readings.observed[rows].all()) for rows in blocks)
    values = torch.empty(shape)
    observed = (
        torch.ones((), dtype=torch.bool).expand(shape)
        if complete
        else torch.empty(shape, dtype=torch.bool)
    )
    for rows in blocks:
        values[rows] = scaler.transform(
            torch.from_numpy(np.array(readings.values[rows])), time[rows]
        )
        if not complete:
            observed[rows] = torch.from_numpy(np.array(readings.observed[rows]))
            values[rows].masked_fill_(~observed[rows], 0.0)
    return Series(time, values, observed, scaler.calendar(time))


def _ahead(
    rows: Tensor, first: Tensor, length: int, channels: Tensor, locations: Tensor | None
) -> Tensor:
    """``[N, S, C]`` to ``[B, length, L, len(channels)]``: from each row ``first`` on."""
    if locations is not None:
        chosen = gather(rows, first, length, to_device(locations, rows.device))
        return of_channels(chosen, channels)
    neighbours = channel_range(channels)
    if neighbours is None:
        return of_channels(gather_all(rows, first, length), channels)
    return gather_all(rows[..., neighbours], first, length)


def _row_blocks(num_rows: int, row_bytes: int) -> list[slice]:
    many = max(1, BLOCK_BYTES // row_bytes)
    return [slice(row, row + many) for row in range(0, num_rows, many)]
