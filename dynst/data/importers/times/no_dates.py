"""Why a cell that is written as a date is none: a month or an hour that the calendar lacks."""

import re
from calendar import month_name, monthrange

from dynst.data.importers.times.bad_cells import BadCell

__all__ = ["no_date", "why_no_date"]

CODES = {
    "%Y": r"(?P<Y>\d{4})",
    "%y": r"(?P<y>\d{2})",
    "%m": r"(?P<m>\d{1,2})",
    "%d": r"(?P<d>\d{1,2})",
    "%H": r"(?P<H>\d{1,2})",
    "%M": r"(?P<M>\d{1,2})",
    "%S": r"(?P<S>\d{1,2})",
    "%z": r"(?:Z|[+-]\d{2}:?\d{2})",
}
MISPLACED = "its month would be"
LIMITS = {"H": (23, "hour"), "M": (59, "minute"), "S": (59, "second")}


def why_no_date(text: str, form: str) -> str:
    """What the calendar or the clock lacks, such as "June has 30 days"; "" if that is not why.

    Args:
        text: of the cell.
        form: in which it is written, as ``strptime`` has it.
    """
    pattern = re.escape(form)
    for code, digits in CODES.items():
        pattern = pattern.replace(re.escape(code), digits, 1)
    found = re.fullmatch(pattern, text)
    if not found:
        return ""
    part = {name: int(value) for name, value in found.groupdict().items()}
    if not 1 <= part.get("m", 1) <= 12:
        return f"{MISPLACED} {part['m']}"
    if "m" in part and "d" in part:
        return _day(part)
    return _clock(part)


def _day(part: dict[str, int]) -> str:
    year = part.get("Y") or 2000 + part.get("y", 0)
    days = monthrange(year, part["m"])[1]
    if 1 <= part["d"] <= days:
        return _clock(part)
    of_year = f" {year}" if part["m"] == 2 else ""
    return f"{month_name[part['m']]}{of_year} has {days} days"


def _clock(part: dict[str, int]) -> str:
    for name, (most, unit) in LIMITS.items():
        if part.get(name, 0) > most:
            return f"its {unit} is {part[name]}"
    return ""


def no_date(cell: object, why: str, place: int, order: str = "") -> BadCell:
    """A cell that is written as the others, but means no day or no time of day.

    Args:
        cell: its text.
        why: as ``why_no_date`` has it.
        place: its place among the cells.
        order: what to do where day and month may be the other way round.
    """
    other = f", or {order} if its order is another" if order and MISPLACED in why else ""
    return BadCell("times must be dates, but", cell, f" is none: {why}; mend it{other}", place)
