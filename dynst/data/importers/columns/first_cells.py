"""Columns of a table by their names and their first cells."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd

from dynst.data.importers.source import ReadOptions
from dynst.data.importers.tabular.table import Table
from dynst.data.importers.text_cells import is_number
from dynst.data.importers.times.texts import shape_of

__all__ = [
    "Cells",
    "Columns",
    "counts_up",
    "quoted",
    "text_of",
]

Kind = Literal["empty", "number", "date", "clock", "yearless", "text"]
MOST = 0.8  # of the cells of a column of times must be times
SHOWN = 6  # names in a message


@dataclass(frozen=True)
class Cells:
    """The first cells of a column.

    Args:
        kind: of most of them: "clock" is a time of the day, "yearless" a date without its year.
        texts: ``[N]`` all of them, "" where missing.
        clocked: whether a date has a time of the day in some cell.
    """

    kind: Kind
    texts: pd.Series
    clocked: bool = False

    @cached_property
    def numbers(self) -> np.ndarray:
        """Those that are numbers, as float64."""
        return np.array([float(text) for text in self.texts if text and is_number(text)], float)

    @property
    def whole(self) -> bool:
        """Whether all that are there are whole numbers."""
        return self.kind == "number" and bool(np.all(self.numbers == np.floor(self.numbers)))

    def within(self, low: float, high: float) -> bool:
        """Whether all are whole numbers from ``low`` to ``high``."""
        numbers = self.numbers
        return self.whole and bool(numbers.min() >= low and numbers.max() <= high)


@dataclass(frozen=True)
class Columns:
    """The columns of a table, each looked at once.

    Args:
        table: whose first rows are looked at.
        options: what the user says of missing cells.
    """

    table: Table
    options: ReadOptions
    _found: dict[str, Cells] = field(default_factory=dict, repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        return self.table.columns

    def cells(self, name: str) -> Cells:
        """The first cells of a column."""
        if name not in self._found:
            texts = pd.Series([cell or "" for cell in self.table.sample[name]], dtype=object)
            self._found[name] = _look(texts, number=self.table.is_numeric(name))
        return self._found[name]

    def of_kind(self, *kinds: Kind) -> list[str]:
        """Names of the columns whose cells are of one of the kinds."""
        return [name for name in self.names if self.cells(name).kind in kinds]


def text_of(column: pd.Series) -> pd.Series:
    """Cells as texts without blanks around them, None where missing."""
    texts = column.astype(object).where(column.notna(), None)
    return texts.map(lambda cell: cell if cell is None else str(cell).strip())


def counts_up(numbers: np.ndarray) -> bool:
    """Whether each is one more than the one before it."""
    return len(numbers) > 1 and bool(np.all(np.diff(numbers) == 1))


def quoted(names: Iterable[str]) -> str:
    """Names in a message, the first of many."""
    names = list(names)
    shown = ", ".join(f"'{name}'" if name else "the one without a name" for name in names[:SHOWN])
    return shown + (", …" if len(names) > SHOWN else "")


def _look(texts: pd.Series, *, number: bool) -> Cells:
    filled = {text for text in texts if text}
    if not filled:
        return Cells("empty", texts)
    if number:
        return Cells("number", texts)
    shapes = [shape_of(text) for text in filled]
    if np.mean([bool(shape.dates) for shape in shapes]) >= MOST:
        return Cells("date", texts, any(shape.clock for shape in shapes))
    for fault, kind in (("has no date", "clock"), ("has no year", "yearless")):
        if np.mean([shape.fault == fault for shape in shapes]) >= MOST:
            return Cells(kind, texts)  # type: ignore[arg-type]
    return Cells("text", texts)
