"""What a cell looks like by itself: a number, a time, a mark of what is missing, or a text."""

import re
from typing import Literal

from dynst.data.importers.tabular.marks import USUAL_MARKS
from dynst.data.importers.text_cells import is_number
from dynst.data.importers.times.texts import shape_of

__all__ = ["Kind", "column_kind", "kind_of"]

Kind = Literal["number", "time", "missing", "text"]
OTHER_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)+", re.ASCII)  # decimal commas, groups
MARKS = frozenset(USUAL_MARKS)
MAX_TIME = 40  # characters


def kind_of(cell: str) -> Kind:
    """Numbers may be written with either decimal sign; times must have a date."""
    if cell in MARKS:
        return "missing"
    if is_number(cell) or OTHER_NUMBER.fullmatch(cell):
        return "time" if cell.count(".") == 2 and shape_of(cell).dates else "number"
    if len(cell) <= MAX_TIME and any(map(str.isdigit, cell)) and shape_of(cell).dates:
        return "time"
    return "text"


def column_kind(cells: list[str]) -> Kind:
    """The kind that all cells of a column have, apart from missing ones; "text" where they
    differ.
    """
    kinds = {kind_of(cell) for cell in cells} - {"missing"}
    if not kinds:
        return "missing"
    return kinds.pop() if len(kinds) == 1 else "text"
