"""A column of times, decided once for a file and read in the same way throughout."""

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import numpy as np
import pandas as pd

from dynst.data.clock import COUNTED, Clock
from dynst.data.importers.report import Finding, assumed, known
from dynst.data.importers.source import ReadOptions
from dynst.data.importers.times.numbers import NUMBER_FORMATS, decide_numbers
from dynst.data.importers.times.texts import Written, shape_of
from dynst.errors import DataError

__all__ = ["TimeReader", "read_times", "times_of"]

NO_DATES = {"now", "today"}  # which pandas takes for this very moment
MICROSECOND, NOISE = 10**6, 10**3  # what floats leave short of a second, in microseconds
UTC_NAMES = {"UTC", "GMT", "Z", "UTC+00:00"}
OFFSET = r"(Z|[+-]\d{2}(?::?\d{2})?)$"


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

    Attributes:
        clock: of the times that ``read`` gives.
        findings: what is known and was assumed; more may come while parts are read.
    """

    def __init__(self, parser: _Parser, options: ReadOptions) -> None:
        self._parser, self._rows = parser, 0
        self._last: int | None = None
        self._first: int | None = None
        self.findings = list(parser.findings)
        self._localize = options.zone is not None and parser.zone is None
        self._step: int | None = None
        if parser.counted and (options.start is None or options.step is None):
            self.clock = COUNTED
            return
        if parser.counted:
            assert options.start is not None
            assert options.step is not None
            options.apply("start", "step")
            self._step = int(options.step.total_seconds())
            self._start = int(np.datetime64(options.start, "s").astype(np.int64))
            self.findings = [known("times are counted, from --start on by --step")]
        if options.zone is not None:
            options.apply("zone")
        self.clock = Clock(zone=options.zone or parser.zone)

    def read(self, values: Any, *, ordered: bool = True) -> np.ndarray:
        """The next part as int64 times in the clock's unit.

        Args:
            values: texts, numbers or datetimes.
            ordered: whether parts are in order of time, which decides on the hour that an autumn
                repeats.

        Raises:
            DataError: a cell is empty, is no time, or is written otherwise than those before it.
        """
        series = values if isinstance(values, pd.Series) else pd.Series(values)
        _refuse_empty(series, self._rows)
        moments = self._parser.microseconds(series)
        self._rows += len(series)
        if self.clock == COUNTED:
            return moments
        if self._step is not None:
            return self._counted(moments)
        rounded = (moments + NOISE) // MICROSECOND
        if (np.abs(moments - rounded * MICROSECOND) > NOISE).any():
            self._say(assumed("fractions of a second are cut off", "round the times yourself"))
        return self._utc(rounded, ordered) if self._localize else rounded

    def _counted(self, counts: np.ndarray) -> np.ndarray:
        """Times of steps: the smallest count of the first part is that of the start."""
        if self._first is None and len(counts):
            self._first = int(counts.min())
            self._start = int(self.clock.from_local(np.array([self._start]))[0])
        return self._start + (self._step or 0) * (counts - (self._first or 0))

    def _utc(self, local: np.ndarray, ordered: bool) -> np.ndarray:
        first, second = self.clock.moments(local)
        if np.array_equal(first, second):
            self._last = int(first[-1]) if len(first) else self._last
            return first
        if not ordered:
            lost = local[int((first != second).argmax())].astype("datetime64[s]")
            raise DataError(
                f"{lost} comes twice on a clock in {self.clock.zone}, and nothing tells which is "
                f"meant; give times in UTC or with their offset"
            )
        self._say(assumed("the hour that autumn repeats is told by the order of rows", "--zone"))
        utc = self.clock.from_local(local, self._last)
        self._last = int(utc[-1])
        return utc

    def _say(self, finding: Finding) -> None:
        if finding not in self.findings:
            self.findings.append(finding)


def read_times(parts: Callable[[], Iterable[Any]], options: ReadOptions) -> TimeReader:
    """Decide how a column of times is written.

    Only as much of it is read as the decision needs: the first part, or all where the order of day
    and month is open or offsets are given.

    Args:
        parts: gives the column from its start, part by part: texts, numbers or datetimes.
        options: what the user says of times.

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
        return TimeReader(_Moments(None), options)
    if pd.api.types.is_numeric_dtype(sample.dtype) or _all_numbers(sample):
        return TimeReader(decide_numbers(_numbers(sample), options), options)
    return TimeReader(_decide_texts(sample.astype(str), parts, options), options)


def times_of(values: Any, options: ReadOptions) -> tuple[np.ndarray, TimeReader]:
    """A whole column at once: its times, and the reader with their clock and findings."""
    reader = read_times(lambda: [values], options)
    return reader.read(values), reader


def zone_name(zone: Any) -> str:
    """The name of a ``tzinfo`` as ``Clock`` has it."""
    name = getattr(zone, "key", None) or getattr(zone, "zone", None) or str(zone)
    if name in UTC_NAMES:
        return "UTC"
    if isinstance(name, str) and "/" in name:
        return name
    ahead = pd.Timestamp("2024-01-01", tz=zone).utcoffset()
    assert ahead is not None
    return _offset_name(int(ahead.total_seconds()))


def _offset_name(seconds: int) -> str:
    minutes = abs(seconds) // 60
    sign = "-" if seconds < 0 else "+"
    return "UTC" if seconds == 0 else f"{sign}{minutes // 60:02d}:{minutes % 60:02d}"


def _refuse_empty(series: pd.Series, before: int) -> None:
    empty = series.isna()
    if series.dtype == object or pd.api.types.is_string_dtype(series.dtype):
        empty |= series.astype(str).str.strip() == ""
    if empty.any():
        raise DataError(
            f"every row must have a time, but row {before + int(empty.to_numpy().argmax()) + 1} "
            f"below the header has none; remove it"
        )


def _microseconds(naive: pd.Series) -> np.ndarray:
    moments: np.ndarray = naive.to_numpy().astype("datetime64[us]").astype(np.int64)
    return moments


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
        return _microseconds(naive)


class _Texts:
    """Dates and clocks in one order of day, month and year.

    Cells may leave out seconds, or a clock at midnight.
    """

    counted = False

    def __init__(
        self, date: str, first: Written, zone: str | None, findings: tuple[Finding, ...] = ()
    ) -> None:
        self.date, self.first, self.zone, self.findings = date, first, zone, findings
        self._order = _order_of(date)

    def microseconds(self, values: pd.Series) -> np.ndarray:
        texts = values.astype(str).str.strip()
        moments = _parsed(texts, self.first.format(self.date))
        others = np.flatnonzero(moments.isna().to_numpy())
        for shape, rows in _by_shape(texts.iloc[others]).items():
            cell = texts.loc[rows[0]]
            date = next((date for date in shape.dates if _order_of(date) == self._order), None)
            if date is None:
                raise _not_alike(cell, self.first, self.date, shape.fault)
            moments.loc[rows] = _parsed(texts.loc[rows], shape.format(date))
            moments.loc[rows] = moments.loc[rows].fillna(_midnight(texts.loc[rows], shape, date))
            if (lost := moments.loc[rows].isna()).any():
                raise _not_alike(texts.loc[rows][lost].iloc[0], self.first, self.date, "")
        return _microseconds(moments.dt.tz_localize(None))


class _Format:
    """The format that the user gave."""

    counted = False

    def __init__(self, form: str) -> None:
        self.form = form
        self.zone = "UTC" if "%z" in form else None
        self.findings: tuple[Finding, ...] = ()

    def microseconds(self, values: pd.Series) -> np.ndarray:
        texts = values.astype(str).str.strip()
        try:
            moments = _parsed(texts, self.form)
        except ValueError as error:
            raise DataError(
                f"--time-format '{self.form}' is no format of times ({error})"
            ) from error
        if moments.isna().any():
            raise DataError(
                f"times must be written as '{self.form}', but one is "
                f"'{texts[moments.isna()].iloc[0]}'; mend it, or change --time-format"
            )
        return _microseconds(moments.dt.tz_localize(None))


def _decide_texts(
    sample: pd.Series, parts: Callable[[], Iterable[Any]], options: ReadOptions
) -> _Texts | _Format:
    if options.time_format is not None and options.time_format not in NUMBER_FORMATS:
        options.apply("time_format")
        return _Format(options.time_format)
    cell = sample.iloc[0].strip()
    first = shape_of(cell)
    if not first.dates:
        fault = first.fault or "is no date"
        raise DataError(
            f"times must be dates with a year, but '{cell}' {fault}; name the column of the date "
            f"too (--time-column, twice), say how they are written (--time-format), or count "
            f"steps with --start and --step"
        )
    dates = _order(first.dates, options)
    findings: tuple[Finding, ...] = ()
    if len(dates) > 1:
        dates = _fitting(dates, first, parts)
        _refuse_two(cell, dates, first)
        findings = (known(f"dates are written as {_plain(dates[0])}, by all rows"),)
    zone, more = _zone(first, parts, options)
    return _Texts(dates[0], first, zone, (*findings, *more))


def _order(dates: tuple[str, ...], options: ReadOptions) -> tuple[str, ...]:
    if len(dates) == 1 or options.day_first is None:
        return dates
    options.apply("day_first")
    return tuple(date for date in dates if date.startswith("%d") == options.day_first)[:1]


def _fitting(
    dates: tuple[str, ...], first: Written, parts: Callable[[], Iterable[Any]]
) -> tuple[str, ...]:
    """Those of the orders in which every row of the file is a date."""
    for part in parts():
        texts = pd.Series(part).dropna().astype(str).str.strip()
        days = pd.Series(texts.str.split(r"[ T]", n=1, regex=True).str[0].unique())
        left = tuple(date for date in dates if _parsed(days, date).notna().all())
        if len(left) <= 1:
            return left or dates[:1]
        dates = left
    return dates


def _refuse_two(cell: str, dates: tuple[str, ...], first: Written) -> None:
    if len(dates) < 2:
        return
    readings = [_parsed(pd.Series([cell]), first.format(date)).iloc[0] for date in dates]
    texts = " or ".join(f"{moment:%Y-%m-%d}" for moment in readings)
    raise DataError(
        f"'{cell}' may be {texts}, and no row of the file tells which; say --day-first or "
        f"--month-first, or the whole format, such as --time-format "
        f"'{first.format(dates[0])}'"
    )


def _zone(
    first: Written, parts: Callable[[], Iterable[Any]], options: ReadOptions
) -> tuple[str | None, tuple[Finding, ...]]:
    """What the texts say of the zone: one offset throughout, several, or none."""
    if not first.zone:
        return None, ()
    if first.zone in UTC_NAMES:
        return "UTC", ()
    if first.zone != "%z":
        if options.zone is None:
            raise DataError(
                f"times end with '{first.zone}', which is no offset and means several zones; name "
                f"the zone with --zone, such as America/New_York"
            )
        return None, (known(f"times are those of a clock in {options.zone}"),)
    offsets = dict.fromkeys(
        offset
        for part in parts()
        for offset in pd.Series(part).dropna().astype(str).str.extract(OFFSET)[0].dropna().unique()
    )
    names = [_offset_name(_offset_seconds(offset)) for offset in offsets]
    if len(set(names)) == 1:
        if names[0] == "UTC":
            return "UTC", ()
        return names[0], (
            assumed(
                f"times have the offset {names[0]} throughout",
                "--zone names a zone whose offset changes with the season",
            ),
        )
    return "UTC", (
        assumed(
            f"times have the offsets {' and '.join(sorted(set(names)))}, and are kept in UTC",
            "--zone names the zone, whose clock seasons then follow",
        ),
    )


def _offset_seconds(text: str) -> int:
    if text == "Z":
        return 0
    digits = text[1:].replace(":", "").ljust(4, "0")
    seconds = int(digits[:2]) * 3600 + int(digits[2:]) * 60
    return -seconds if text[0] == "-" else seconds


def _parsed(texts: pd.Series, form: str) -> pd.Series:
    """Moments of the texts, UTC where they have an offset; NaT where one is written otherwise."""
    if "%q" in form:
        quarter = texts.str.extract(r"(?P<year>\d{4})[- ]?[Qq](?P<quarter>[1-4])$")
        months = (quarter["quarter"].astype(float) * 3 - 2).fillna(0).astype(int).astype(str)
        return pd.to_datetime(quarter["year"] + "-" + months, format="%Y-%m", errors="coerce")
    texts = texts.mask(texts.str.lower().isin(NO_DATES))
    if "%f" in form:
        form = form.replace(",%f", ".%f")
        texts = texts.str.replace(",", ".", regex=False) if ",%f" in form else texts
    return pd.to_datetime(texts, format=form, errors="coerce", utc="%z" in form)


def _midnight(texts: pd.Series, shape: Written, date: str) -> pd.Series:
    """24:00 is the midnight at the end of the day."""
    ends = texts.str.contains(r"[T ]24(?::?00)?(?::?00)?(?:\.0+)?(?:[^:\d].*)?$", regex=True)
    early = texts.where(ends).str.replace(r"([T ])24", r"\g<1>00", n=1, regex=True)
    return _parsed(early, shape.format(date)) + pd.Timedelta(days=1)


def _order_of(date: str) -> str:
    """A date's format whether months are written whole or not: May is both."""
    return date.replace("%B", "%b")


def _by_shape(texts: pd.Series) -> dict[Written, list[Any]]:
    found: dict[Written, list[Any]] = {}
    for row, text in texts.items():
        found.setdefault(shape_of(text), []).append(row)
    return found


def _not_alike(cell: str, first: Written, date: str, fault: str) -> DataError:
    return DataError(
        f"times must be written as {_plain(first.format(date))} like those before them, but one is "
        f"'{cell}'{', which ' + fault if fault else ''}; mend it, or say how they are written with "
        f"--time-format"
    )


def _plain(form: str) -> str:
    """``%d.%m.%Y`` as people say it: ``DD.MM.YYYY``."""
    words = {"%Y": "YYYY", "%y": "YY", "%m": "MM", "%d": "DD", "%H": "hh", "%M": "mm", "%S": "ss"}
    for code, word in words.items():
        form = form.replace(code, word)
    return form
