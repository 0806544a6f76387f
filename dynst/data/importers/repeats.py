"""Two readings of one sensor at one time, and whether a clock that was put back is why."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import numpy as np

from dynst.data.clock import Clock
from dynst.errors import DataError

__all__ = ["may_be_put_back", "refuse_disorder", "remedy"]

NIGHT = {22, 23, 0, 1, 2, 3}  # hours in which clocks are put back


def _step(index: int) -> str:
    return f"step {index} (the first is 0)"


def refuse_disorder(
    time: np.ndarray,
    last: int | None,
    clock: Clock,
    done: int,
    *,
    within_seconds: bool = False,
    place_of: Callable[[int], str] = _step,
    alike: Callable[[int], bool | None] = lambda row: None,
) -> None:
    """Times of steps must increase.

    Args:
        time: ``[N]`` int64, of the next steps.
        last: the time before them.
        clock: of the times.
        done: number of steps before them.
        within_seconds: whether times may repeat, since fractions of seconds were cut off.
        place_of: how a message names a step by its index.
        alike: whether the readings of one of the next steps are those of the step before it, where
            that is known.

    Raises:
        DataError: they do not.
    """
    before = time[:0] if last is None else np.array([last])
    steps = np.diff(np.concatenate([before, time]))
    wrong = steps < 0 if within_seconds else steps <= 0
    if not wrong.any():
        return
    row = int(np.argmax(wrong))
    place = row + (last is None)
    moment = int(time[place])
    how = "is repeated" if steps[row] == 0 else "goes back"
    same = alike(place) if steps[row] == 0 else None
    with_what = {True: "with the same readings", False: "with other readings", None: ""}[same]
    raise DataError(
        f"times must increase from step to step, but time {how} at {place_of(done + place)} "
        f"({clock.label(moment)}{', ' * bool(with_what)}{with_what}); {_ordered(clock, moment)}"
    )


def _ordered(clock: Clock, time: int) -> str:
    if _unknown(clock) and may_be_put_back(time):
        return (
            "a clock that was put back in autumn may be why; name its zone with --zone, or give "
            "times in UTC or with their offset"
        )
    return "sort the rows and drop repeats"


def _unknown(clock: Clock) -> bool:
    return clock.has_datetimes and clock.zone is None


def remedy(clock: Clock, time: int) -> str:
    """What to do about two readings at a time of the clock."""
    if _unknown(clock) and may_be_put_back(time):
        return (
            "a clock that was put back in autumn may be why; give times in UTC or with their offset"
        )
    return (
        "keep one of them, or name a column that tells them apart with --sensor-column, or the "
        "rest of their time with --time-column"
    )


def may_be_put_back(local: int) -> bool:
    """Whether somewhere a clock showed this time twice; ``local`` is in seconds of that clock."""
    moment = datetime.fromtimestamp(local, ZoneInfo("UTC")).replace(tzinfo=None)
    if moment.hour not in NIGHT:
        return False
    return any(_ahead(moment, zone, 0) > _ahead(moment, zone, 1) for zone in _zones())


def _ahead(moment: datetime, zone: ZoneInfo, fold: int) -> timedelta:
    return moment.replace(tzinfo=zone, fold=fold).utcoffset() or timedelta(0)


@cache
def _zones() -> tuple[ZoneInfo, ...]:
    return tuple(ZoneInfo(name) for name in sorted(available_timezones()))
