"""Windows as index views over one resident series: nothing is materialised per sample."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dynst.data.scaler import SeasonalScaler
from dynst.data.store import Readings
from dynst.errors import ConfigError

__all__ = [
    "Batch",
    "Series",
    "Splits",
    "Windows",
    "calendar_features",
    "chronological_splits",
    "make_series",
    "split_windows",
]


@dataclass(frozen=True)
class Series:
    """The scaled series, resident on the device; unobserved values are 0, which is their profile."""

    time: Tensor  # [N] int64
    values: Tensor  # [N, S, C]
    observed: Tensor  # [N, S, C] bool
    calendar: Tensor  # [N, F]


@dataclass(frozen=True)
class Batch:
    """What a forecaster reads and what it is judged by. Sensors that are off are absent from ``readings``."""

    readings: Tensor  # [B, T, K, C]
    observed: Tensor  # [B, T, K, C] bool
    calendar: Tensor  # [B, F] of the first forecast step
    target: Tensor  # [B, H, S, len(targets)]
    target_observed: Tensor  # [B, H, S, len(targets)] bool


@dataclass(frozen=True)
class Windows:
    series: Series
    starts: Tensor  # [M] int64, the first row of each window
    window: int
    horizon: int
    targets: Tensor  # [·] int64, channels to forecast

    def __len__(self) -> int:
        return len(self.starts)

    def batch(self, index: Tensor, sensors: Tensor) -> Batch:
        """Gather the windows ``index`` ``[B]`` for the active ``sensors`` ``[K]`` in one step."""
        first = self.starts[index]
        past = first[:, None] + torch.arange(self.window)  # [B, T]
        ahead = first[:, None] + torch.arange(self.window, self.window + self.horizon)  # [B, H]
        rows = past[:, :, None]
        return Batch(
            readings=self.series.values[rows, sensors],
            observed=self.series.observed[rows, sensors],
            calendar=self.series.calendar[ahead[:, 0]],
            target=self.series.values[ahead][..., self.targets],
            target_observed=self.series.observed[ahead][..., self.targets],
        )

    def target_times(self, index: Tensor) -> Tensor:
        """Times of the forecast steps ``[B, H]``."""
        ahead = self.starts[index][:, None] + torch.arange(self.window, self.window + self.horizon)
        return self.series.time[ahead]


@dataclass(frozen=True)
class Splits:
    """Chronological parts of the series as row ranges; the test part is read once, at the end."""

    train: slice
    val: slice
    test: slice


def chronological_splits(num_steps: int, shares: tuple[float, float, float] = (0.7, 0.1, 0.2)) -> Splits:
    if min(shares) <= 0 or abs(sum(shares) - 1) > 1e-6:
        raise ConfigError(f"data.split must be three positive shares that add up to 1, but got {list(shares)}")
    first, second = round(num_steps * shares[0]), round(num_steps * (shares[0] + shares[1]))
    return Splits(slice(0, first), slice(first, second), slice(second, num_steps))


def calendar_features(time: Tensor) -> Tensor:
    """Sine and cosine of the time of day, the week and the year, ``[..., 6]``."""
    angles = [2 * torch.pi * (time % period).double() / period for period in (86_400, 604_800, 31_556_952)]
    return torch.stack([wave(angle) for angle in angles for wave in (torch.sin, torch.cos)], dim=-1).float()


def make_series(readings: Readings, scaler: SeasonalScaler) -> Series:
    time = torch.from_numpy(np.array(readings.time))
    observed = torch.from_numpy(np.array(readings.observed))
    values = scaler.transform(torch.from_numpy(np.array(readings.values)), time)
    return Series(time, values.masked_fill_(~observed, 0.0), observed, calendar_features(time))


def split_windows(series: Series, rows: slice, window: int, horizon: int, targets: list[int], stride: int = 1) -> Windows:
    """All windows that lie wholly inside ``rows`` and cross no gap in time.

    Raises:
        ConfigError: not one such window exists.
    """
    span = window + horizon
    step = int(torch.diff(series.time).min())
    starts = torch.arange(rows.start, max(rows.start, rows.stop - span + 1), stride)
    unbroken = series.time[starts + span - 1] - series.time[starts] == (span - 1) * step
    starts = starts[unbroken]
    if not len(starts):
        raise ConfigError(
            f"no window of {window} + {horizon} steps fits into rows {rows.start}..{rows.stop - 1} of the series without crossing "
            "a gap; shorten model.window or model.horizon, or bring a longer series"
        )
    return Windows(series, starts, window, horizon, torch.tensor(targets))
