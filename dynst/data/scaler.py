"""Forecasting anomalies: every location's own seasonal profile is taken out first, and put back at
the end.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from dynst.data.calendar import calendar_features
from dynst.data.clock import SECONDS, Clock, step_text
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
    "seasons_of",
]

SeasonName = Literal["auto", "none", "day", "week", "year"]
HOUR, DAY, WEEK = 3600, 86_400, 604_800
WEEKS_NEEDED, DAYS_NEEDED, YEARS_NEEDED = 4, 3, 3
MONTHS = 12
BLOCK_BYTES = 2**25  # of readings that are fitted at a time
ROUND_TRIP = 1e-6  # a few roundings of float32, relative
EPOCH_IS_THURSDAY = 3 * DAY  # 1970-01-01; a week starts on Monday


@dataclass(frozen=True)
class Season:
    """A period cut into slots; ``slots == 1`` is no season at all.

    Of a series with several steps in a slot, the profile is linear between the middles of the
    slots, so that it does not jump.
    """

    period: int  # in the unit of the clock
    slots: int
    step: int | None = None  # in that unit; None does not interpolate

    @property
    def origin(self) -> int:
        """What to add to a time so that a period begins at 0: weeks begin on Monday."""
        return EPOCH_IS_THURSDAY if self.period == WEEK else 0

    def slot_of(self, time: Tensor) -> Tensor:
        """The slot of each time (int64 since 1970, of the clock that seasons follow)."""
        if self.slots == 1:
            return torch.zeros_like(time)
        return ((time + self.origin) % self.period) * self.slots // self.period

    def profile_at(self, profile: Tensor, time: Tensor) -> Tensor:
        """``profile [P, ...]`` at times ``[...]``."""
        length = self.period // self.slots
        if self.slots == 1 or self.step is None or self.step >= length:
            return profile[self.slot_of(time)]
        middle = (length - self.step) // 2  # of the readings in a slot
        slot = self.slot_of(time - middle)
        weight = ((time - middle + self.origin) % length / length).to(profile.dtype)
        weight = weight.reshape(*weight.shape, *(1,) * (profile.ndim - 1))
        return torch.lerp(profile[slot], profile[(slot + 1) % self.slots], weight)


def seasons_of(clock: Clock) -> dict[str, Season]:
    """The seasons that a clock has: an hour of the day or the week, a month of the year."""
    day, week, year = clock.periods
    found = {"none": Season(1, 1), "year": Season(year, MONTHS)}
    if clock.unit != "month":
        found |= {"day": Season(day, 24), "week": Season(week, 168)}
    return found


SEASONS = seasons_of(SECONDS)


def season_for(name: SeasonName, *, step: int, train_span: int, clock: Clock = SECONDS) -> Season:
    """The season to use; ``auto`` takes the longest one that the training data show often enough.

    An hour of the week needs four weeks of training data, an hour of the day three days; steps of a
    day or more have no daily season. A month of the year, for series that count months or days of a
    calendar without weeks, needs three years.

    Args:
        name: of the season.
        step: of the series, in the clock's unit.
        train_span: of the training part, in that unit.
        clock: of the series.

    Raises:
        ConfigError: the clock has no such season, or it is shorter than two steps.
    """
    seasons = seasons_of(clock)
    if name == "auto":
        name = _longest(step, train_span, clock)
    if name not in seasons:
        raise ConfigError(
            f"data.season must be one of {', '.join(seasons)} for a series of "
            f"{clock.describe()}, but is '{name}'; set data.season to 'auto'"
        )
    season = seasons[name]
    if name != "none" and season.period < 2 * step:
        raise ConfigError(
            f"data.season must be longer than two steps, but '{name}' has "
            f"{step_text(season.period, clock.unit)} and a step {step_text(step, clock.unit)}; "
            f"set data.season to 'auto' or 'none'"
        )
    return Season(season.period, max(1, min(season.slots, season.period // step)), step)


def _longest(step: int, train_span: int, clock: Clock) -> SeasonName:
    day, week, year = clock.periods
    if clock.year is not None and step * 2 <= year and train_span >= YEARS_NEEDED * year:
        return "year"
    if clock.unit == "month":
        return "none"
    if clock.calendar == "standard" and step <= day and train_span >= WEEKS_NEEDED * week:
        return "week"
    return "day" if step * 2 <= day and train_span >= DAYS_NEEDED * day else "none"


class SeasonalScaler(nn.Module):
    """``scaled = (value − profile[slot, sensor]) / scale[sensor]``.

    A location that is switched off keeps its profile.

    Raw values are in the channel's unit; scaled ones have none.
    """

    profile: Tensor  # [P, S, C]
    scale: Tensor  # [S, C]
    zone_changes: Tensor  # [Z] when the offset to UTC changes
    zone_offsets: Tensor  # [Z + 1]
    quantity: (
        Tensor  # [C], what each channel measures; several cells of a patch may measure one quantity
    )

    def __init__(
        self, season: Season, num_sensors: int, num_channels: int, clock: Clock = SECONDS
    ) -> None:
        super().__init__()
        self.season, self.clock = season, clock
        changes = clock.transitions
        self.register_buffer("zone_changes", torch.tensor(changes.at), persistent=False)
        self.register_buffer("zone_offsets", torch.tensor(changes.offset), persistent=False)
        self.register_buffer("profile", torch.zeros(season.slots, num_sensors, num_channels))
        self.register_buffer("scale", torch.ones(num_sensors, num_channels))
        self.register_buffer("quantity", torch.arange(num_channels), persistent=False)
        self._mean_scale: Tensor | None  # [C], of a network that this one is a part of
        self.register_buffer("_mean_scale", None, persistent=False)

    def restricted(self, sensors: Tensor) -> "SeasonalScaler":
        """The scaler of ``sensors [M]`` alone; units stay those of the whole network."""
        _, num_channels = self.scale.shape
        part = SeasonalScaler(self.season, len(sensors), num_channels, self.clock)
        part.profile, part.scale = self.profile[:, sensors], self.scale[sensors]
        part.quantity, part._mean_scale = self.quantity, self._mean_scale_of_all
        return part.to(self.scale.device)

    def local(self, time: Tensor) -> Tensor:
        """Times ``[...]`` of the store as the clock that seasons follow shows them."""
        if not len(self.zone_changes):
            return time + self.zone_offsets if self.clock.unit == "second" else time
        return time + self.zone_offsets[torch.bucketize(time, self.zone_changes, right=True)]

    def calendar(self, time: Tensor) -> Tensor:
        """Where times ``[...]`` of the store stand in day, week and year, ``[..., 6]``."""
        return calendar_features(self.local(time), self.clock.periods)

    def profile_at(self, time: Tensor, sensors: Tensor | None = None) -> Tensor:
        """``[...]`` times of the store to ``[..., S, C]``, or ``[..., K, C]`` of ``sensors``."""
        profile = self.profile if sensors is None else self.profile[:, sensors]
        return self.season.profile_at(profile, self.local(time))

    def transform(self, values: Tensor, time: Tensor, sensors: Tensor | None = None) -> Tensor:
        """Raw to scaled, at times ``[...]``: ``[..., S, C]``, or ``[..., K, C]`` of ``sensors``."""
        scale = self.scale if sensors is None else self.scale[sensors]
        return (values - self.profile_at(time, sensors)).div_(scale)

    def restore(self, scaled: Tensor, time: Tensor, channels: Tensor) -> Tensor:
        """``[..., S, len(channels)]`` scaled to raw, at times ``[...]``."""
        return scaled * self.scale[:, channels] + self.profile_at(time)[..., channels]

    def spread_of(self, channels: Tensor) -> Tensor:
        """``[len(channels)]``: the mean scale of what each channel measures, in its unit.

        Cells of a patch measure the same.
        """
        quantity, scale = self.quantity[channels], self._mean_scale_of_all[channels]
        return torch.stack([scale[quantity == own].mean() for own in quantity])

    @property
    def _mean_scale_of_all(self) -> Tensor:
        return self.scale.mean(0) if self._mean_scale is None else self._mean_scale

    def to_first(self, channels: Tensor) -> Tensor:
        """``[len(channels)]``: what brings an error in each channel to the unit of the first one,
        by the ratio of their spreads.
        """
        spread = self.spread_of(channels)
        return spread[0] / spread


def fit_scaler(
    readings: Readings, season: Season, rows: slice, clock: Clock = SECONDS
) -> SeasonalScaler:
    """Fit on ``rows`` (the training part) alone: the median of each slot, then the spread of what
    remains.

    A slot without any reading takes the sensor's overall median; a sensor without any takes the
    median over all sensors; the sensor that never changes, or was never observed, takes the
    network's scale.
    """
    time = torch.tensor(readings.time[rows])
    num_sensors, num_channels = readings.values.shape[1:]
    scaler = SeasonalScaler(season, num_sensors, num_channels, clock)
    time = scaler.local(time)
    slots = season.slot_of(time).numpy()
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
