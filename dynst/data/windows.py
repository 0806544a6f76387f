"""Windows as index views over one resident series: nothing is materialised per sample, a batch is
copied in blocks of rows.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dynst.data.scaler import SeasonalScaler
from dynst.data.store import Readings
from dynst.devices import CPU, fits, to_device
from dynst.errors import ConfigError

__all__ = [
    "Batch",
    "Series",
    "Splits",
    "Windows",
    "calendar_features",
    "chronological_splits",
    "make_series",
    "shifted_calendar",
    "split_windows",
    "window_starts",
]

CACHED_BYTES = 2**21  # what a processor's cache holds while sensors are chosen from it
HUGE_BYTES = (
    2**25
    # beyond this, memory is always fresh from the system; numpy asks for huge pages, which are
    # faster to get
)
PERIODS = (86_400, 604_800, 31_556_952)  # seconds of a day, a week and a mean year
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
    def _copies(self) -> dict[torch.device, "Series"]:
        return {}


@dataclass(frozen=True)
class Batch:
    """What a forecaster reads and what it is judged by, on one device.

    Sensors that are off are absent from ``readings``.

    Copies that share nothing with the series. The masks of a complete series are one True,
    expanded: to be read only.
    """

    readings: Tensor  # [B, T, K, C]
    observed: Tensor  # [B, T, K, C] bool
    calendar: Tensor  # [B, F] of the first forecast step
    sensors: Tensor  # [K] int64, whom it reads
    target: Tensor  # [B, H, L, len(targets)], L = S where nothing else was asked for
    target_observed: Tensor  # [B, H, L, len(targets)] bool

    def on(self, device: torch.device) -> "Batch":
        return Batch(**{name: to_device(values, device) for name, values in vars(self).items()})


@dataclass(frozen=True)
class Windows:
    """Which rows of a series are read and forecast.

    Indices are in main memory, wherever the readings are.
    """

    series: Series
    starts: Tensor  # [M] int64, the first row of each window
    window: int
    horizon: int
    targets: Tensor  # [·] int64, channels to forecast
    device: torch.device = CPU  # where batches are asked for

    def __len__(self) -> int:
        return len(self.starts)

    def on(self, device: torch.device) -> "Windows":
        """The same windows, whose batches are on ``device``.

        Their readings too, where they have room there.
        """
        return (
            self
            if device == self.device
            else replace(self, series=self.series.on(device), device=device)
        )

    def batch(self, index: Tensor, sensors: Tensor, locations: Tensor | None = None) -> Batch:
        """Copy the windows ``index [B]`` for the active ``sensors [K]``, with targets of all
        locations or of these; all are told in main memory.
        """
        series, first = self.series, to_device(self.starts[index], self.series.device)
        sensors = to_device(sensors, series.device)
        ahead = first + self.window
        readings = _past(series.values, first, self.window, sensors)
        target = self._ahead(series.values, ahead, locations)
        if series.complete:
            true = series.observed.new_ones(())
            observed, target_observed = true.expand_as(readings), true.expand_as(target)
        else:
            observed = _past(series.observed, first, self.window, sensors)
            target_observed = self._ahead(series.observed, ahead, locations)
        return Batch(
            readings, observed, series.calendar[ahead], sensors, target, target_observed
        ).on(self.device)

    def num_observed(self, index: Tensor, locations: Tensor | None = None) -> Tensor:
        """Entries to forecast in the windows ``index`` that were observed, as their batch would
        count them.
        """
        if self.series.complete:
            width = self.series.values.shape[1] if locations is None else len(locations)
            return self.starts.new_tensor(len(index) * self.horizon * width * len(self.targets))
        ahead = to_device(self.starts[index], self.series.device) + self.window
        return self._ahead(self.series.observed, ahead, locations).sum()

    def target_times(self, index: Tensor) -> Tensor:
        """Times of the forecast steps ``[B, H]``, where batches are."""
        ahead = self.starts[index][:, None] + torch.arange(self.window, self.window + self.horizon)
        return to_device(self.series.time[ahead], self.device)

    def _ahead(self, rows: Tensor, first: Tensor, locations: Tensor | None) -> Tensor:
        """``[N, S, C]`` to ``[B, H, L, len(targets)]``: all locations, or these, from each row
        ``first`` on.
        """
        if locations is not None:
            return _past(rows, first, self.horizon, to_device(locations, rows.device))[
                ..., to_device(self.targets, rows.device)
            ]
        if self._neighbours is None:
            return _blocks(rows, first, self.horizon)[..., to_device(self.targets, rows.device)]
        return _blocks(rows[..., self._neighbours], first, self.horizon)

    @cached_property
    def _neighbours(self) -> slice | None:
        """The targets as a range of channels, which needs no second copy, where they are one."""
        channels: list[int] = self.targets.tolist()
        low, high = channels[0], channels[-1] + 1
        return slice(low, high) if channels == list(range(low, high)) else None


@dataclass(frozen=True)
class Splits:
    """Chronological parts of the series as row ranges; the test part is read once, at the end."""

    train: slice
    val: slice
    test: slice


def chronological_splits(
    num_steps: int, shares: tuple[float, float, float] = (0.7, 0.1, 0.2)
) -> Splits:
    if min(shares) <= 0 or abs(sum(shares) - 1) > 1e-6:
        raise ConfigError(
            f"data.split must be three positive shares that add up to 1, but got {list(shares)}"
        )
    first, second = round(num_steps * shares[0]), round(num_steps * (shares[0] + shares[1]))
    return Splits(slice(0, first), slice(first, second), slice(second, num_steps))


def calendar_features(time: Tensor) -> Tensor:
    """Sine and cosine of the time of day, the week and the year, ``[..., 6]``."""
    angles = [2 * torch.pi * (time % period).double() / period for period in PERIODS]
    return torch.stack(
        [wave(angle) for angle in angles for wave in (torch.sin, torch.cos)], dim=-1
    ).float()


def shifted_calendar(calendar: Tensor, seconds: int) -> Tensor:
    """``calendar_features`` of a moment so much later, from those of this one."""
    angle = calendar.new_tensor([2 * torch.pi * (seconds % period) / period for period in PERIODS])
    sine, cosine = calendar[..., 0::2], calendar[..., 1::2]
    later = (sine * angle.cos() + cosine * angle.sin(), cosine * angle.cos() - sine * angle.sin())
    return torch.stack(later, dim=-1).flatten(-2)


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
    return Series(time, values, observed, calendar_features(time))


def window_starts(time: Tensor, rows: slice, window: int, horizon: int) -> Tensor:
    """First rows of all windows that lie wholly inside ``rows`` and cross no gap in ``time [N]``.

    Raises:
        ConfigError: not one such window exists.
    """
    span = window + horizon
    step = int(torch.diff(time).mode().values)
    starts = torch.arange(rows.start, max(rows.start, rows.stop - span + 1))
    unbroken = time[starts + span - 1] - time[starts] == (span - 1) * step
    starts = starts[unbroken]
    if not len(starts):
        raise ConfigError(
            f"no window of {window} + {horizon} steps fits into rows "
            f"{rows.start}..{rows.stop - 1} of the series without crossing "
            "a gap; shorten model.window or model.horizon, or bring a longer series"
        )
    return starts


def split_windows(
    series: Series, rows: slice, window: int, horizon: int, targets: list[int]
) -> Windows:
    """The windows of one part of the series; see ``window_starts``."""
    return Windows(
        series,
        window_starts(series.time, rows, window, horizon),
        window,
        horizon,
        torch.tensor(targets),
    )


def _past(rows: Tensor, first: Tensor, length: int, sensors: Tensor) -> Tensor:
    """``[N, S, C]`` to ``[B, length, K, C]``: the columns ``sensors`` of the rows from each
    ``first`` on.

    Whole rows are copied first where the cache holds them all; wider windows are read one by one,
    where they lie. Either is several times as fast as an index for every entry.
    """
    num_sensors, num_channels = rows.shape[1:]
    if not rows.is_cpu:
        return _picked(rows, first, length, sensors)
    if torch.equal(sensors, torch.arange(num_sensors, device=sensors.device)):
        return _blocks(rows, first, length)
    out = _empty((len(first), length, len(sensors), num_channels), rows)
    if len(first) * length * rows[0].nbytes <= CACHED_BYTES:
        _columns(_blocks(rows, first, length).flatten(0, 1), sensors, out.flatten(0, 1))
    else:
        for start, window in zip(first.tolist(), out, strict=True):
            _columns(rows[start : start + length], sensors, window)
    return out


def _blocks(rows: Tensor, first: Tensor, length: int) -> Tensor:
    """``[N, S, C]`` to ``[B, length, S, C]``: the rows from each ``first`` on.

    Copying less than ``HUGE_BYTES`` takes less time than a busy machine lets a second thread wait:
    numpy copies in this one.
    """
    if rows.is_cpu and rows.is_contiguous() and len(first) * length * rows[0].nbytes < HUGE_BYTES:
        lines = _lines(first, length).flatten()
        return torch.from_numpy(rows.numpy().take(lines.numpy(), axis=0)).view(
            len(first), length, *rows.shape[1:]
        )
    if not rows.is_cpu:
        return _picked(rows, first, length)
    view = rows.unfold(0, length, 1).movedim(
        -1, 1
    )  # [N - length + 1, length, S, C], nothing copied yet
    return torch.index_select(view, 0, first, out=_empty((len(first), *view.shape[1:]), rows))


def _picked(rows: Tensor, first: Tensor, length: int, sensors: Tensor | None = None) -> Tensor:
    """In one kernel, and without a look at rows or sensors, which would have to wait for the
    device.
    """
    lines = _lines(first, length)
    return rows[lines] if sensors is None else rows[lines[..., None], sensors]


def _lines(first: Tensor, length: int) -> Tensor:
    """``[B]`` to ``[B, length]``: the rows from each ``first`` on."""
    return first[:, None] + torch.arange(length, device=first.device)


def _columns(rows: Tensor, sensors: Tensor, out: Tensor) -> None:
    """``[R, S, C]`` to ``[R, K, C]``. torch is fast at single floats, numpy three times as fast at
    all else in main memory.
    """
    if rows.is_cpu and (rows.shape[2] > 1 or rows.dtype == torch.bool):
        np.take(rows.numpy(), sensors.numpy(), axis=1, out=out.numpy())
    else:
        torch.index_select(rows, 1, sensors, out=out)


def _empty(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Memory to be written, of the type of ``like`` and where it is."""
    if like.is_cpu and prod(shape) * like.element_size() >= HUGE_BYTES:
        return torch.from_numpy(
            np.empty(shape, np.bool_ if like.dtype == torch.bool else np.float32)
        )
    return like.new_empty(shape)


def _storage(shape: tuple[int, ...], dtype: torch.dtype, scratch: Path | None, name: str) -> Tensor:
    if scratch is None:
        return torch.empty(shape, dtype=dtype)
    return torch.from_file(
        str(scratch / f"{name}.raw"), shared=True, size=prod(shape), dtype=dtype
    ).view(shape)


def _row_blocks(num_rows: int, row_bytes: int) -> list[slice]:
    many = max(1, BLOCK_BYTES // row_bytes)
    return [slice(row, row + many) for row in range(0, num_rows, many)]
