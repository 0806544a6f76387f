"""A table on disk as its readers see it."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from dynst.data.importers.report import Finding
from dynst.data.importers.tabular.numbers import NumberForm
from dynst.data.importers.text_cells import is_number
from dynst.errors import DataError

__all__ = ["Table"]

UNIT = r"(?:[%‰*†‡#!?]+|°?[^\W\d_](?:[^\W\d_]|[/²³]){0,5}\d?)"
WITH_UNIT = re.compile(rf"[+-]?[0-9]+(?:[.,][0-9]+)?\s?{UNIT}")  # 290*, 0.25K
MAX_MARKS = 8  # named in a message
NUMERIC = 0.5  # share of cells from which on a column is one of numbers with marks in it


@dataclass(frozen=True, kw_only=True)
class Table(ABC):
    """Columns, first rows, and a way through all of them.

    Args:
        path: of the file.
        columns: names as the file has them; "" for one that has cells, but no name.
        sample: the first rows as texts: blanks around cells are trimmed, missing ones are "", and
            columns of numbers are written with a decimal point.
        raw: the same as the file has them.
        form: of the numbers.
        findings: what is known and was assumed.
        levels: one tuple a column where pandas wrote columns of several levels, such as
            ("s1", "flow"); a column of one level, such as the time, has a tuple of one.
        named: column of names by the user's word, in which NA is a name and does not mean missing.
    """

    path: Path
    columns: tuple[str, ...]
    sample: pd.DataFrame = field(repr=False)
    raw: pd.DataFrame = field(repr=False)
    form: NumberForm
    findings: tuple[Finding, ...] = ()
    levels: tuple[tuple[str, ...], ...] | None = None
    named: str | None = None

    @abstractmethod
    def batches(self, text: set[str], columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        """All rows in bounded parts.

        Args:
            text: columns that come as texts, or as stored; the others come as float64.
            columns: to read; by default all.

        Raises:
            DataError: a cell of a column of numbers is none and does not mean missing, or a row is
                not as wide as the header.
        """

    @property
    def null_texts(self) -> tuple[str, ...]:
        """Texts that mean missing among readings."""
        return self.form.marks

    def row_of(self, index: int) -> str:
        """How a message names a row.

        Args:
            index: of the row in the whole table, from 0; rows of earlier batches count.
        """
        return f"row {index + 1}"

    def is_numeric(self, name: str) -> bool:
        """Whether the first rows of a column are numbers or empty, though some may be marks that
        ``check_readings`` asks about.
        """
        return self._all_numbers(name) or self._fitting(name) > NUMERIC

    def check_readings(self, names: Sequence[str]) -> None:
        """Refuse texts among the first rows of columns of readings.

        Raises:
            DataError: with the first such cell, and all marks that were found.
        """
        names = [name for name in names if not self._all_numbers(name)]
        columns = [(name, pa.array(self.raw[name], pa.string())) for name in names]
        bad = [(name, cells, ~_flags(self.form.plain(cells)[1])) for name, cells in columns]
        self._refuse([entry for entry in bad if entry[2].any()], 0)

    def _all_numbers(self, name: str) -> bool:
        return all(map(is_number, filter(None, self.sample[name])))

    def _fitting(self, name: str) -> float:
        cells = pa.array(self.raw[name], pa.string())
        plain, fits = self.form.plain(cells)
        texts = (~_flags(fits)).sum()
        numbers = len(plain) - plain.null_count
        return float(numbers / max(1, numbers + texts))

    def _numbers(self, columns: dict[str, pa.Array], before: int) -> dict[str, pa.Array]:
        """Texts as float64.

        Args:
            columns: texts by name.
            before: number of rows before these.
        """
        whole = {name: _as_they_are(cells) for name, cells in columns.items()}
        columns = {name: cells for name, cells in columns.items() if whole[name] is None}
        plain = {name: self.form.plain(cells) for name, cells in columns.items()}
        bad = [
            (name, columns[name], ~_flags(fits))
            for name, (_, fits) in plain.items()
            if not _flags(fits).all()
        ]
        self._refuse(bad, before)
        return whole | {name: cells.cast(pa.float64()) for name, (cells, _) in plain.items()}

    def _refuse(self, bad: Sequence[tuple[str, pa.Array, np.ndarray]], before: int) -> None:
        """Refuse cells that are neither numbers nor missing: of each column name, cells, and which
        of them.
        """
        if not bad:
            return
        name, cells, wrong = min(bad, key=lambda entry: int(entry[2].argmax()))
        row = int(wrong.argmax())
        cell = cells[row].as_py().strip()
        marks = dict.fromkeys(
            text.strip()
            for _, column, flags in bad
            for text in column.filter(pa.array(flags)).unique().to_pylist()
        )
        marks = dict.fromkeys([cell, *marks])
        few = wrong.mean() < NUMERIC
        others = _others(list(marks)[1:]) if few else ""
        raise DataError(
            f"{self.path}: every cell of a column of readings must be a number, but column "
            f"'{name}' holds '{cell}' in {self.row_of(before + row)}{others}; "
            f"{self._remedy(list(marks), few=few)}"
        )

    def _remedy(self, marks: list[str], *, few: bool) -> str:
        other = "," if self.form.decimal == "." else "."
        swapped = NumberForm(other, True)  # type: ignore[arg-type]
        if _flags(swapped.plain(pa.array(marks[:1]))[1]).all():
            cell, both = marks[0], NumberForm(self.form.decimal, True)
            if not _flags(both.plain(pa.array([cell]))[1]).all():
                return f"say --decimal {other} if '{other}' is the decimal sign, or mend the cell"
            return (
                f"say --decimal {other} if it is {cell.replace(other, '.')}, or --decimal "
                f"{self.form.decimal} if it is {cell.replace(other, '')}"
            )
        if WITH_UNIT.fullmatch(marks[0]):
            return "write the number alone, without its sign or unit"
        flags = " ".join(f"--missing '{mark}'" for mark in marks[:MAX_MARKS])
        if few:
            return f"say {flags} where that means missing, or mend the cells"
        return "drop the column, or say what it is with --time-column or --sensor-column"


def _as_they_are(cells: pa.Array) -> pa.Array | None:
    """Texts of whole numbers as float64; None where one is something else."""
    if not pc.all(pc.ascii_is_decimal(cells)).as_py():
        return None
    return cells.cast(pa.float64())


def _flags(values: pa.Array) -> np.ndarray:
    flags: np.ndarray = values.to_numpy(zero_copy_only=False).astype(bool)
    return flags


def _others(marks: list[str]) -> str:
    if not marks:
        return ""
    more = ", …" if len(marks) >= MAX_MARKS else ""
    return f" (and there are {', '.join(f'{mark!r}' for mark in marks[: MAX_MARKS - 1])}{more})"
