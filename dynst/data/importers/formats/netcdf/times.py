"""The time axis of NetCDF and Zarr: numbers since a reference, in any calendar of CF."""

import re
from dataclasses import dataclass
from typing import Any

import cftime
import numpy as np
import pandas as pd
import xarray as xr

from dynst.data.clock import Calendar, Clock, month_number
from dynst.data.importers.formats.netcdf.seconds import CLEAR, SECOND, Unclear, whole_seconds
from dynst.data.importers.formats.netcdf.units import SECONDS_OF, plain
from dynst.data.importers.report import Finding, assumed, known
from dynst.data.importers.source import ReadOptions, step_times
from dynst.data.importers.times.reader import times_of
from dynst.data.importers.times.zones import offset_seconds
from dynst.errors import DataError

__all__ = ["Times", "counts_since", "read_cf_times", "times_or_counts"]

Times = tuple[np.ndarray, Clock, tuple[Finding, ...]]
CALENDARS: dict[str, Calendar] = {
    "standard": "standard",
    "gregorian": "standard",
    "proleptic_gregorian": "standard",
    "noleap": "noleap",
    "365_day": "noleap",
    "all_leap": "all_leap",
    "366_day": "all_leap",
    "360_day": "360_day",
    "julian": "julian",
}
MONTHS = {"month": 1, "months": 1, "mon": 1, "year": 12, "years": 12, "yr": 12, "common_year": 12}
SINCE = re.compile(r"\s*([A-Za-z_]+)\s+since\s+(.+?)\s*", re.IGNORECASE)
REFERENCE = re.compile(
    r"(\d{1,4})-(\d{1,2})(?:-(\d{1,2}))?"
    r"(?:(?:T|\s+)(\d{1,2})(?::(\d{1,2})(?::(\d{1,2})(?:\.(\d*))?)?)?)?"
    r"\s*(Z|UTC|GMT|UT|[+-]\d{1,2}(?::?\d{2})?)?"
)
FURTHEST = 2**62  # microseconds
GREGORIAN = -12_219_292_800 * SECOND  # 1582-10-15, when the calendar began


@dataclass(frozen=True)
class _Since:
    """What ``hours since 1900-01-01 00:00 +01:00`` says.

    Args:
        unit: of the numbers, in lower case.
        start: the reference in UTC, or in the file's own clock.
        calendar: of both.
        zoned: whether the reference names a zone.
    """

    unit: str
    start: Any
    calendar: Calendar
    zoned: bool


def counts_since(attributes: dict[Any, Any]) -> bool:
    """Whether a variable's units are those of time since a reference."""
    return SINCE.fullmatch(str(attributes.get("units", ""))) is not None


def read_cf_times(variable: xr.Variable, name: str, options: ReadOptions) -> Times:
    """Times of a coordinate whose numbers are as the file has them.

    Raises:
        DataError: the units or the calendar are unknown, or the numbers tell no moment.
    """
    values = variable.to_numpy()
    if values.dtype.kind in "OSU":
        values = np.array([plain(value) for value in values.ravel()], object)
        time, reader = times_of(values, options)
        return time, reader.clock, tuple(reader.findings)
    if values.dtype.kind == "M" or not counts_since(variable.attrs):
        return times_or_counts(values, options)
    if not np.isfinite(values).all():
        raise DataError(
            f"every step must have a time, but '{name}' has none at step "
            f"{int((~np.isfinite(values)).argmax())}; remove that step"
        )
    since = _since(variable.attrs, name)
    if since.unit in MONTHS:
        return _months(values, since, name)
    return _moments(values, since, name, options)


def times_or_counts(values: Any, options: ReadOptions) -> Times:
    """Times of a column without a reference; counts become times where ``--start`` is given."""
    time, reader = times_of(values, options)
    return time, reader.clock, tuple(reader.findings)


def _since(attributes: dict[Any, Any], name: str) -> _Since:
    units, told = str(attributes["units"]), str(attributes.get("calendar", "standard"))
    found = SINCE.fullmatch(units)
    assert found is not None
    if told.lower() not in CALENDARS:
        raise DataError(
            f"'{name}' has the calendar '{told}', which tells no dates; calendars are "
            f"{', '.join(CALENDARS)}"
        )
    unit, calendar = found[1].lower(), CALENDARS[told.lower()]
    reference = REFERENCE.fullmatch(found[2])
    if reference is None or (unit not in SECONDS_OF and unit not in MONTHS):
        raise DataError(
            f"units of '{name}' must be such as 'hours since 1900-01-01 00:00:00', but are "
            f"'{units}'; mend them in the file"
        )
    *numbers, part, zone = reference.groups()
    year, month, day, hour, minute, second = (
        int(number) if number else default
        for number, default in zip(numbers, (1, 1, 1, 0, 0, 0), strict=True)
    )
    own = told.lower() if calendar == "standard" else calendar
    try:
        if year == 0 and calendar == "standard":
            raise ValueError("it has no year 0")
        start = cftime.datetime(year, month, day, hour, minute, second, calendar=own)
    except ValueError as error:
        raise DataError(
            f"units of '{name}' are '{units}', but the calendar {told} has no such date ({error}); "
            f"mend them in the file"
        ) from error
    start += pd.Timedelta(
        seconds=float(f"0.{part or 0}") - offset_seconds(zone or "")
    ).to_pytimedelta()
    return _Since(unit, start, calendar, zone is not None)


def _months(values: np.ndarray, since: _Since, name: str) -> Times:
    """Whole calendar months, as everyone means them who does not count seconds."""
    whole = np.floor(values)
    rest = float((values - whole).max())
    if rest != float((values - whole).min()):
        raise DataError(
            f"'{name}' counts {since.unit} since {since.start}, of which parts have no fixed "
            f"length, but the first parts are {values[:3].tolist()}; write days since"
        )
    if since.unit not in {"month", "months", "mon"} and rest:
        raise DataError(
            f"'{name}' counts {since.unit} since {since.start} and {rest:g} of one, which has no "
            f"fixed length; write days since"
        )
    size = MONTHS[since.unit]
    first = month_number(since.start)
    middle = ", and parts of months stand for months" if rest else ""
    text = f"'{name}' counts calendar {'months' if size == 1 else 'years'}{middle}"
    said = assumed(text, "UDUNITS would count twelfths of a mean year; then write days since")
    return (
        first + size * whole.astype(np.int64),
        Clock(unit="month", calendar=since.calendar),
        (said,),
    )


def _moments(values: np.ndarray, since: _Since, name: str, options: ReadOptions) -> Times:
    own = since.start.calendar
    start = int(cftime.date2num(since.start, "microseconds since 1970-01-01", own))
    scale = SECONDS_OF[since.unit] * SECOND  # microseconds
    if float(np.abs(values.astype(float)).max()) * scale + abs(start) > FURTHEST:
        raise DataError(
            f"times of '{name}' reach {values.max():g} {since.unit} from {since.start}, which is "
            f"no date; mend them in the file"
        )
    moments = start + _elapsed(values, scale)
    fine = _resolution(values) * scale
    if own in {"standard", "gregorian"} and moments.min() < GREGORIAN:
        raise DataError(
            f"times of '{name}' reach back before 1582-10-15, where the calendar '{own}' has other "
            f"dates; write them in the calendar proleptic_gregorian"
        )
    try:
        time, findings = whole_seconds(moments, fine, name)
    except Unclear:
        if options.start is None or options.step is None:
            raise
        time, clock, findings = step_times(len(values), options)
        said = known(f"times are counted by --start and --step, in place of '{name}'")
        return time, clock, (*findings, said)
    if since.calendar != "standard":
        return time, Clock(calendar=since.calendar), (*findings,)
    return _zoned(time, since, findings, options)


def _resolution(values: np.ndarray) -> float:
    """What the numbers cannot tell apart; nothing where all are whole and finer ones could be."""
    if values.dtype.kind != "f":
        return 0.0
    step = float(np.spacing(np.abs(values).max()))
    return 0.0 if step <= 1 / CLEAR and (values == np.floor(values)).all() else step


def _elapsed(values: np.ndarray, scale: float) -> np.ndarray:
    if values.dtype.kind != "f":
        whole = values.astype(np.int64)
        return whole * int(scale) if scale >= 1 else whole // round(1 / scale)
    return np.round(values.astype(np.float64) * scale).astype(np.int64)


def _zoned(
    time: np.ndarray, since: _Since, findings: tuple[Finding, ...], options: ReadOptions
) -> Times:
    """UTC by the convention, unless the user names the clock that wrote them."""
    if options.zone is None:
        said = (
            known("times are UTC, as their units say")
            if since.zoned
            else assumed("times name no zone, so they are UTC as CF has it", "--zone")
        )
        return time, Clock(zone="UTC"), (*findings, said)
    options.apply("zone")
    clock = Clock(zone=options.zone)
    if since.zoned:
        return time, clock, findings
    said = known(f"times are those of a clock in {options.zone}, not UTC as CF has it")
    return clock.from_local(time), clock, (*findings, said)
