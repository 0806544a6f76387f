"""Timestamps as users write them, as whole seconds in the network's own clock."""

from typing import Any

import numpy as np
import pandas as pd

from dynst.errors import DataError

__all__ = ["to_seconds"]

EPOCH_DIGITS = 9  # of texts that count seconds; shorter ones may be dates such as 20240131
EPOCH_MILLISECONDS = 1e11  # numbers above it count milliseconds


def to_seconds(values: Any) -> np.ndarray:
    """Texts, datetimes or epoch numbers to int64 seconds.

    A time zone that is the same throughout is dropped, its clock kept.

    Raises:
        DataError: a value is no time, time zones are mixed, or times are not whole seconds.
    """
    series = pd.Series(values)
    if pd.api.types.is_numeric_dtype(series):
        return _from_numbers(series.to_numpy())
    if (
        len(series)
        and len(str(series.iloc[0])) >= EPOCH_DIGITS
        and series.astype(str).str.fullmatch(r"\d+").all()
    ):
        return _from_numbers(series.astype("int64").to_numpy())
    try:
        parsed = pd.to_datetime(series)
    except (ValueError, TypeError, OverflowError) as error:
        if "ixed time" in str(error):
            raise DataError(
                "times must share one time zone, but several are mixed; convert them to one"
            ) from error
        raise DataError(
            f"times must be dates and times ({str(error).splitlines()[0]}); mend or remove the row"
        ) from error
    if not pd.api.types.is_datetime64_any_dtype(parsed):
        raise DataError(
            "times must share one time zone, but several are mixed; convert them to one"
        )
    if parsed.isna().any():
        raise DataError(
            f"every row must have a time, but row {int(parsed.isna().to_numpy().argmax())} has "
            f"none; remove it"
        )
    stamps = parsed.dt.tz_localize(None).to_numpy().astype("datetime64[us]").astype(np.int64)
    return _whole(stamps, 1_000_000)


def _from_numbers(values: np.ndarray) -> np.ndarray:
    if not np.isfinite(values).all():
        raise DataError("every row must have a time, but one has none; remove it")
    if len(values) and abs(values[0]) >= EPOCH_MILLISECONDS:
        return _whole(values, 1000)
    return _whole(values, 1)


def _whole(values: np.ndarray, unit: int) -> np.ndarray:
    if (values % unit != 0).any():
        raise DataError(
            "times must be whole seconds, but some lie between two; round them, or multiply them "
            "to whole seconds"
        )
    seconds: np.ndarray = (values // unit).astype(np.int64)
    return seconds
