"""Times that stand in several columns: year, month, day, or a date, and a clock beside it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa

from dynst.data.importers.columns.first_cells import text_of
from dynst.data.importers.columns.words import CalendarField
from dynst.errors import DataError

__all__ = ["RANGES", "ClockForm", "ClockPart", "DatePart"]

ClockForm = Literal["text", "hours", "hhmm", "hhmmss"]
RANGES: dict[CalendarField, tuple[int, int]] = {
    "year": (1800, 2100),
    "month": (1, 12),
    "day": (1, 31),
    "yearday": (1, 366),
    "hour": (0, 24),
    "minute": (0, 59),
    "second": (0, 60),
}


@dataclass(frozen=True)
class DatePart:
    """A date in one column, or year, month and day in several."""

    column: str | None = None
    fields: Mapping[CalendarField, str] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,) if self.column is not None else tuple(self.fields.values())

    def texts(self, batch: pa.RecordBatch) -> pd.Series:
        """Dates as texts, None where one is missing."""
        if self.column is not None:
            return _dates(batch.column(self.column).to_pandas())
        parts = [_whole(batch, name, part) for part, name in self.fields.items()]
        shape = (
            "{:04d}-{:03d}" if "yearday" in self.fields else "{:04d}" + "-{:02d}" * (len(parts) - 1)
        )
        return _formatted(parts, shape)


@dataclass(frozen=True)
class ClockPart:
    """The time of the day, in one column of some form or in hour, minute and second.

    An hour of 24 is the midnight at the end of the day.
    """

    column: str | None = None
    form: ClockForm = "text"
    fields: Mapping[CalendarField, str] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,) if self.column is not None else tuple(self.fields.values())

    def texts(self, batch: pa.RecordBatch) -> pd.Series:
        """Clocks such as ``06:30``, None where one is missing."""
        if self.column is not None and self.form == "text":
            return text_of(batch.column(self.column).to_pandas())
        if self.column is None:
            parts = [_whole(batch, name, part) for part, name in self.fields.items()]
        else:
            parts = _split(_numbers(batch, self.column), self.form)
        if len(parts) == 1:
            parts = [parts[0], parts[0] * 0]
        return _formatted(parts, ":".join(["{:02d}"] * len(parts)))


def _dates(column: pd.Series) -> pd.Series:
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        days: pd.Series = column.dt.strftime("%Y-%m-%d").astype(object)
        return days.where(column.notna(), None)
    if pd.api.types.is_float_dtype(column.dtype):  # whole numbers beside missing ones
        column = column.astype("Int64")
    return text_of(column)


def _split(numbers: pd.Series, form: ClockForm) -> list[pd.Series]:
    if form == "hours":
        return [numbers]
    if form == "hhmm":
        return [numbers // 100, numbers % 100]
    return [numbers // 10_000, numbers // 100 % 100, numbers % 100]


def _numbers(batch: pa.RecordBatch, name: str) -> pd.Series:
    cells = batch.column(name).to_pandas()
    numbers = pd.to_numeric(cells, errors="coerce")
    wrong = cells.notna() & (numbers.isna() | (numbers != np.floor(numbers)) | (numbers < 0))
    if wrong.any():
        raise DataError(
            f"'{name}' must be a part of the time in whole numbers, but one is "
            f"'{cells[wrong].iloc[0]}'; mend it, or name the time with --time-column"
        )
    whole: pd.Series = numbers.astype(float)
    return whole


def _whole(batch: pa.RecordBatch, name: str, part: CalendarField) -> pd.Series:
    numbers = _numbers(batch, name)
    low, high = RANGES[part]
    wrong = numbers.notna() & ((numbers < low) | (numbers > high))
    if wrong.any():
        raise DataError(
            f"'{name}' must be a {part} from {low} to {high}, but one is "
            f"'{numbers[wrong].iloc[0]:g}'; mend it, or name the time with --time-column"
        )
    return numbers


def _formatted(parts: list[pd.Series], shape: str) -> pd.Series:
    """Each distinct row of numbers is written once."""
    widths = [int(size) for size in re.findall(r"0(\d)d", shape)]
    whole = pd.Series(0.0, index=parts[0].index)
    for part, width in zip(parts, widths, strict=True):
        whole = whole * 10**width + part  # missing where one is missing
    codes, distinct = pd.factorize(whole)
    texts = np.array([*(_written(int(number), widths, shape) for number in distinct), None], object)
    return pd.Series(texts[codes], dtype=object)


def _written(number: int, widths: list[int], shape: str) -> str:
    parts = []
    for width in reversed(widths[1:]):
        parts.append(number % 10**width)
        number //= 10**width
    return shape.format(number, *reversed(parts))
