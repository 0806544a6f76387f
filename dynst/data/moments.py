"""Times that a program or a person gives to a model, as the model's clock counts them."""

from typing import Any

import cftime
import numpy as np
import pandas as pd

from dynst.data.clock import Clock
from dynst.errors import DataError

__all__ = ["moments_of"]

ISO = r"\d{4}-\d{2}"
DATE, DATE_AND_CLOCK = "%Y-%m-%d", "%Y-%m-%d %H:%M:%S"


def moments_of(values: Any, clock: Clock) -> np.ndarray:
    """Times as ``Clock.labels`` writes them, or datetimes, as int64 in the clock's unit.

    Args:
        values: ``[T]`` datetimes, texts in the form of ISO 8601, or counts.
        clock: of the model. Where its zone is known, times must have their offset, and where it is
            not, they must have none.

    Raises:
        DataError: they are no times of that clock.

    Example:
        >>> moments_of(["1970-01-01 09:00:00+09:00"], Clock(zone="Asia/Tokyo"))
        array([0])
    """
    series = pd.Series(list(values))
    if clock.unit == "step":
        return _counts(series, clock)
    if clock.unit == "second" and clock.calendar != "standard":
        return np.array([_of_calendar(text, clock) for text in series.astype(str)], np.int64)
    moments = _datetimes(series, clock)
    if clock.unit == "month":
        months: np.ndarray = moments.to_numpy().astype("datetime64[M]").astype(np.int64)
        return months
    seconds: np.ndarray = moments.to_numpy().astype("datetime64[s]").astype(np.int64)
    return seconds


def _datetimes(series: pd.Series, clock: Clock) -> pd.Series:
    if pd.api.types.is_numeric_dtype(series.dtype):
        raise DataError(
            f"'time' must hold dates such as '{clock.label(0)}', but holds numbers such as "
            f"{series.iloc[0]}"
        )
    if isinstance(series.iloc[0], str) and not series.astype(str).str.match(ISO).all():
        wrong = series[~series.astype(str).str.match(ISO)].iloc[0]
        raise DataError(f"'time' must hold dates such as '{clock.label(0)}', but one is '{wrong}'")
    try:
        aware = pd.Series([pd.Timestamp(value) for value in series])
    except (ValueError, TypeError) as error:
        raise DataError(
            f"'time' must hold dates such as '{clock.label(0)}', but one cannot be read: "
            f"{_unreadable(series)}"
        ) from error
    if aware.isna().any():
        raise DataError(f"'time' must not be empty, but is in row {int(aware.isna().argmax()) + 1}")
    has_offset = [moment.tzinfo is not None for moment in aware]
    if clock.zone in {None, "UTC"} and not any(has_offset):
        return pd.to_datetime(aware)
    if clock.zone is not None and all(has_offset):
        return pd.to_datetime(aware, utc=True).dt.tz_localize(None)
    if clock.zone is None:
        raise DataError(
            f"the zone of the model's times is unknown, so 'time' must be local and without "
            f"offset, but '{series.iloc[has_offset.index(True)]}' has one; leave it out"
        )
    raise DataError(
        f"the model's times have the zone {clock.zone}, so each 'time' must have its offset, such "
        f"as '{clock.label(0)}', but '{series.iloc[has_offset.index(False)]}' has none"
    )


def _unreadable(series: pd.Series) -> str:
    for value in series:
        try:
            pd.Timestamp(value)
        except (ValueError, TypeError):
            return f"'{value}'"
    return "a value"


def _counts(series: pd.Series, clock: Clock) -> np.ndarray:
    numbers = pd.to_numeric(series, errors="coerce").to_numpy(float)
    if not np.array_equal(numbers, np.floor(numbers)):
        raise DataError(
            f"'time' must count steps, as the data did that the model was trained on, but holds "
            f"'{series.iloc[0]}'"
        )
    return numbers.astype(np.int64)


def _of_calendar(text: str, clock: Clock) -> int:
    form = DATE if len(text) <= len("2000-01-01") else DATE_AND_CLOCK
    try:
        moment = cftime.datetime.strptime(text.replace("T", " "), form, calendar=clock.calendar)
    except ValueError as error:
        raise DataError(
            f"'time' must hold dates of the calendar {clock.calendar} such as "
            f"'{clock.label(0)}', but one is '{text}'"
        ) from error
    return int(cftime.date2num(moment, "seconds since 1970-01-01", clock.calendar))
