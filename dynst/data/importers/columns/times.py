"""Which columns of a table are its time."""

import numpy as np

from dynst.data.importers.columns.clocks import (
    RANGES,
    ClockForm,
    ClockPart,
    DatePart,
)
from dynst.data.importers.columns.first_cells import Columns, quoted
from dynst.data.importers.columns.header_zones import header_zone
from dynst.data.importers.columns.influx import INFLUX_TIME, is_influx
from dynst.data.importers.columns.stamps import Stamps
from dynst.data.importers.columns.words import (
    BEGINS,
    CLOCKS,
    ENDS,
    TIMES,
    CalendarField,
    calendar_field,
    is_clock_name,
    is_placeholder,
    is_time_name,
    words_of,
)
from dynst.data.importers.report import Finding, assumed
from dynst.data.importers.source import ReadOptions
from dynst.data.importers.times.numbers import decide_numbers
from dynst.errors import DataError

__all__ = ["find_stamps"]

CALENDAR: tuple[CalendarField, ...] = ("year", "month", "day")
YEARDAY: tuple[CalendarField, ...] = ("year", "yearday")
CLOCK: tuple[CalendarField, ...] = ("hour", "minute", "second")
COMPACT_DATES = ("%Y%m%d", "%Y%m", "%Y%m%d%H", "%Y%m%d%H%M", "%Y%m%d%H%M%S")


def find_stamps(columns: Columns) -> Stamps | None:
    """The columns that together give the time; None where there are none.

    The user's word goes first; else dates by their cells, with a clock beside them; else columns of
    year, month and day; else numbers with a name for time.

    Raises:
        DataError: there is no column of a name that the user gave, or several columns may be the
            time.
    """
    if columns.options.time_columns:
        return _given(columns)
    if is_influx(columns.names):
        return Stamps(DatePart(column=INFLUX_TIME))
    if (dates := columns.of_kind("date")) or (dates := _compact_dates(columns)):
        date, findings = _choose(columns, dates)
        return _with_clock(columns, DatePart(column=date), findings)
    fields = _calendar(columns)
    if fields.get("year") and ("month" in fields or "yearday" in fields):
        return _with_clock(columns, _date_fields(fields), ())
    numbers = [name for name in columns.of_kind("number") if is_time_name(name)]
    if numbers:
        date, findings = _choose(columns, numbers)
        return Stamps(DatePart(column=date), findings=findings)
    if fields.get("year") and columns.cells(fields["year"]).within(1800, 2100):
        return Stamps(DatePart(column=fields["year"]))
    broken = [name for name in columns.of_kind("clock", "yearless") if _leads(columns, name)]
    if broken:
        return Stamps(DatePart(column=broken[0]))
    _refuse_unnamed_epochs(columns)
    return None


def _given(columns: Columns) -> Stamps:
    names = columns.options.time_columns
    columns.options.apply("time_columns")
    absent = [name for name in names if name not in columns.names]
    if absent:
        raise DataError(
            f"{columns.table.path} has no column '{absent[0]}' for the time; its columns are "
            f"{quoted(columns.names)}"
        )
    if columns.options.time_format is not None or len(names) == 1:
        if len(names) == 1:
            return Stamps(DatePart(column=names[0]))
        return Stamps(DatePart(column=names[0]), plain=names)
    fields = {part: name for name in names if (part := calendar_field(name))}
    if "year" in fields and len(fields) == len(names):
        clock = ClockPart(fields=_clock_fields(fields)) if "hour" in fields else None
        return Stamps(_date_fields(fields), clock)
    if len(names) == 2 and (form := _clock_form(columns, names[1])):
        return Stamps(DatePart(column=names[0]), ClockPart(column=names[1], form=form))
    return Stamps(DatePart(column=names[0]), plain=names)


def _compact_dates(columns: Columns) -> list[str]:
    """Numbers with a name for time that are dates without a clock, such as 20240301."""
    return [
        name
        for name in columns.of_kind("number")
        if is_time_name(name) and _number_form(columns, name) == "%Y%m%d"
    ]


def _number_form(columns: Columns, name: str) -> str | None:
    """How numbers count time; None where they do not."""
    try:
        return decide_numbers(columns.cells(name).numbers, ReadOptions(), name).form
    except DataError:
        return None


def _choose(columns: Columns, names: list[str]) -> tuple[str, tuple[Finding, ...]]:
    """One of several columns that may be the time."""
    ranked = sorted(names, key=lambda name: _rank(columns, name))
    best = [name for name in names if _rank(columns, name) == _rank(columns, ranked[0])]
    if len(best) > 1:
        begins = [name for name in best if BEGINS.intersection(words_of(name))]
        ends = [name for name in best if ENDS.intersection(words_of(name))]
        in_utc = [name for name in best if header_zone(name) or "utc" in words_of(name)]
        best = begins if begins and ends else in_utc or best
    if len(best) > 1 and not _same(columns, best):
        raise DataError(
            f"{columns.table.path}: {quoted(best)} may each be the time; name the right one with "
            f"--time-column"
        )
    others = [name for name in names if name != best[0]]
    if not others:
        return best[0], ()
    text = f"'{best[0]}' is the time, and {quoted(others)} of no use"
    return best[0], (assumed(text, "--time-column names another"),)


def _rank(columns: Columns, name: str) -> tuple[bool, bool, bool, int]:
    cells = columns.cells(name)
    if cells.kind == "number":
        form = _number_form(columns, name)
        return form is None, form == "count", not is_time_name(name), 0
    words = words_of(name)
    exact = is_time_name(name) or is_placeholder(name)
    near = any(core in word for word in words for core in ("time", "date", "zeit"))
    constant = cells.texts.nunique() == 1 and len(cells.texts) > 1
    return constant, not cells.clocked, not exact, 0 if exact or near else 1


def _same(columns: Columns, names: list[str]) -> bool:
    first = columns.cells(names[0]).texts
    return all(columns.cells(name).texts.equals(first) for name in names[1:])


def _with_clock(columns: Columns, date: DatePart, findings: tuple[Finding, ...]) -> Stamps:
    if date.column is not None and columns.cells(date.column).clocked:
        return Stamps(date, findings=findings)
    clock = _clock(columns, date)
    if clock is None:
        named = () if date.column is not None else (_from(date.columns),)
        return Stamps(date, findings=(*findings, *named))
    hours = ", an hour of 24 is the next midnight" if clock.form != "text" or clock.fields else ""
    found = assumed(
        f"a time is put together from {quoted((*date.columns, *clock.columns))}{hours}",
        "--time-column names other columns",
    )
    return Stamps(date, clock, (*findings, found))


def _from(names: tuple[str, ...]) -> Finding:
    return assumed(
        f"a time is put together from {quoted(names)}", "--time-column names other columns"
    )


def _clock(columns: Columns, date: DatePart) -> ClockPart | None:
    """The clock beside a date, if there is one."""
    rest = sorted(
        (name for name in columns.names if name not in date.columns),
        key=lambda name: _distance(columns, name, date.columns[0]),
    )
    for name in rest:
        if columns.cells(name).kind == "clock" and _is_clock(columns, name, date):
            return ClockPart(column=name)
    fields = _calendar(columns)
    if "hour" in fields:
        return ClockPart(fields=_clock_fields(fields))
    for name in rest:
        if is_clock_name(name):
            form = _clock_form(columns, name)
            if form is not None:
                return ClockPart(column=name, form=form)
    return None


def _distance(columns: Columns, name: str, date: str) -> tuple[bool, bool, int]:
    """Smaller for a clock that is more surely that of a date, as of the same zone."""
    zone = header_zone(name) != header_zone(date)
    words = set(words_of(date)) - TIMES
    places = columns.names.index(name) - columns.names.index(date)
    return zone, not words <= set(words_of(name)), abs(places - 1)


def _is_clock(columns: Columns, name: str, date: DatePart) -> bool:
    """A column of clocks such as a sunrise is none where dates alone tell the rows apart."""
    if CLOCKS.intersection(words_of(name)) or date.column is None:
        return True
    return not columns.cells(date.column).texts.is_unique


def _clock_form(columns: Columns, name: str) -> ClockForm | None:
    """How a column writes the time of the day; None where it does not."""
    cells = columns.cells(name)
    if cells.kind == "clock":
        return "text"
    if cells.kind != "number":
        return None
    lengths = set(cells.texts[cells.texts != ""].str.len())
    if lengths == {6} or (cells.within(0, 240_000) and cells.numbers.max() > 2400):
        return "hhmmss" if _clocks(cells.numbers // 100) else None
    if lengths == {4} or cells.numbers.max() > 24 or "hhmm" in words_of(name):
        return "hhmm" if cells.within(0, 2400) and _clocks(cells.numbers) else None
    return "hours" if cells.within(0, 24) else None


def _clocks(numbers: np.ndarray) -> bool:
    return bool(np.all(numbers % 100 < 60) and np.all(numbers // 100 <= 24))


def _calendar(columns: Columns) -> dict[CalendarField, str]:
    """Columns named as parts of a date or clock, and within its range."""
    found: dict[CalendarField, str] = {}
    for name in columns.of_kind("number"):
        part = calendar_field(name)
        if part == "month" and part in found and name == "mm":
            part = "minute"  # as buoys have it: YY MM DD hh mm
        if part and part not in found and columns.cells(name).within(*RANGES[part]):
            found[part] = name
    return found


def _date_fields(fields: dict[CalendarField, str]) -> DatePart:
    parts = YEARDAY if "month" not in fields else CALENDAR
    return DatePart(fields={part: fields[part] for part in parts if part in fields})


def _clock_fields(fields: dict[CalendarField, str]) -> dict[CalendarField, str]:
    return {part: fields[part] for part in CLOCK if part in fields}


def _leads(columns: Columns, name: str) -> bool:
    return name == columns.names[0] or is_time_name(name)


def _refuse_unnamed_epochs(columns: Columns) -> None:
    """A column that counts up through moments of our time is hardly one of readings."""
    if columns.options.start is not None:
        return
    for name in columns.of_kind("number"):
        cells = columns.cells(name)
        numbers = cells.numbers
        if not (cells.whole and len(numbers) > 2 and len(np.unique(np.diff(numbers))) == 1):
            continue
        form = _number_form(columns, name)
        if numbers[1] > numbers[0] and form not in {None, "count", "%Y"}:
            raise DataError(
                f"{columns.table.path}: '{name}' may be the time ({numbers[0]:.0f}, "
                f"{numbers[1]:.0f}, … would be {_plain(form)}); say so with --time-column "
                f"'{name}', or give the times of the steps with --start and --step"
            )


def _plain(form: str | None) -> str:
    return "dates" if form in COMPACT_DATES else "epochs"
