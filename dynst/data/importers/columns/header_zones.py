"""The time zone that the name of a column of times gives."""

import re

from dynst.data.importers.columns.words import words_of

__all__ = ["UNREADABLE", "header_zone"]

UNREADABLE = "?"
NAMED = re.compile(r"(?<!Etc/)\b(?:UTC|GMT)(?![\w/])(?P<rest>(?:[^()\[\]{};,]|,\d)*)")
OFFSET = re.compile(
    r"\s*(?:offset)?\s*[:=]?\s*(?P<sign>[+-])\s*(?P<hours>\d{1,2})"
    r"(?::?(?P<minutes>\d{2})|[.,](?P<part>\d+))?\s*(?:h|hours?|hrs?)?\s*",
    re.IGNORECASE,
)
DASHES = str.maketrans("−–—‒‐‑", "------")
DOUBTFUL = re.compile(r"[\d+=]|-\s*\d|\b(?:plus|minus|offset|local)\b", re.IGNORECASE)


def header_zone(name: str) -> str | None:
    """The zone that a header such as ``Time (UTC)`` or ``GMT+1`` names.

    ``UNREADABLE`` where it names one in words or signs that are not understood.
    """
    found = NAMED.search(name.translate(DASHES))
    if not found:
        words = words_of(name)
        return "UTC" if words[-1:] == ("utc",) and len(words) > 1 else None
    rest = found["rest"]
    if offset := OFFSET.fullmatch(rest):
        return _offset(offset)
    return UNREADABLE if DOUBTFUL.search(rest) else "UTC"


def _offset(found: re.Match[str]) -> str:
    part = float(f"0.{found['part']}") * 60 if found["part"] else 0
    hours, minutes = int(found["hours"]), int(found["minutes"] or 0) + part
    if hours > 14 or minutes >= 60 or minutes != int(minutes):
        return UNREADABLE
    if hours == minutes == 0:
        return "UTC"
    return f"{found['sign']}{hours:02d}:{int(minutes):02d}"
