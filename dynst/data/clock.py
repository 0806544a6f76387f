"""What the times of a series count: seconds of a clock, months, or steps alone."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from typing import Any, Literal
from zoneinfo import ZoneInfo

import cftime
import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, field_validator

from dynst.errors import DataError

__all__ = [
    "COUNTED",
    "SECONDS",
    "Calendar",
    "Clock",
    "NoSuchTime",
    "Transitions",
    "Unit",
    "month_number",
    "offset_text",
    "parse_zone",
    "step_text",
]

Unit = Literal["second", "month", "step"]
Calendar = Literal["standard", "noleap", "all_leap", "360_day", "julian"]
EPOCH = 1970
MEAN_YEAR = 31_556_952  # seconds, of the Gregorian calendar
FIRST_YEAR, LAST_YEAR = 1900, 2100  # of the changes of a zone's offset that are known
SPANS = (("d", 86_400), ("h", 3_600), ("min", 60))


class NoSuchTime(DataError):
    """A local time that a clock which is put forward skips.

    Args:
        before: what was expected.
        time: what came.
        place: its place among the times.
        after: why it is none, and the remedy.
    """

    def __init__(self, before: str, time: str, place: int, after: str) -> None:
        super().__init__(f"{before} {time}{after}")
        self.before, self.place, self.after = before, place, after


@dataclass(frozen=True)
class Transitions:
    """When the offset of a zone changes.

    Args:
        at: ``[Z]`` int64, seconds of UTC since 1970-01-01, increasing.
        offset: ``[Z + 1]`` int64, seconds to add to UTC before the first, between, and after.
    """

    at: np.ndarray
    offset: np.ndarray

    def local(self, time: np.ndarray) -> np.ndarray:
        """Seconds of the zone's own clock at ``time``, int64 seconds of UTC."""
        ahead: np.ndarray = self.offset[np.searchsorted(self.at, time, side="right")]
        local: np.ndarray = time + ahead
        return local


class Clock(BaseModel):
    """How the int64 times of a store are to be read.

    Args:
        unit: "second": seconds since 1970-01-01, of UTC where a zone is known, else of the file's
            own clock. "month": months since January 1970. "step": a count, without any time.
        calendar: of the seconds or months; one without leap years, or of 360 days, has dates that
            no datetime can hold, and its seconds are counted in that calendar.
        zone: IANA name, "UTC" or an offset such as "+09:00"; None where it is unknown.

    Example:
        >>> Clock(zone="Asia/Tokyo").labels(np.array([0]))
        ['1970-01-01 09:00:00+09:00']
        >>> Clock(unit="month").labels(np.array([0, 13]))
        ['1970-01', '1971-02']
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    unit: Unit = "second"
    calendar: Calendar = "standard"
    zone: str | None = Field(None, description="None where the zone of the times is unknown")

    @field_validator("zone")
    @classmethod
    def _known(cls, zone: str | None) -> str | None:
        if zone is not None:
            parse_zone(zone)
        return zone

    @property
    def timed(self) -> bool:
        """Whether there are times at all, and not only a count of steps."""
        return self.unit != "step"

    @property
    def has_datetimes(self) -> bool:
        """Whether each time is a moment that a datetime can hold."""
        return self.unit == "second" and self.calendar == "standard"

    @property
    def year(self) -> int | None:
        """Length of a year in the unit; None where years differ, or are unknown."""
        if self.unit == "month":
            return 12
        days = {"noleap": 365, "all_leap": 366, "360_day": 360}.get(self.calendar)
        return None if days is None or self.unit == "step" else days * 86_400

    @property
    def periods(self) -> tuple[int, int, int]:
        """Length of a day, a week and a year in the unit; 1 where a step is longer than that."""
        if self.unit == "month":
            return 1, 1, 12
        return 86_400, 604_800, self.year or MEAN_YEAR

    @property
    def transitions(self) -> Transitions:
        """Of the zone; none where it is unknown or the same all year."""
        return _transitions(self.zone or "UTC")

    def local(self, time: np.ndarray) -> np.ndarray:
        """Times as the clock on the wall counts them: what seasons follow."""
        return self.transitions.local(time) if self.zone else time

    def from_local(self, local: np.ndarray, after: int | None = None) -> np.ndarray:
        """Seconds of UTC from those of the zone's own clock, which are in order of time.

        That order decides which of both is meant in the hour that an autumn repeats.

        Args:
            local: int64 seconds of the clock on the wall.
            after: the moment before the first of them, where there is one.

        Raises:
            DataError: a time does not exist in the zone.
        """
        first, second = self.moments(local)
        if np.array_equal(first, second):
            return first
        utc, last = first.copy(), after
        for index in range(len(utc)):
            if last is not None and utc[index] <= last:
                utc[index] = second[index]
            last = int(utc[index])
        return utc

    def moments(self, local: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The first and the second moment at which the zone's clock shows each local time.

        They differ in the hour that an autumn repeats.

        Raises:
            DataError: a time does not exist in the zone.
        """
        zone = parse_zone(self.zone or "+00:00")
        if isinstance(zone, timedelta):
            utc = local - int(zone.total_seconds())
            return utc, utc
        both = pd.DatetimeIndex(local.astype("datetime64[s]"))
        early, late = (
            both.tz_localize(zone, ambiguous=np.full(len(both), summer), nonexistent="NaT")
            for summer in (True, False)
        )
        if early.isna().any():
            row = int(early.isna().argmax())
            raise NoSuchTime(
                f"times must be those of a clock in {self.zone}, but",
                str(local[row].astype("datetime64[s]")),
                row,
                " does not exist there: "
                "a clock that is put forward in spring skips it; if the clock stays on standard "
                "time all year, give its offset, such as --zone +01:00",
            )
        first, second = (
            moments.tz_localize(None).to_numpy().astype("datetime64[s]").astype(np.int64)
            for moments in (early.tz_convert(UTC), late.tz_convert(UTC))
        )
        return first, second

    def labels(self, time: np.ndarray) -> list[str]:
        """Each of ``time`` as text: local time with its offset where the zone is known."""
        if self.unit == "step":
            return [str(count) for count in time.tolist()]
        if self.unit == "month":
            return [f"{EPOCH + month // 12:04d}-{month % 12 + 1:02d}" for month in time.tolist()]
        if self.calendar != "standard":
            moments = cftime.num2date(time, f"seconds since {EPOCH}-01-01", self.calendar)
            return [moment.isoformat(" ") for moment in np.atleast_1d(moments)]
        local = self.local(time)
        texts = np.char.replace(local.astype("datetime64[s]").astype(str), "T", " ")
        if self.zone is None:
            return list(map(str, texts))
        return [
            text + offset_text(shift)
            for text, shift in zip(texts.tolist(), (local - time).tolist(), strict=True)
        ]

    def names(self, time: np.ndarray) -> list[str]:
        """Abbreviations of the zone, such as CEST, at each of ``time``; its offset if it has none.

        An offset is its own name.
        """
        zone = parse_zone(self.zone or "UTC")
        if isinstance(zone, timedelta):
            return [str(self.zone)] * len(time)
        moments = pd.to_datetime(time, unit="s", utc=True).tz_convert(zone)
        return list(moments.strftime("%Z"))

    def column(self, time: np.ndarray) -> pd.Series:
        """Times as a column of a table: datetimes, of the zone where it is known, else labels."""
        if not self.has_datetimes:
            return pd.Series(time if self.unit == "step" else self.labels(time))
        moments = pd.Series(time.astype("datetime64[s]").astype("datetime64[ns]"))
        if self.zone is None:
            return moments
        zone = parse_zone(self.zone)
        local = timezone(zone) if isinstance(zone, timedelta) else zone
        return moments.dt.tz_localize(UTC).dt.tz_convert(local)

    def label(self, time: int) -> str:
        """One time as text."""
        return self.labels(np.array([time], np.int64))[0]

    def describe(self) -> str:
        """The clock in words, for reports."""
        if self.unit == "step":
            return "steps without times"
        calendar = "" if self.calendar == "standard" else f", calendar {self.calendar}"
        if self.unit == "month" or calendar:
            return f"calendar {'months' if self.unit == 'month' else 'time'}{calendar}"
        return f"zone {self.zone}" if self.zone else "zone unknown"


COUNTED, SECONDS = Clock(unit="step"), Clock()


def step_text(step: int, unit: Unit = "second") -> str:
    """A step in words: ``15 min``, ``1 d``, ``3 months``, ``90 s``."""
    if unit == "step":
        return f"{step} steps" if step > 1 else "1 step"
    if unit == "month":
        count, name = (step // 12, "year") if step % 12 == 0 else (step, "month")
        return f"{count} {name}{'s' if count > 1 else ''}"
    name, size = next(((name, size) for name, size in SPANS if step % size == 0), ("s", 1))
    return f"{step // size} {name}"


def parse_zone(name: str) -> ZoneInfo | timedelta:
    """An IANA zone by its name, or an offset such as ``+09:00``.

    Raises:
        ValueError: there is no such zone.
    """
    if name[:1] in {"+", "-"}:
        sign = -1 if name[0] == "-" else 1
        hours, _, minutes = name[1:].partition(":")
        if len(hours) == 2 and len(minutes) == 2 and (hours + minutes).isdigit():
            return sign * timedelta(hours=int(hours), minutes=int(minutes))
        raise ValueError(f"'{name}' is no offset such as +09:00")
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:  # ZoneInfoNotFoundError is a KeyError
        raise ValueError(f"'{name}' is no time zone such as Europe/Berlin") from error


def month_number(date: Any) -> int:
    """Months since January 1970 of a datetime or one of cftime's, as a clock of months counts."""
    return int((date.year - EPOCH) * 12 + date.month - 1)


def offset_text(seconds: int) -> str:
    """``+09:00`` for the seconds that a clock is ahead of UTC."""
    sign, minutes = "-" if seconds < 0 else "+", abs(seconds) // 60
    return f"{sign}{minutes // 60:02d}:{minutes % 60:02d}"


@cache
def _transitions(name: str) -> Transitions:
    """Found by looking at each day, then at each minute of the days in which the offset changes."""
    zone = parse_zone(name)
    if isinstance(zone, timedelta):
        return Transitions(np.empty(0, np.int64), np.array([int(zone.total_seconds())]))
    first, last = (
        int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (FIRST_YEAR, LAST_YEAR)
    )
    days = np.arange(first, last + 1, 86_400)
    shifts = _offsets(days, zone)
    at = []
    for day in days[np.flatnonzero(np.diff(shifts))].tolist():
        minutes = day + 60 * np.arange(24 * 60 + 1)
        changed = np.flatnonzero(np.diff(_offsets(minutes, zone)))
        at.extend(minutes[changed + 1].tolist())
    moments = np.array(at, np.int64)
    return Transitions(moments, _offsets(np.concatenate([days[:1], moments]), zone))


def _offsets(time: np.ndarray, zone: ZoneInfo) -> np.ndarray:
    """Seconds that the zone is ahead of UTC at each of ``time``."""
    moments = pd.to_datetime(time, unit="s", utc=True)
    local = moments.tz_convert(zone).tz_localize(None)
    ahead: np.ndarray = (local - moments.tz_localize(None)).total_seconds().to_numpy()
    return ahead.astype(np.int64)
