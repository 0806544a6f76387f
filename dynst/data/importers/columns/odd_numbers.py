"""Numbers that are written so that they do not read as numbers."""

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from dynst.data.importers.columns.first_cells import Columns
from dynst.data.importers.tabular.numbers import NumberForm
from dynst.data.importers.text_cells import is_number
from dynst.errors import DataError

__all__ = ["refuse_odd_numbers"]

SPACES = "\u00a0\u2009\u202f"
ODD = re.compile(
    rf"[<>≤≥~≈]?\s?\(?[+\-−–]?\s?(?:\d{{1,3}}(?:[ '’{SPACES}]\d{{3}})+|\d+)?(?:[.,]\d+|\d)?"
    rf"\)?\s?(?:[%‰]|°\s?[CF]?)?"
)
MOST = 0.8  # of a column's cells


def refuse_odd_numbers(columns: Columns, names: Sequence[str]) -> None:
    """Refuse texts such as 10%, −0.5 with a typographic minus, (0.5) or 1 234,5.

    Args:
        columns: of the table.
        names: columns of texts, which are no names of sensors by their header.

    Raises:
        DataError: a column holds such numbers, with the first cell.
    """
    for name in names:
        cells = columns.cells(name)
        if cells.kind == "number":
            continue
        filled = [(row, text) for row, text in enumerate(cells.texts) if text]
        odd = [_odd(text) for _, text in filled]
        numbers = [is_number(text) for _, text in filled]
        if any(odd) and np.mean(np.logical_or(odd, numbers)) >= MOST:
            row, cell = filled[odd.index(True)]
            raise DataError(
                f"{columns.table.path}: '{name}' seems to hold numbers, but '{cell}' in "
                f"{columns.table.row_of(row)} is none{_remedy(columns, name, cell)}"
            )


def _odd(text: str) -> bool:
    return (
        any(sign.isdigit() for sign in text)
        and not is_number(text)
        and ODD.fullmatch(text) is not None
    )


def _remedy(columns: Columns, name: str, cell: str) -> str:
    sign = columns.table.form.decimal
    other = "," if sign == "." else "."
    form = NumberForm("," if sign == "." else ".", True)
    if form.plain(pa.array([cell]))[1][0].as_py():
        return f" with the decimal sign '{sign}'; say --decimal {other} if that is the sign"
    return (
        f"; write numbers such as 1234.5 alone, remove the column, or name it with --sensor-column "
        f"'{name}' if it names sensors"
    )
