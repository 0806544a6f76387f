"""Dates and clocks as people write them: the shape of one cell as a format of ``strptime``."""

import re
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["Written", "shape_of"]


class _Date(NamedTuple):
    pattern: str
    formats: tuple[str, ...]  # with {0} for what stands between


SHORT = r"(?:[Jj]an|[Ff]eb|[Mm]ar|[Aa]pr|[Mm]ay|[Jj]un|[Jj]ul|[Aa]ug|[Ss]ep|[Oo]ct|[Nn]ov|[Dd]ec)"
SHORT = rf"(?:{SHORT}|JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)"
LONG = r"(?:January|February|March|April|June|July|August|September|October|November|December)"
DATES = (
    _Date(r"\d{4}([-/.])\d{1,2}\1\d{1,2}", ("%Y{0}%m{0}%d",)),
    _Date(r"\d{1,2}([-/.])\d{1,2}\1\d{4}", ("%d{0}%m{0}%Y", "%m{0}%d{0}%Y")),
    _Date(r"\d{1,2}([-/.])\d{1,2}\1\d{2}", ("%d{0}%m{0}%y", "%m{0}%d{0}%y", "%y{0}%m{0}%d")),
    _Date(r"\d{8}", ("%Y%m%d",)),
    _Date(rf"\d{{1,2}}([- .]?){SHORT}\1\d{{4}}", ("%d{0}%b{0}%Y",)),
    _Date(rf"\d{{1,2}}([- .]?){LONG}\1\d{{4}}", ("%d{0}%B{0}%Y",)),
    _Date(rf"\d{{1,2}}(-){SHORT}-\d{{2}}", ("%d-%b-%y",)),
    _Date(rf"{SHORT} \d{{1,2}}(,? )\d{{4}}", ("%b %d{0}%Y",)),
    _Date(rf"{LONG} \d{{1,2}}(,? )\d{{4}}", ("%B %d{0}%Y",)),
    _Date(rf"\d{{4}}([- /]){SHORT}\1\d{{1,2}}", ("%Y{0}%b{0}%d",)),
    _Date(r"\d{4}-?W\d{2}(-?)\d", ("%G-W%V{0}%u",)),
    _Date(r"\d{4}([-/.])(?:0[1-9]|1[0-2])", ("%Y{0}%m",)),
    _Date(r"(?:0[1-9]|1[0-2])([-/.])\d{4}", ("%m{0}%Y",)),
    _Date(rf"{SHORT}([- ])\d{{4}}", ("%b{0}%Y",)),
    _Date(rf"{LONG}([- ])\d{{4}}", ("%B{0}%Y",)),
    _Date(r"\d{4}([- ]?)[Qq][1-4]", ("%Y{0}Q%q",)),
    _Date(r"\d{4}-\d{3}()", ("%Y-%j",)),
)
CLOCK = r"(?P<hour>\d{1,2}):\d{2}(?P<second>:\d{2})?(?P<part>[.,]\d{1,9})?(?P<half> ?[AaPp][Mm])?"
ZONE = r"(?P<gap> ?)(?P<zone>Z|[+-]\d{2}(?::?\d{2})?|[A-Z]{3,5})"
WEEKDAY = re.compile(r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? ")
CLOCKED = re.compile(
    rf"(?P<date>.*?)(?P<sep>T|_(?=\d\d:)| +)"
    rf"(?:{CLOCK}|(?P<compact>\d{{4}}|\d{{6}})|(?P<lone>\d{{1,2}}))"
    rf"(?:{ZONE})?"
)
ALONE = re.compile(rf"{CLOCK}(?:{ZONE})?")
NO_YEAR = re.compile(
    rf"\d{{1,2}}[-/.]\d{{1,2}}\.?|\d{{1,2}}[- ]?(?:{SHORT}|{LONG})|(?:{SHORT}|{LONG})[- ]?\d{{1,2}}"
)


@dataclass(frozen=True)
class Written:
    """How a time is written.

    Args:
        dates: formats of the date that it may have; several where the order of day, month and year
            is open.
        clock: format of the rest, with what separates it from the date; "" for a date alone.
        zone: "%z" for an offset, a name such as "EST", or "".
        weekday: format of what stands before the date.
        fault: what is missing to a time, or "".
    """

    dates: tuple[str, ...] = ()
    clock: str = ""
    zone: str = ""
    gap: str = ""
    weekday: str = ""
    fault: str = ""

    def format(self, date: str) -> str:
        """The whole format with one of ``dates``."""
        return f"{self.weekday}{date}{self.clock}{self.gap}{self.zone}"


def shape_of(cell: str) -> Written:
    """The shape of a cell; without ``dates`` where it is no time."""
    text, weekday = cell.strip(), ""
    if found := WEEKDAY.match(text):
        day = found[0]
        name = "%a" if len(day.rstrip(", ")) == 3 else "%A"
        weekday, text = name + day[len(day.rstrip(", ")) :], text[found.end() :]
    if ALONE.fullmatch(text):
        return Written(fault="has no date")
    date, clock, gap, zone = text, "", "", ""
    if (found := CLOCKED.fullmatch(text)) and not re.fullmatch(r"\d{1,2}", found["date"]):
        if formats := _dates(found["date"]):
            return Written(
                formats,
                found["sep"] + _clock(found),
                _zone(found["zone"]),
                found["gap"] or "",
                weekday,
            )
        if NO_YEAR.fullmatch(found["date"].strip()) and not _dates(text):
            return Written(fault="has no year")
    found = re.fullmatch(rf"(?P<date>.*?){ZONE}", text)
    if found and _dates(found["date"]) and not _dates(text):
        date, gap, zone = found["date"], found["gap"], _zone(found["zone"])
    if formats := _dates(date):
        return Written(formats, clock, zone, gap, weekday)
    return Written(fault="has no year" if NO_YEAR.fullmatch(text) else "")


def _dates(text: str) -> tuple[str, ...]:
    for pattern, formats in DATES:
        if found := re.fullmatch(pattern, text):
            between = found[1] if found.groups() else ""
            return tuple(name.format(between) for name in formats)
    return ()


def _clock(found: re.Match[str]) -> str:
    if found["compact"]:
        return "%H%M" if len(found["compact"]) == 4 else "%H%M%S"
    if found["lone"]:
        return "%H"
    half = found["half"] or ""
    return (
        ("%I" if half else "%H")
        + ":%M"
        + (":%S" if found["second"] else "")
        + (found["part"][0] + "%f" if found["part"] else "")
        + (half[:-2] + "%p" if half else "")
    )


def _zone(text: str | None) -> str:
    if not text:
        return ""
    return "%z" if text == "Z" or text[0] in "+-" else text
