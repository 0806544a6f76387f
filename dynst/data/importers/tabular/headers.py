"""Whether the first line of a table names its columns, or is a row of readings."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from dynst.data.importers.tabular.cell_kinds import Kind, column_kind, kind_of

__all__ = ["FirstLine", "judge_first_line"]

Cells = Sequence[str]
Reading = Literal["names", "ids", "readings", "either"]
COUNTED = 5  # names that count 0, 1, 2, … are no chance from this many on
WITHIN = 0.9  # of a first line of readings lies within the range of the rows
CHANCE = 1e-3  # that readings are whole numbers in the whole first line
MAX_COLUMNS, MAX_ROWS = 500, 50  # looked at
USUAL_NAMES = frozenset(
    {
        "time",
        "timestamp",
        "date",
        "datetime",
        "datum",
        "zeit",
        "index",
        "day",
        "hour",
        "month",
        "year",
        "sensor",
        "sensor_id",
        "station",
        "station_id",
        "entity_id",
        "id",
        "name",
        "site",
        "location",
        "detector",
        "value",
        "values",
        "parameter",
        "variable",
        "unit",
        "state",
        "lat",
        "lon",
        "latitude",
        "longitude",
    }
)


@dataclass(frozen=True)
class FirstLine:
    """What the first line is.

    Args:
        reading: "names" for sure; "ids" where they are numbers that count or lie far from those
            below; "readings"; or "either" of the two.
        time: the cell of a time in it, which no line of names has; else "".
    """

    reading: Reading
    time: str = ""


def judge_first_line(first: Cells, rows: Sequence[Cells]) -> FirstLine:
    """Compare the first line with the rows below it, which are as wide."""
    width = min(len(first), MAX_COLUMNS)
    columns = [[row[place] for row in rows[:MAX_ROWS]] for place in range(width)]
    kinds = [column_kind(column) for column in columns]
    for cell, kind in zip(first, kinds, strict=False):
        if kind == "time" and kind_of(cell) == "time":
            return FirstLine("readings", cell)
    if any(_names(cell, kind) for cell, kind in zip(first, kinds, strict=False)):
        return FirstLine("names")
    places = [place for place, kind in enumerate(kinds) if kind == "number"]
    numbers = [place for place in places if kind_of(first[place]) == "number"]
    texts = [place for place in places if kind_of(first[place]) == "text"]
    if not numbers or len(texts) >= len(numbers):
        return FirstLine("names")
    found = _of_numbers([first[n] for n in numbers], [columns[n] for n in numbers])
    return FirstLine("either" if texts and found == "readings" else found)


def _names(cell: str, kind: Kind) -> bool:
    """Whether a cell can only be a name above a column of this kind."""
    return kind == "time" or cell.casefold() in USUAL_NAMES


def _of_numbers(first: Cells, columns: list[list[str]]) -> Reading:
    numbers = [_number(cell) for cell in first]
    whole = all(cell.removesuffix(".0").isdigit() for cell in first)
    if not whole or len(set(numbers)) < len(numbers):
        return "readings"
    if _counts(numbers):
        return "ids"
    pointed = any("." in cell for cell in first)
    return "either" if _plausible(numbers, columns, pointed) else "ids"


def _counts(numbers: list[float]) -> bool:
    start = numbers[0]
    expected = [start + place for place in range(len(numbers))]
    return len(numbers) >= COUNTED and start in (0, 1) and numbers == expected


def _plausible(first: list[float], columns: list[list[str]], pointed: bool) -> bool:
    """Whether whole numbers may be readings like those below them.

    Args:
        first: the first line.
        columns: the cells below each of it.
        pointed: whether the first line is written with decimals, such as 12.0.
    """
    cells = [[cell for cell in column if kind_of(cell) == "number"] for column in columns]
    whole = [
        _number(cell).is_integer() if pointed else "." not in cell
        for column in cells
        for cell in column
    ]
    if (sum(whole) / len(whole)) ** len(first) < CHANCE:
        return False
    within = 0
    for number, column in zip(first, cells, strict=True):
        low, high = min(map(_number, column)), max(map(_number, column))
        span = max(high - low, abs(high) / 2)
        within += low - span <= number <= high + span
    return within >= WITHIN * len(first)


def _number(cell: str) -> float:
    try:
        return float(cell.replace(",", "."))
    except ValueError:  # groups of thousands
        return float(re.sub(r"[.,]", "", cell))
