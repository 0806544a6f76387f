"""Delimited text and Parquet as named columns of cells; what the table readers share."""

from pathlib import Path

from dynst.data.importers.source import ReadOptions
from dynst.data.importers.tabular.marks import USUAL_MARKS
from dynst.data.importers.tabular.parquet_table import open_parquet_table
from dynst.data.importers.tabular.table import Table
from dynst.data.importers.tabular.text_opening import open_text_table
from dynst.errors import DataError

__all__ = ["NULLS", "Table", "is_table", "open_rows", "open_table"]

SUFFIXES = {".csv", ".tsv", ".parquet", ".pq"}
PARQUET = {".parquet", ".pq"}
NULLS = USUAL_MARKS


def is_table(path: Path) -> bool:
    name = path.name.removesuffix(".gz")
    return path.is_file() and Path(name).suffix in SUFFIXES


def open_table(
    path: Path,
    options: ReadOptions = ReadOptions(),  # noqa: B008
) -> Table:
    """A table whose first line names its columns.

    Raises:
        DataError: it has no header line with at least two columns, no row below it, or may be read
            in two ways.
    """
    try:
        if path.suffix in PARQUET:
            return open_parquet_table(path, options)
        return open_text_table(path, options)
    except DataError as error:
        raise _of(path, error) from error


def open_rows(path: Path, options: ReadOptions) -> Table:
    """A text file of readings alone, with or without sensor ids in its first line.

    Raises:
        DataError: it has columns of anything else.
    """
    try:
        return open_text_table(path, options, headed=False)
    except DataError as error:
        raise _of(path, error) from error


def _of(path: Path, error: DataError) -> DataError:
    text = str(error)
    verb = text.split(" ", 1)[0] in {"must", "has", "may", "is", "cannot"}
    return error if str(path) in text else DataError(f"{path}{' ' if verb else ': '}{text}")
