"""A column of texts that are times: one order of day and month, and one zone, for all of it."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd

from dynst.data.clock import Clock
from dynst.data.importers.report import Finding, assumed, known
from dynst.data.importers.source import ReadOptions
from dynst.data.importers.times.bad_cells import BadCell
from dynst.data.importers.times.no_dates import no_date, why_no_date
from dynst.data.importers.times.numbers import NUMBER_FORMATS
from dynst.data.importers.times.open_parts import refuse_double_years, refuse_partial
from dynst.data.importers.times.texts import Written, shape_of
from dynst.data.importers.times.zones import UTC_NAMES, offset_name, offset_seconds
from dynst.errors import DataError

__all__ = ["FormatParser", "TextParser", "decide_texts", "microseconds_of"]

OFFSET = r"(Z|[+-]\d{2}(?::?\d{2})?)$"
ZONE_NAME = r"\s([A-Z]{3,5})\s*$"
WEEKDAY = r"^[A-Za-z]{3,9},? "
AHEAD = 5  # years after this one that two digits may mean
NO_DATES = {"now", "today"}  # which pandas takes for this very moment


def microseconds_of(naive: pd.Series) -> np.ndarray:
    """Moments without a zone as int64 since 1970-01-01."""
    moments: np.ndarray = naive.to_numpy().astype("datetime64[us]").astype(np.int64)
    return moments


class TextParser:
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
            date = next((date for date in shape.dates if _order_of(date) == self._order), None)
            if date is None:
                raise _not_alike(texts, rows[0], self.first, self.date, shape.fault)
            if (shape.zone == "%z") != (self.first.zone == "%z"):
                fault = "has another zone, or none"
                raise _not_alike(texts, rows[0], self.first, self.date, fault)
            moments.loc[rows] = _parsed(texts.loc[rows], shape.format(date))
            moments.loc[rows] = moments.loc[rows].fillna(_midnight(texts.loc[rows], shape, date))
            if (lost := moments.loc[rows].isna()).any():
                row = rows[int(lost.to_numpy().argmax())]
                if why := why_no_date(texts.loc[row], shape.format(date)):
                    raise no_date(texts.loc[row], why, int(row), self._other_order)
                raise _not_alike(texts, row, self.first, self.date, "")
        return microseconds_of(_in_last_century(moments.dt.tz_localize(None), self.date))

    @property
    def _other_order(self) -> str:
        return "say --month-first" if self.date.startswith("%d") else "say --day-first"

    def check_zone(self, values: pd.Series, utc: np.ndarray, clock: Clock) -> None:
        """Refuse names of zones that the user's zone does not have at that time."""
        if self.first.zone in {"", "%z"} or self.zone is not None or not clock.zone:
            return
        names = values.astype(str).str.extract(ZONE_NAME)[0].to_numpy()
        own = np.array(clock.names(utc) if "/" in clock.zone else [names[0]] * len(names))
        wrong = np.flatnonzero(names != own)
        if wrong.size:
            row = int(wrong[0])
            raise DataError(
                f"times must be those of a clock in {clock.zone}, but '{values.iloc[row]}' would "
                f"be {own[row]} there; give the offset of the clock in place of a zone, such as "
                f"--zone -05:00, or times with their offset"
            )


class FormatParser:
    """The format that the user gave."""

    counted = False

    def __init__(self, form: str) -> None:
        refuse_partial(form)
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
            place = int(moments.isna().to_numpy().argmax())
            if why := why_no_date(texts.iloc[place], self.form):
                raise no_date(texts.iloc[place], why, place, "change --time-format")
            raise BadCell(
                f"times must be written as '{self.form}', but one is",
                texts.iloc[place],
                "; mend it, or change --time-format",
                place,
            )
        return microseconds_of(_in_last_century(moments.dt.tz_localize(None), self.form))


def decide_texts(
    sample: pd.Series, parts: Callable[[], Iterable[Any]], options: ReadOptions
) -> TextParser | FormatParser:
    if options.time_format is not None and options.time_format not in NUMBER_FORMATS:
        options.apply("time_format")
        return FormatParser(options.time_format)
    cell = sample.iloc[0].strip()
    refuse_double_years(cell, parts)
    first = shape_of(cell)
    if not first.dates:
        fault = first.fault or "is no date"
        raise DataError(
            f"times must be dates with a year, but '{cell}' {fault}; name the column of the date "
            f"too (--time-column, twice), say how they are written (--time-format, such as "
            f"%b-%y for Jan-24), or count steps with --start and --step"
        )
    dates = _order(first.dates, options)
    findings: tuple[Finding, ...] = ()
    if len(dates) > 1:
        dates = _fitting(dates, first, parts)
        _refuse_two(sample, dates, first)
        text = f"dates are written as {_plain(dates[0])}, as no other order fits all rows"
        findings = (known(text),)
    if "%y" in dates[0]:
        first_year = pd.Timestamp.now().year + AHEAD - 99
        text = f"years of two digits lie in {first_year}…{first_year + 99}"
        findings += (assumed(text, "write them with four digits"),)
    zone, more = _zone(first, parts, options)
    return TextParser(dates[0], first, zone, (*findings, *more))


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
        texts = pd.Series(part).dropna().astype(str).str.strip().drop_duplicates()
        left = tuple(date for date in dates if _fits(texts, date, first))
        if len(left) <= 1:
            return left or dates[:1]
        dates = left
    return dates


def _fits(texts: pd.Series, date: str, first: Written) -> bool:
    """Whether every cell is a date in this order, and of the weekday that stands before it."""
    days = texts.str.replace(WEEKDAY, "", regex=True) if first.weekday else texts
    moments = _parsed(days.str.split(r"[ T_]", n=1, regex=True).str[0], date)
    if moments.isna().any():
        return False
    return not first.weekday or bool((moments.dt.day_name().str[:3] == texts.str[:3]).all())


def _in_last_century(moments: pd.Series, form: str) -> pd.Series:
    """Years of two digits that lie far ahead are those of the century before."""
    if "%y" not in form:
        return moments
    late = moments.dt.year > pd.Timestamp.now().year + AHEAD
    return moments.where(~late, moments - pd.DateOffset(years=100))


def _refuse_two(sample: pd.Series, dates: tuple[str, ...], first: Written) -> None:
    if len(dates) < 2:
        return
    days = sample.str.strip().drop_duplicates()
    both = [_parsed(days, first.format(date)) for date in dates[:2]]
    differ = np.flatnonzero((both[0] != both[1]).to_numpy() & both[0].notna().to_numpy())
    cell = days.iloc[int(differ[0]) if differ.size else 0]
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
    if first.zone != "%z":
        ends = _zone_names(parts)
        if ends <= UTC_NAMES:
            return "UTC", ()
        if options.zone is None:
            raise DataError(
                f"times end with {' and '.join(map(repr, sorted(ends)))}, which give no offset and "
                f"mean several zones; name the zone with --zone, such as America/New_York, or the "
                f"offset, such as -05:00, of a clock that has one all year"
            )
        return None, (known(f"times are those of a clock in {options.zone}"),)
    offsets = dict.fromkeys(
        offset
        for part in parts()
        for offset in pd.Series(part).dropna().astype(str).str.extract(OFFSET)[0].dropna().unique()
    )
    names = [offset_name(offset_seconds(offset)) for offset in offsets]
    if len(set(names)) == 1:
        if names[0] == "UTC":
            return "UTC", ()
        if options.zone is not None:
            return names[0], ()
        return names[0], (
            assumed(
                f"times have the offset {names[0]} throughout",
                "--zone names a zone whose offset changes with the season",
            ),
        )
    if options.zone is not None:
        return "UTC", ()
    return "UTC", (
        assumed(
            f"times have the offsets {' and '.join(sorted(set(names)))}, and are kept in UTC",
            "--zone names the zone, whose clock seasons then follow",
        ),
    )


def _zone_names(parts: Callable[[], Iterable[Any]]) -> set[str]:
    """The names of zones at the ends of all cells."""
    found: set[str] = set()
    for part in parts():
        texts = pd.Series(part).dropna().astype(str)
        found.update(texts.str.extract(ZONE_NAME)[0].dropna().unique())
    return found


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
    ends = texts.str.contains(r"[T _]24(?::?00)?(?::?00)?(?:\.0+)?(?:[^:\d].*)?$", regex=True)
    early = texts.where(ends).str.replace(r"([T _])24", r"\g<1>00", n=1, regex=True)
    return _parsed(early, shape.format(date)) + pd.Timedelta(days=1)


def _order_of(date: str) -> str:
    """A date's format whether months are written whole or not: May is both."""
    return date.replace("%B", "%b")


def _by_shape(texts: pd.Series) -> dict[Written, list[Any]]:
    found: dict[Written, list[Any]] = {}
    for row, text in texts.items():
        found.setdefault(shape_of(text), []).append(row)
    return found


def _not_alike(texts: pd.Series, place: Any, first: Written, date: str, fault: str) -> BadCell:
    return BadCell(
        f"times must be written as {_plain(first.format(date))} like those before them, but one is",
        texts.loc[place],
        f"{', which ' + fault if fault else ''}; mend it, or say how they are written with "
        f"--time-format",
        int(place),
    )


def _plain(form: str) -> str:
    """``%d.%m.%Y`` as people say it: ``DD.MM.YYYY``."""
    words = {"%Y": "YYYY", "%y": "YY", "%m": "MM", "%d": "DD", "%H": "hh", "%M": "mm", "%S": "ss"}
    for code, word in words.items():
        form = form.replace(code, word)
    return form
