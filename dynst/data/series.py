"""The scaled series of a network, in memory, on a device, or mapped from a file."""

from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dynst.data.kept_columns import KeptColumns
from dynst.data.scaler import SeasonalScaler
from dynst.data.store import Readings
from dynst.devices import fits

__all__ = ["Series", "make_series"]

BLOCK_BYTES = 2**24  # of readings that are scaled at a time


@dataclass(frozen=True)
class Series:
    """The scaled series, resident on the device or mapped from a file.

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
            num_bytes = self.values.nbytes + (0 if self.complete else self.observed.nbytes)
            self._copies[device] = self._copied(device) if fits(device, num_bytes) else self
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

    @cached_property
    def value_columns(self) -> KeptColumns:
        """Of all windows of the series, whichever part they are in."""
        return KeptColumns(self.values)

    @cached_property
    def observed_columns(self) -> KeptColumns:
        """As ``value_columns``, of a series that is not complete."""
        return KeptColumns(self.observed)

    @cached_property
    def _copies(self) -> dict[torch.device, "Series"]:
        return {}


def make_series(readings: Readings, scaler: SeasonalScaler, scratch: Path | None = None) -> Series:
    """Scale the whole series, a block of rows at a time: beside the result only a block is in
    memory.

    Args:
        scratch: a folder for a series that memory cannot hold; its rows are then mapped from files
            there, and batches are the same.
    """
    shape = readings.values.shape
    time = torch.from_numpy(np.array(readings.time))
    blocks = _row_blocks(len(time), 4 * prod(shape[1:]))
    complete = all(bool(readings.observed[rows].all()) for rows in blocks)
    values = _storage(shape, torch.float32, scratch, "values")
    observed = (
        torch.ones((), dtype=torch.bool).expand(shape)
        if complete
        else _storage(shape, torch.bool, scratch, "observed")
    )
    for rows in blocks:
        values[rows] = scaler.transform(
            torch.from_numpy(np.array(readings.values[rows])), time[rows]
        )
        if not complete:
            observed[rows] = torch.from_numpy(np.array(readings.observed[rows]))
            values[rows].masked_fill_(~observed[rows], 0.0)
    return Series(time, values, observed, scaler.calendar(time))


def _storage(shape: tuple[int, ...], dtype: torch.dtype, scratch: Path | None, name: str) -> Tensor:
    if scratch is None:
        return torch.empty(shape, dtype=dtype)
    return torch.from_file(
        str(scratch / f"{name}.raw"), shared=True, size=prod(shape), dtype=dtype
    ).view(shape)


def _row_blocks(num_rows: int, row_bytes: int) -> list[slice]:
    many = max(1, BLOCK_BYTES // row_bytes)
    return [slice(row, row + many) for row in range(0, num_rows, many)]
