"""Two readings of one sensor at one time, and whether a clock that was put back is why."""

from datetime import datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from dynst.data.clock import Clock

__all__ = ["may_be_put_back", "remedy"]

NIGHT = {22, 23, 0, 1, 2, 3}  # hours in which clocks are put back


def remedy(clock: Clock, time: int) -> str:
    """What to do about two readings at a time of the clock."""
    if clock.has_datetimes and clock.zone is None and may_be_put_back(time):
        return (
            "a clock that was put back in autumn may be why; give times in UTC or with their offset"
        )
    return "keep one of them"


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
