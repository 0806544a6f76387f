"""Forecasting anomalies: every location's own seasonal profile is taken out first, and put back at
the end.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from dynst.data.store import Readings
from dynst.errors import ConfigError

__all__ = [
    "SEASONS",
    "Season",
    "SeasonName",
    "SeasonalScaler",
    "fit_scaler",
    "is_zero",
    "season_for",
]

SeasonName = Literal["auto", "none", "day", "week"]
HOUR, DAY, WEEK = 3600, 86_400, 604_800
WEEKS_NEEDED, DAYS_NEEDED = 4, 3
BLOCK_BYTES = 2**25  # of readings that are fitted at a time
ROUND_TRIP = 1e-6  # a few roundings of float32, relative
EPOCH_IS_THURSDAY = 3 * DAY  # 1970-01-01; a week starts on Monday


@dataclass(frozen=True)
class Season:
    """A period cut into slots; ``slots == 1`` is no season at all.

    Of a series with several steps in a slot, the profile is linear between the middles of the
    slots, so that it does not jump.
    """

    period: int  # seconds
    slots: int
    step: int | None = None  # seconds; None does not interpolate

    def slot_of(self, time: Tensor) -> Tensor:
        """The slot of each time (int64 seconds since 1970-01-01)."""
        if self.slots == 1:
            return torch.zeros_like(time)
        return ((time + EPOCH_IS_THURSDAY) % self.period) * self.slots // self.period

    def profile_at(self, profile: Tensor, time: Tensor) -> Tensor:
        """``profile [P, ...]`` at times ``[...]``."""
        length = self.period // self.slots
        if self.slots == 1 or self.step is None or self.step >= length:
            return profile[self.slot_of(time)]
        middle = (length - self.step) // 2  # of the readings in a slot
        slot = self.slot_of(time - middle)
        weight = ((time - middle + EPOCH_IS_THURSDAY) % length / length).to(profile.dtype)
        weight = weight.reshape(*weight.shape, *(1,) * (profile.ndim - 1))
        return torch.lerp(profile[slot], profile[(slot + 1) % self.slots], weight)


SEASONS = {"none": Season(1, 1), "day": Season(DAY, 24), "week": Season(WEEK, 168)}


def season_for(name: SeasonName, *, step_seconds: int, train_seconds: int) -> Season:
    """The season to use; ``auto`` takes the longest one that the training data show often enough.

    An hour of the week needs four weeks of training data, an hour of the day three days; steps of a
    day or more have no daily season. Raises ConfigError where a named season is shorter than two
    steps.
    """
    if name == "auto":
        if step_seconds <= DAY and train_seconds >= WEEKS_NEEDED * WEEK:
            name = "week"
        elif step_seconds * 2 <= DAY and train_seconds >= DAYS_NEEDED * DAY:
            name = "day"
        else:
            name = "none"
    season = SEASONS[name]
    if name != "none" and season.period < 2 * step_seconds:
        raise ConfigError(
            f"data.season must be longer than two steps, but '{name}' has {season.period} s and a "
            f"step {step_seconds} s; set data.season to 'auto' or 'none'"
        )
    return Season(
        season.period, max(1, min(season.slots, season.period // step_seconds)), step_seconds
    )


class SeasonalScaler(nn.Module):
    """``scaled = (value − profile[slot, sensor]) / scale[sensor]``.

    A location that is switched off keeps its profile.

    Raw values are in the channel's unit; scaled ones have none.
    """

    profile: Tensor  # [P, S, C]
    scale: Tensor  # [S, C]
    quantity: (
        Tensor  # [C], what each channel measures; several cells of a patch may measure one quantity
    )

    def __init__(self, season: Season, num_sensors: int, num_channels: int) -> None:
        super().__init__()
        self.season = season
        self.register_buffer("profile", torch.zeros(season.slots, num_sensors, num_channels))
        self.register_buffer("scale", torch.ones(num_sensors, num_channels))
        self.register_buffer("quantity", torch.arange(num_channels), persistent=False)

    def profile_at(self, time: Tensor) -> Tensor:
        """``[...]`` times to ``[..., S, C]``."""
        return self.season.profile_at(self.profile, time)

    def transform(self, values: Tensor, time: Tensor) -> Tensor:
        """``[..., S, C]`` raw to scaled, at times ``[...]``."""
        return (values - self.profile_at(time)) / self.scale

    def restore(self, scaled: Tensor, time: Tensor, channels: Tensor) -> Tensor:
        """``[..., S, len(channels)]`` scaled to raw, at times ``[...]``."""
        return scaled * self.scale[:, channels] + self.profile_at(time)[..., channels]

    def spread_of(self, channels: Tensor) -> Tensor:
        """``[len(channels)]``: the mean scale of what each channel measures, in its unit.

        Cells of a patch measure the same.
        """
        quantity, scale = self.quantity[channels], self.scale[:, channels].mean(0)
        return torch.stack([scale[quantity == own].mean() for own in quantity])

    def to_first(self, channels: Tensor) -> Tensor:
        """``[len(channels)]``: what brings an error in each channel to the unit of the first one,
        by the ratio of their spreads.
        """
        spread = self.spread_of(channels)
        return spread[0] / spread


def fit_scaler(readings: Readings, season: Season, rows: slice) -> SeasonalScaler:
    """Fit on ``rows`` (the training part) alone: the median of each slot, then the spread of what
    remains.

    A slot without any reading takes the sensor's overall median; a sensor without any takes the
    median over all sensors; the sensor that never changes, or was never observed, takes the
    network's scale.
    """
    time = torch.tensor(readings.time[rows])
    slots = season.slot_of(time).numpy()
    scaler = SeasonalScaler(season, *readings.values.shape[1:])
    profile, scale = scaler.profile.numpy(), scaler.scale.numpy()  # views
    overall = np.empty_like(scale)
    for sensors in _sensor_blocks(scale.shape[0], 4 * len(slots) * scale.shape[1]):
        values = np.where(readings.observed[rows, sensors], readings.values[rows, sensors], np.nan)
        overall[sensors] = _nanmedian(values)
        for slot in range(season.slots):
            profile[slot, sensors] = _nanmedian(values[slots == slot])
        np.copyto(profile[:, sensors], overall[sensors], where=np.isnan(profile[:, sensors]))
        values -= season.profile_at(scaler.profile[:, sensors], time).numpy()
        scale[sensors] = np.sqrt(_nanmean(values**2))
    overall = np.where(np.isnan(overall), np.nan_to_num(_nanmedian(overall)), overall)
    np.copyto(profile, overall, where=np.isnan(profile))
    network = np.maximum(np.nan_to_num(_nanmean(scale)), 1e-6)
    np.copyto(scale, network, where=np.isnan(scale) | (scale < 1e-3 * network))
    return scaler


def is_zero(raw: Tensor, departure: Tensor) -> Tensor:
    """Where a reading is zero, but for what float32 left of it on its way through the scaled form:
    raw = departure + profile.
    """
    return raw.abs() <= ROUND_TRIP * departure.abs()


def _sensor_blocks(num_sensors: int, sensor_bytes: int) -> list[slice]:
    """Sensors are fitted a block at a time, because a median needs several copies of its
    readings.
    """
    many = max(1, BLOCK_BYTES // max(1, sensor_bytes))
    return [slice(sensor, sensor + many) for sensor in range(0, num_sensors, many)]


def _nanmedian(values: np.ndarray) -> np.ndarray:
    return _over_observed(np.nanmedian, values)


def _nanmean(values: np.ndarray) -> np.ndarray:
    return _over_observed(np.nanmean, values)


def _over_observed(statistic: object, values: np.ndarray) -> np.ndarray:
    """``statistic`` over the first axis, NaN where nothing was observed, without numpy's warning
    about it.
    """
    seen = ~np.isnan(values).all(axis=0) if len(values) else np.zeros(values.shape[1:], bool)
    out = np.full(values.shape[1:], np.nan, np.float32)
    if seen.any():
        out[seen] = statistic(values[:, seen], axis=0)  # type: ignore[operator]
    return out
