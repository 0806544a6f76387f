"""Square matrices of text, with names of the sensors above, beside, or without."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from dynst.data.importers.graphs.edge_columns import has_ends
from dynst.data.importers.graphs.matrices import Matrix
from dynst.data.importers.names import SensorNames, tidy
from dynst.data.importers.small_tables import UTF8, Head, read_cells
from dynst.data.importers.text_cells import is_number
from dynst.errors import DataError, in_one_line

__all__ = ["is_matrix", "read_text_matrix"]

MOST_EDGE_COLUMNS = 4  # a wider table whose header names no ends is a matrix


def is_matrix(path: Path, head: Head, names: SensorNames) -> bool:
    """Whether a table of text is a matrix rather than a list of edges.

    Raises:
        DataError: a table of two or three sensors may be both.
    """
    if has_ends(head.first) and not names.find(filter(None, head.first), "").complete:
        return False
    if head.width > MOST_EDGE_COLUMNS:
        return True
    table = read_cells(path, head, named_rows=True)
    size = table.shape[1]
    if _has_names(table, names):
        if _numbered_names(table, names):
            raise _undecided(path)
        return True
    if len(table) != size or not _numbers(table):
        return False
    if size != len(names):
        return size > 3 or not _whole(table.iloc[:, :2])
    if _may_be_edges(table, names):
        raise _undecided(path)
    return True


def _has_names(table: pd.DataFrame, names: SensorNames) -> bool:
    """Whether numbers have sensors above them, or the same names above and beside."""
    size, above, body = table.shape[1], table.iloc[0], table.iloc[1:]
    if len(table) == size - 1 > 1 and _numbers(table.iloc[:, 1:]):  # names beside alone
        first, second = (names.find(table[column], "") for column in (0, 1))
        return first.complete and not second.complete
    if len(body) == size and _numbers(body):
        if above.map(is_number).all():
            return _covers(above, names)
        return bool((names.find(above, "").index >= 0).any())
    if len(body) != size - 1 or size < 3 or not _numbers(body.iloc[:, 1:]):
        return False
    shorter = above[size - 1] == "" != above[0]  # R writes no cell above the names beside
    listed = above[: size - 1] if shorter else above[1:]
    if is_number(above[0]) and not _covers(listed, names):
        return False
    same = set(listed.map(tidy)) == set(body[0].map(tidy))
    return same or bool((names.find(body[0], "").index >= 0).any())


def _covers(cells: pd.Series, names: SensorNames) -> bool:
    """Whether every sensor is among the cells."""
    return set(range(len(names))) <= set(names.find(cells, "").index.tolist())


def _numbered_names(table: pd.DataFrame, names: SensorNames) -> bool:
    """Whether the numbers above a matrix may be an edge, or number the columns of a list."""
    if table.iloc[0].map(is_number).all():
        return _may_be_edges(table, names)
    inner = table.iloc[1:, 1:].set_axis(range(table.shape[1] - 1), axis=1)
    counted = list(table.iloc[0, 1:]) == [str(index) for index in range(inner.shape[1])]
    return counted and table.iloc[0, 0] == "" and _may_be_edges(inner, names)


def _undecided(path: Path) -> DataError:
    return DataError(
        f"{path} may be a matrix or a list of edges; give it a header line from, to, weight, or "
        f"the sensors' names above and beside"
    )


def _numbers(table: pd.DataFrame) -> bool:
    return bool(len(table)) and bool(table.map(is_number).all(axis=None))


def _whole(table: pd.DataFrame) -> bool:
    """Whether all numbers are whole, as nodes are."""
    return bool((table.astype(float) % 1 == 0).all(axis=None))


def _may_be_edges(table: pd.DataFrame, names: SensorNames) -> bool:
    """Whether two or three columns may be the ends and the weight of edges."""
    if table.shape[1] not in (2, 3):
        return False
    ends = pd.concat([table[0], table[1]])
    return names.find(ends, "").complete or ends.isin([str(n) for n in range(len(names))]).all()


def read_text_matrix(path: Path, head: Head, names: SensorNames) -> Matrix:
    """Numbers with the names above and beside them.

    Args:
        path: the file.
        head: how it begins.
        names: of the sensors, which tell names that are numbers from entries.

    Raises:
        DataError: a cell holds no number.
    """
    first = head.first
    named_above = not all(map(is_number, first[1:-1] if first[-1] == "" else first[1:]))
    named_above |= len(first) < len(head.second)
    body = _body(path, head, skip=int(named_above))
    if body.shape[1] > 1 and _blank(body.iloc[:, -1]) and first[-1] == "":
        body, first = body.iloc[:, :-1], first[:-1]
    numbered_above = not named_above and _names_are_numbers(first, body.shape, names)
    body = body.iloc[1:] if numbered_above else body
    width = body.shape[1]
    beside = len(body) == width - 1
    if len(body) != width - beside:
        raise DataError(
            f"{path} must be a list of edges with columns from, to and a weight, or a square "
            f"matrix, but has {width} columns and {len(body)} rows; bring one of both"
        )
    above = first[1:] if beside and len(first) == width else first
    header = named_above or numbered_above
    values = _values(path, body.iloc[:, 1:] if beside else body, int(header))
    rows = tuple(body[0].astype(str)) if beside else ()
    return Matrix(values, rows, above if header else ())


def _names_are_numbers(first: Sequence[str], shape: tuple[int, int], names: SensorNames) -> bool:
    """Whether the first of a table's lines of numbers names the sensors.

    It does in a table that has a line more than columns, or has a corner without a number; with a
    number in the corner, if the numbers are the sensors.
    """
    rows, width = shape
    if rows != width:
        return rows == width + 1
    if not is_number(first[0]):
        return True
    ids = set(first[1:])
    return len(ids) == len(names) == width - 1 and names.find(ids, "").complete


def _body(path: Path, head: Head, skip: int) -> pd.DataFrame:
    try:
        return pd.read_csv(
            path,
            sep=head.separator,
            header=None,
            names=list(range(head.width)),
            index_col=False,
            skiprows=skip,
            dtype={0: str},
            keep_default_na=False,
            encoding=UTF8.with_mark,
            low_memory=False,
        )
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} must be a matrix whose lines have {head.width} cells, but one is not "
            f"({in_one_line(error)}); mend that line"
        ) from error


def _blank(column: pd.Series) -> bool:
    return bool((column.isna() | column.eq("")).all())


def _values(path: Path, cells: pd.DataFrame, lines_above: int) -> np.ndarray:
    numbers = cells.apply(pd.to_numeric, errors="coerce")
    bad = np.argwhere(numbers.isna().to_numpy())
    if len(bad):
        row, column = bad[0]
        cell = cells.iloc[row, column]
        held = "nothing" if pd.isna(cell) or cell == "" else f"'{cell}'"
        raise DataError(
            f"{path}: every entry of the matrix must be a number with a decimal point, but line "
            f"{row + lines_above + 1}, column {cells.columns[column] + 1} holds {held}; write 0 "
            f"or, among distances, inf for no edge"
        )
    values: np.ndarray = numbers.to_numpy(float)
    return values
