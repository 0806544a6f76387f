"""Times that a program or a person gives to a model, as the model's clock counts them."""

import re
from numbers import Real
from typing import Any

import cftime
import numpy as np
import pandas as pd

from dynst.data.clock import Clock, month_number
from dynst.data.input_table import shown
from dynst.errors import DataError

__all__ = ["moments_of"]

ISO = re.compile(
    r"\d{4}-\d{2}(?:-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?"
    r" ?(?:Z|[+-]\d{2}(?::?\d{2})?)?)?)?"
)
DATE, DATE_AND_CLOCK = "%Y-%m-%d", "%Y-%m-%d %H:%M:%S"
MOST_COUNTED = 2**53  # float64 counts every step up to there
UNITS = (("s", "seconds", 2.5e11), ("ms", "milliseconds", 2.5e14))  # both before the year 10000


def moments_of(values: Any, clock: Clock) -> np.ndarray:
    """Times as ``Clock.labels`` writes them, or datetimes, as int64 in the clock's unit.

    Numbers are times only where the clock counts steps: nothing says whether others are seconds or
    milliseconds, nor of which zone.

    Args:
        values: ``[T]`` datetimes, texts in the form of ISO 8601, or counts.
        clock: of the model. Where its zone is known, times must have their offset, and where it is
            not, they must have none.

    Raises:
        DataError: they are no times of that clock, or no whole seconds.

    Example:
        >>> moments_of(["1970-01-01 09:00:00+09:00"], Clock(zone="Asia/Tokyo"))
        array([0])
    """
    cells = list(pd.Series(list(values), dtype=None if len(values) else object))
    for row, cell in enumerate(cells):
        if _is_empty(cell):
            raise DataError(f"every row must have a 'time', but row {row + 1} has none; remove it")
    if clock.unit == "step":
        read = _count
    elif clock.unit == "second" and clock.calendar != "standard":
        read = _of_calendar
    else:
        read = _of_datetime
    return np.array([read(cell, row, clock) for row, cell in enumerate(cells)], np.int64)


def _is_empty(cell: Any) -> bool:
    if isinstance(cell, str):
        return not cell.strip()
    return (
        cell is None or cell is pd.NA or cell is pd.NaT or bool(np.isscalar(cell) and cell != cell)
    )


def _of_datetime(cell: Any, row: int, clock: Clock) -> int:
    """In UTC where the clock's zone is known, else of the clock itself."""
    moment = _moment(cell, row, clock)
    if (moment.tzinfo is None) != (clock.zone is None):
        _refuse_offset(cell, row, clock)
    if moment.microsecond or moment.nanosecond:
        raise DataError(
            f"'time' must be whole seconds, but in row {row + 1} it is {shown(cell)}; round it to "
            f"the model's steps"
        )
    return month_number(moment) if clock.unit == "month" else int(moment.timestamp())


def _moment(cell: Any, row: int, clock: Clock) -> pd.Timestamp:
    text = cell.strip() if isinstance(cell, str) else None
    try:
        if isinstance(cell, Real) or (text is not None and not ISO.fullmatch(text)):
            raise ValueError
        return pd.Timestamp(cell if text is None else text)
    except (ValueError, TypeError, OverflowError) as error:
        raise DataError(
            f"'time' must hold dates such as '{clock.label(0)}', but in row {row + 1} it is "
            f"{shown(cell)}{_readings_of(cell)}; write it so"
        ) from error


def _readings_of(cell: Any) -> str:
    """Both of the dates that a number may stand for."""
    number, found = _float(cell), []
    for unit, name, most in UNITS:
        if abs(number) < most:
            moment = np.array(int(number)).astype(f"datetime64[{unit}]").astype("datetime64[s]")
            found.append(f"{moment} if it is {name} since 1970")
    return f" ({', '.join(found)})" if found else ""


def _refuse_offset(cell: Any, row: int, clock: Clock) -> None:
    if clock.zone is None:
        raise DataError(
            f"the zone of the model's times is unknown, so 'time' must be local and without "
            f"offset, but {shown(cell)} in row {row + 1} has one; leave it out"
        )
    raise DataError(
        f"the model's times have the zone {clock.zone}, so each 'time' must have its offset, such "
        f"as '{clock.label(0)}', but {shown(cell)} in row {row + 1} has none"
    )


def _count(cell: Any, row: int, clock: Clock) -> int:
    number = _float(cell)
    if not abs(number) <= MOST_COUNTED or number != int(number):
        raise DataError(
            f"'time' must count steps, as the data did that the model was trained on, but in row "
            f"{row + 1} it is {shown(cell)}"
        )
    return int(number)


def _float(cell: Any) -> float:
    """NaN where it is no number."""
    try:
        return float(cell) if isinstance(cell, Real | str) else np.nan
    except (ValueError, OverflowError):
        return np.nan


def _of_calendar(cell: Any, row: int, clock: Clock) -> int:
    text = str(cell)
    form = DATE if len(text) <= len("2000-01-01") else DATE_AND_CLOCK
    try:
        moment = cftime.datetime.strptime(text.replace("T", " "), form, calendar=clock.calendar)
    except ValueError as error:
        raise DataError(
            f"'time' must hold dates of the calendar {clock.calendar} such as "
            f"'{clock.label(0)}', but in row {row + 1} it is {shown(text)}"
        ) from error
    return int(cftime.date2num(moment, "seconds since 1970-01-01", clock.calendar))
