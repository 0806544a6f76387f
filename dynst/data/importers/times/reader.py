"""A column of times, decided once for a file and read in the same way throughout."""

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import numpy as np
import pandas as pd

from dynst.data.clock import COUNTED, Clock, NoSuchTime
from dynst.data.importers.report import Finding, assumed, known
from dynst.data.importers.source import ReadOptions, steps_from
from dynst.data.importers.times.bad_cells import BadCell
from dynst.data.importers.times.numbers import COMPACT, NUMBER_FORMATS, decide_numbers
from dynst.data.importers.times.text_columns import (
    FormatParser,
    TextParser,
    decide_texts,
    microseconds_of,
)
from dynst.data.importers.times.zones import zone_name
from dynst.errors import DataError

__all__ = ["TimeReader", "read_times", "times_of"]

PLAUSIBLE = tuple(
    int(np.datetime64(day, "us").astype(np.int64)) for day in ("1600-01-01", "2200-01-01")
)
MICROSECOND, NOISE = 10**6, 10**3  # what floats leave short of a second, in microseconds


class _Parser(Protocol):
    """Microseconds of the file's own clock, or of UTC where the file says so."""

    @property
    def findings(self) -> tuple[Finding, ...]: ...

    @property
    def zone(self) -> str | None:
        """What the file says of it."""

    @property
    def counted(self) -> bool: ...

    def microseconds(self, values: pd.Series) -> np.ndarray: ...


class TimeReader:
    """Reads parts of one column, all in the way that was decided for the whole of it.

    Args:
        parser: of the cells.
        options: what the user says of the clock.
        header: the zone that the name of the column gives, where cells give none.

    Attributes:
        clock: of the times that ``read`` gives.
        findings: what is known and was assumed; more may come while parts are read.
        has_fractions: whether fractions of a second were cut off.
    """

    def __init__(self, parser: _Parser, options: ReadOptions, header: str | None = None) -> None:
        self._parser, self._rows = parser, 0
        self._last: int | None = None
        self._first: int | None = None
        self.findings = list(parser.findings)
        self.has_fractions = False
        self._localize = options.zone is not None and parser.zone is None
        self._step: int | None = None
        if parser.counted and (options.start is None or options.step is None):
            self.clock = COUNTED
            return
        if parser.counted:
            assert options.start is not None
            assert options.step is not None
            options.apply("start", "step")
            self._start, self._step, self.clock = steps_from(options.start, options.step, options)
            self.findings = [known("times are counted, from --start on by --step")]
            return
        if options.zone is not None:
            options.apply("zone")
        own = parser.zone
        if own is None and header is not None:
            own = header
            self._localize = True
            self.findings.append(known(f"times are those of {header}, by the header"))
        self._written = Clock(zone=own or options.zone)
        self.clock = Clock(zone=options.zone or own)

    def read(self, values: Any, *, ordered: bool = True) -> np.ndarray:
        """The next part as int64 times in the clock's unit.

        Args:
            values: texts, numbers or datetimes.
            ordered: whether parts are in order of time, which decides on the hour that an autumn
                repeats.

        Raises:
            DataError: a cell is empty, is no time, or is written otherwise than those before it.
        """
        series = pd.Series(values).reset_index(drop=True)
        _refuse_empty(series, self._rows)
        try:
            moments = self._parser.microseconds(series)
            if not self._parser.counted:
                _refuse_far(moments, series)
        except BadCell as error:
            raise (error.in_row(self._rows) if ordered else error) from error
        before, self._rows = self._rows, self._rows + len(series)
        if self.clock == COUNTED:
            return moments
        if self._step is not None:
            return self._counted(moments)
        rounded = (moments + NOISE) // MICROSECOND
        if (np.abs(moments - rounded * MICROSECOND) > NOISE).any():
            self.has_fractions = True
            self._say(assumed("fractions of a second are cut off", "round the times yourself"))
        try:
            utc = self._utc(rounded, ordered) if self._localize else rounded
        except NoSuchTime as error:
            place = error.place
            bad = BadCell(error.before, series.iloc[place], f", which{error.after}", place)
            raise (bad.in_row(before) if ordered else bad) from error
        if isinstance(self._parser, TextParser):
            self._parser.check_zone(series, utc, self.clock)
        return utc

    def _counted(self, counts: np.ndarray) -> np.ndarray:
        """Times of steps: the smallest count of the first part is that of the start."""
        if self._first is None and len(counts):
            self._first = int(counts.min())
        return self._start + (self._step or 0) * (counts - (self._first or 0))

    def _utc(self, local: np.ndarray, ordered: bool) -> np.ndarray:
        first, second = self._written.moments(local)
        if np.array_equal(first, second):
            self._last = int(first[-1]) if len(first) else self._last
            return first
        if not ordered:
            lost = local[int((first != second).argmax())].astype("datetime64[s]")
            raise DataError(
                f"{lost} comes twice on a clock in {self._written.zone}, and nothing says which is "
                f"meant; give times in UTC or with their offset"
            )
        self._say(assumed("the hour that autumn repeats is told by the order of rows", "--zone"))
        utc = self._written.from_local(local, self._last)
        self._last = int(utc[-1])
        return utc

    def _say(self, finding: Finding) -> None:
        if finding not in self.findings:
            self.findings.append(finding)


def read_times(
    parts: Callable[[], Iterable[Any]],
    options: ReadOptions,
    header: str | None = None,
    name: str = "",
) -> TimeReader:
    """Decide how a column of times is written.

    Only as much of it is read as the decision needs: the first part, or all where the order of day
    and month is open or offsets are given.

    Args:
        parts: gives the column from its start, part by part: texts, numbers or datetimes.
        options: what the user says of times.
        header: the zone that the name of the column gives.
        name: of the column, which may say that numbers are years.

    Raises:
        DataError: the column is no time, or two readings of it are both plausible.
    """
    first = pd.Series(next(iter(parts()), []))
    sample = first.dropna()
    if not len(sample):
        raise DataError("a column of times must not be empty; name another with --time-column")
    if isinstance(sample.dtype, pd.DatetimeTZDtype):
        return TimeReader(_Moments(zone_name(sample.dtype.tz)), options)
    if pd.api.types.is_datetime64_any_dtype(sample.dtype) or hasattr(sample.iloc[0], "isoformat"):
        return TimeReader(_Moments(None), options, header)
    form = options.time_format
    if form is not None and form not in (*NUMBER_FORMATS, *COMPACT):
        options.apply("time_format")
        return TimeReader(FormatParser(form), options, header)
    if pd.api.types.is_numeric_dtype(sample.dtype) or _all_numbers(sample):
        return TimeReader(decide_numbers(_numbers(sample), options, name), options, header)
    return TimeReader(decide_texts(sample.astype(str), parts, options), options, header)


def times_of(values: Any, options: ReadOptions) -> tuple[np.ndarray, TimeReader]:
    """A whole column at once: its times, and the reader with their clock and findings."""
    reader = read_times(lambda: [values], options)
    return reader.read(values), reader


def _refuse_far(moments: np.ndarray, values: pd.Series) -> None:
    """Refuse years that are hardly of the Gregorian calendar: 2567 is 2024 in Thailand."""
    far = (moments < PLAUSIBLE[0]) | (moments >= PLAUSIBLE[1])
    if far.any():
        place = int(far.argmax())
        raise BadCell(
            "times must lie in the years 1600 to 2199 of the Gregorian calendar, but one is",
            values.iloc[place],
            "; convert the years if they are of another calendar, or mend --time-format",
            place,
        )


def _refuse_empty(series: pd.Series, before: int) -> None:
    empty = series.isna()
    if series.dtype == object or pd.api.types.is_string_dtype(series.dtype):
        empty |= series.astype(str).str.strip() == ""
    if empty.any():
        raise DataError(
            f"every row must have a time, but row {before + int(empty.to_numpy().argmax()) + 1} "
            f"below the header has none; remove it"
        )


def _all_numbers(texts: pd.Series) -> bool:
    return bool(texts.astype(str).str.fullmatch(r"\s*-?\d+(\.\d+)?\s*").all())


def _numbers(values: pd.Series) -> np.ndarray:
    if pd.api.types.is_numeric_dtype(values.dtype):
        return values.to_numpy()
    numbers: np.ndarray = pd.to_numeric(values.astype(str).str.strip()).to_numpy()
    return numbers


class _Moments:
    """Datetimes, as Arrow, HDF and xarray keep them."""

    counted = False

    def __init__(self, zone: str | None) -> None:
        self.zone = zone
        self.findings: tuple[Finding, ...] = ()

    def microseconds(self, values: pd.Series) -> np.ndarray:
        aware = pd.to_datetime(values, utc=self.zone is not None)
        naive = aware.dt.tz_localize(None) if self.zone is not None else aware
        return microseconds_of(naive)
