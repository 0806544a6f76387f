"""Times that stand across the header, where a table must have its sensors."""

import re
from collections.abc import Callable, Sequence

from dynst.data.importers.columns.first_cells import Columns, quoted
from dynst.data.importers.columns.stamps import Stamps
from dynst.data.importers.columns.words import calendar_field, is_season_name, words_of
from dynst.errors import DataError

__all__ = ["refuse_seasons", "refuse_spread_times"]


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


MONTHS = (
    _set("jan january januar janvier enero ene janv"),
    _set("feb february februar fevrier février febrero fev fév févr"),
    _set("mar march märz maerz mars marzo mrz mär"),
    _set("apr april avril abril abr avr"),
    _set("may mai mayo"),
    _set("jun june juni juin junio"),
    _set("jul july juli juillet julio juil"),
    _set("aug august août aout agosto ago aoû"),
    _set("sep september septembre septiembre sept"),
    _set("oct october oktober octobre octubre okt"),
    _set("nov november novembre noviembre"),
    _set("dec december dezember décembre decembre diciembre dez dic déc"),
)
DAYS = (
    _set("mon monday mo montag lun lundi lunes"),
    _set("tue tuesday di dienstag mar mardi martes tues"),
    _set("wed wednesday mi mittwoch mer mercredi miercoles"),
    _set("thu thursday do donnerstag jeu jeudi jueves thur thurs"),
    _set("fri friday fr freitag ven vendredi viernes"),
    _set("sat saturday sa samstag sam samedi sabado"),
    _set("sun sunday so sonntag dim dimanche domingo"),
)
CLOCK = re.compile(r"[0-2]?\d[:h][0-5]\d(?::[0-5]\d)?(?:\s*[ap]m)?(?:\s*[-–]\s*[0-9:h]+)?", re.I)
YEAR = r"(?:18|19|20)\d\d"
DATE = re.compile(
    rf"(?:{YEAR}[-/.][01]?\d[-/.][0-3]?\d|[0-3]?\d[-/.][0-3]?\d[-/.]{YEAR})(?:[ T_]\d.*)?"
)
PERIOD = re.compile(rf"{YEAR}(?:[-/.][01]\d|[01]\d[0-3]\d|[-_ ]?[QMW]\d{{1,2}})", re.I)
HOUR = re.compile(r"(?:h|hr|hour|hora|std|stunde|he|hh|uhr)[ _.-]?(\d{1,2})", re.I)
HOURS = (set(range(24)), set(range(1, 25)))
LEAST = 3  # columns that may be consecutive years


def refuse_spread_times(columns: Columns, stamps: Stamps | None) -> None:
    """Refuse a header of months, hours, dates or years, each of which would become a sensor.

    Raises:
        DataError: the header holds times.
    """
    used = stamps.columns if stamps else []
    names = [name for name in columns.names if name not in used]
    tests: tuple[tuple[str, Callable[[], list[str]]], ...] = (
        ("months", lambda: _all_of(names, MONTHS)),
        ("days of the week", lambda: _all_of(names, DAYS)),
        ("times of the day", lambda: _most(names, CLOCK)),
        ("dates", lambda: _most(names, DATE)),
        ("dates", lambda: [] if stamps else _most(names, PERIOD)),
        ("hours", lambda: [] if _clocked(columns, stamps) else _hours(names)),
        ("years", lambda: [] if stamps else _years(columns, names)),
        ("months", lambda: _numbered_months(columns, stamps, names)),
        ("hours", lambda: _numbered_hours(columns, stamps, names)),
    )
    for what, find in tests:
        if found := find():
            raise _refusal(columns, what, found)


def refuse_seasons(columns: Columns, stamps: Stamps) -> None:
    """Refuse years that repeat beside a season, a quarter or a week, which is the rest of the time.

    Raises:
        DataError: there is such a column.
    """
    alone = stamps.alone
    if alone is None or calendar_field(alone) != "year":
        return
    rest = [name for name in columns.names if is_season_name(name)]
    if rest and not columns.cells(alone).texts.is_unique and not columns.options.time_columns:
        raise DataError(
            f"{columns.table.path}: '{rest[0]}' beside '{alone}' is a part of the time that cannot "
            f"be read; write the first day of each as one date, such as 2024-03-01, and name that "
            f"column with --time-column"
        )


def _refusal(columns: Columns, what: str, found: Sequence[str]) -> DataError:
    numbered = all(name.isdigit() for name in found)
    may, names = ("may be", " (or rename the sensors, such as s1)") if numbered else ("are", "")
    return DataError(
        f"{columns.table.path}: the header must name sensors, but {quoted(found)} {may} {what}; "
        f"write one row a time, such as with pandas.melt, and one column for the full time{names}"
    )


def _all_of(names: Sequence[str], parts: Sequence[frozenset[str]]) -> list[str]:
    """Columns named as one of the parts, perhaps with a number, if there is one for each."""
    found: dict[str, set[int]] = {}
    for name in names:
        words = [word for word in words_of(name) if not word.isdigit()]
        places = {place for place, known in enumerate(parts) if words and words[0] in known}
        if len(words) == 1 and places:
            found[name] = places
    return list(found) if set().union(*found.values()) == set(range(len(parts))) else []


def _most(names: Sequence[str], form: re.Pattern[str]) -> list[str]:
    found = [name for name in names if form.fullmatch(name.strip())]
    return found if len(found) > 1 and 2 * len(found) >= len(names) - 1 else []


def _clocked(columns: Columns, stamps: Stamps | None) -> bool:
    """Whether the time of a row has a time of the day, so that hours in the header are names."""
    if stamps is None:
        return False
    alone = stamps.alone
    if alone is None:
        return stamps.clock is not None or bool(stamps.plain)
    cells = columns.cells(alone)
    return cells.clocked or (cells.kind == "number" and not cells.within(1800, 21_001_231))


def _hours(names: Sequence[str]) -> list[str]:
    found = {name: int(match[1]) for name in names if (match := HOUR.fullmatch(name.strip()))}
    numbers = set(found.values())
    return list(found) if any(hours <= numbers for hours in HOURS) else []


def _years(columns: Columns, names: Sequence[str]) -> list[str]:
    """Consecutive years beside a column of texts."""
    found = [name for name in names if re.fullmatch(YEAR, name)]
    numbers = [int(name) for name in found]
    counts = len(found) >= LEAST and numbers == list(range(numbers[0], numbers[0] + len(found)))
    texts = any(columns.cells(name).kind == "text" for name in names if name not in found)
    return found if counts and texts else []


def _numbered_months(columns: Columns, stamps: Stamps | None, names: Sequence[str]) -> list[str]:
    """Columns 1 to 12 beside a year."""
    alone = stamps.alone if stamps else None
    yearly = alone is not None and columns.cells(alone).within(1800, 2100)
    return _exactly(names, [set(range(1, 13))]) if yearly else []


def _numbered_hours(columns: Columns, stamps: Stamps | None, names: Sequence[str]) -> list[str]:
    """Columns 0 to 23 or 1 to 24 beside a date."""
    dated = stamps is not None and not _clocked(columns, stamps)
    return _exactly(names, HOURS) if dated else []


def _exactly(names: Sequence[str], sets: Sequence[set[int]]) -> list[str]:
    found = [name for name in names if name.isdecimal()]
    return found if {int(name) for name in found} in sets else []
