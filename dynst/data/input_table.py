"""The table that a program gives to a model, in the forms in which JSON, CSV and Python hold it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from dynst.errors import DataError

__all__ = ["readings_of", "shown", "table_of"]

NUMERIC = pd.api.types.is_numeric_dtype
MOST_SHOWN = 40  # characters of a cell


def table_of(given: Any) -> pd.DataFrame:
    """A frame, columns by name, or a list of records, as a frame.

    Args:
        given: a frame, ``{name: [cell, …]}`` or ``[{name: cell}, …]``.

    Raises:
        DataError: it is no table, or its columns are of unequal length.

    Example:
        >>> table_of([{"time": "2024-03", "a": 1.5}, {"time": "2024-04"}])["a"].tolist()
        [1.5, nan]
    """
    if isinstance(given, pd.DataFrame):
        return given
    records = isinstance(given, list) and all(isinstance(row, dict) for row in given)
    if not records and not (isinstance(given, dict) and all(map(_is_column, given.values()))):
        raise DataError(
            f"the input must be a table with named columns, one row a step, but is "
            f"{_described(given)}; give columns with a list of cells each, or a list of records"
        )
    try:
        table = pd.DataFrame(given)
    except ValueError as error:
        raise DataError(
            f"the columns of the input must have one cell a row each, but have "
            f"{', '.join(f'{name} {len(cells)}' for name, cells in given.items())}"
        ) from error
    return pd.DataFrame({name: _plain(table[name]) for name in table}, table.index)


def _is_column(cells: Any) -> bool:
    return cells.ndim == 1 if hasattr(cells, "ndim") else isinstance(cells, list | tuple)


def readings_of(table: pd.DataFrame, names: Sequence[str]) -> np.ndarray:
    """Columns of readings as ``[rows, names]`` float32; a cell that is empty is NaN.

    Raises:
        DataError: a cell is no number, or not finite in float32.
    """
    readings = np.empty((len(table), len(names)), np.float32)
    for place, name in enumerate(names):
        numbers = _numbers(table[name], name)
        with np.errstate(over="ignore"):
            readings[:, place] = numbers
        infinite = np.isinf(readings[:, place])
        if infinite.any():
            _refuse(table[name], name, int(infinite.argmax()), "finite")
    return readings


def shown(cell: Any) -> str:
    """A cell in quotes for a message, cut where it is long."""
    text = str(cell)
    return f"'{text}'" if len(text) <= MOST_SHOWN else f"'{text[:MOST_SHOWN]}…'"


def _numbers(cells: pd.Series, name: str) -> np.ndarray:
    if NUMERIC(cells.dtype) and not pd.api.types.is_complex_dtype(cells.dtype):
        return cells.to_numpy(np.float64, na_value=np.nan)
    numbers = np.empty(len(cells))
    for row, cell in enumerate(cells):
        try:
            numbers[row] = _number(cell)
        except (ValueError, TypeError, OverflowError):
            _refuse(cells, name, row, "a number, or empty where it is missing")
    return numbers


def _number(cell: Any) -> float:
    if cell is None or cell is pd.NA or (isinstance(cell, str) and not cell.strip()):
        return float("nan")
    return float(cell)


def _refuse(cells: pd.Series, name: str, row: int, wanted: str) -> None:
    raise DataError(
        f"each reading of '{name}' must be {wanted}, but in row {row + 1} it is "
        f"{shown(cells.iloc[row])}; leave a missing one empty"
    )


def _plain(cells: pd.Series) -> pd.Series:
    """Without arrays of no dimension, which MLflow makes of the cells of a JSON."""
    return cells.map(_value) if cells.dtype == object else cells


def _value(cell: Any) -> Any:
    return cell.item() if isinstance(cell, np.ndarray) and cell.ndim == 0 else cell


def _described(given: Any) -> str:
    return "single values by name" if isinstance(given, dict) else f"a {type(given).__name__}"
