"""The step of a series: seconds, or months where the calendar makes seconds uneven."""

from dataclasses import dataclass

import cftime
import numpy as np

from dynst.data.clock import Clock, month_number, step_text
from dynst.errors import DataError

__all__ = ["TimeAxis", "time_axis"]

DAY = 86_400
LEAST_MONTH = 27 * DAY  # between the middles of two months
SAME_DAY = 3 * DAY  # middles and ends of months lie at most so far from each other
COMMON = 0.5  # of the steps must be the typical one
LEAST = 8  # steps that show whether they have a common length


@dataclass(frozen=True)
class TimeAxis:
    """Times, their clock and step.

    Args:
        time: ``[N]`` int64 in the clock's unit.
        clock: how they are read.
        step: the most frequent difference, the shortest of equals: one odd time does not make a
            gap of every other step.
        odd: how many differences are no multiple of the step.
    """

    time: np.ndarray
    clock: Clock
    step: int
    odd: int = 0


def time_axis(time: np.ndarray, clock: Clock, step: int | None = None) -> TimeAxis:
    """Months where the times follow the calendar's months, quarters or years; else as they are.

    Args:
        time: ``[N]`` int64, increasing.
        clock: of them.
        step: to which they were resampled, in seconds; None finds it.

    Raises:
        DataError: there are fewer than two times, most of them have no common step, or all are
            further apart than the step that they should have.
    """
    if len(time) < 2:
        raise DataError(
            f"a store needs at least two steps, but got {len(time)}; bring a longer series"
        )
    time, clock = _local_days(time, clock)
    if step is not None:
        return _resampled(time, clock, step)
    months = _months(time, clock)
    if months is not None:
        time, clock = months, Clock(unit="month", calendar=clock.calendar)
    steps = np.diff(time)
    distinct, counts = np.unique(steps, return_counts=True)
    step = int(distinct[counts.argmax()])
    others = len(steps) - int(counts.max())
    if clock.unit == "second" and len(steps) >= LEAST and others > (1 - COMMON) * len(steps):
        raise DataError(
            f"times must have a common step, but {others:,} of {len(steps):,} differ from the most "
            f"frequent one, {step_text(step)}; resample the readings to steps with --resample, "
            f"such as --resample 10min"
        )
    return TimeAxis(time, clock, step, int((steps % step != 0).sum()))


def _local_days(time: np.ndarray, clock: Clock) -> tuple[np.ndarray, Clock]:
    """Steps of days on the clock of a zone, whose days have 23 to 25 hours, on that clock alone."""
    if clock.zone is None or clock.unit != "second":
        return time, clock
    local = clock.local(time)
    if (np.diff(local) % DAY).any() or not (np.diff(time) % DAY).any():
        return time, clock
    return local, Clock()


def _resampled(time: np.ndarray, clock: Clock, step: int) -> TimeAxis:
    least = int(np.diff(time).min())
    if least > step:
        raise DataError(
            f"readings are at least {step_text(least)} apart, so that steps of {step_text(step)} "
            f"would never follow each other; say --resample {step_text(least).replace(' ', '')}"
        )
    return TimeAxis(time, clock, step)


def _months(time: np.ndarray, clock: Clock) -> np.ndarray | None:
    """Months since January 1970, where each time stands at the same place of another month."""
    if clock.unit != "second" or np.diff(time).min() < LEAST_MONTH:
        return None
    local = clock.local(time)
    if clock.calendar == "standard":
        months = local.astype("datetime64[s]").astype("datetime64[M]")
        number = months.astype(np.int64)
        within = local - months.astype("datetime64[s]").astype(np.int64)
    else:
        dates = cftime.num2date(local, "seconds since 1970-01-01", clock.calendar)
        number = np.array([month_number(date) for date in dates], np.int64)
        within = np.array([(date.day - 1) * DAY + date.hour * 3600 for date in dates])
    same_place = within.max() - within.min() <= SAME_DAY
    return number if same_place and (np.diff(number) > 0).all() else None
