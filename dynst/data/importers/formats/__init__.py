"""Readers of the forms that users already have: one file each, tried in this order."""

from pathlib import Path

from dynst.data.importers.formats import (
    dcrnn,
    libcity,
    long_table,
    lstnet,
    npz,
    numpy_array,
    pandas_hdf,
    stgcn,
    taxibj,
    wide_table,
    xarray_grid,
)
from dynst.data.importers.source import Reader, ReadOptions, Source
from dynst.errors import DataError

__all__ = ["KINDS", "READERS", "ReadOptions", "Source", "find_reader"]

READERS: tuple[Reader, ...] = (
    pandas_hdf,
    taxibj,
    dcrnn,
    libcity,
    stgcn,
    npz,
    numpy_array,
    xarray_grid,
    lstnet,
    long_table,
    wide_table,
)
KINDS = tuple(reader.KIND for reader in READERS)
SPREADSHEETS = {".xlsx", ".xlsm", ".xlsb", ".xls", ".ods", ".numbers"}


def find_reader(
    path: Path,
    kind: str | None = None,
    options: ReadOptions = ReadOptions(),  # noqa: B008
) -> Reader:
    """The reader of a kind, or the first that takes the path for its own.

    Raises:
        DataError: there is nothing at the path, or no reader knows it.
    """
    if not path.exists():
        raise DataError(f"nothing at {path}; name a file or folder to import")
    if kind is not None:
        return next(reader for reader in READERS if kind == reader.KIND)
    if path.is_file() and path.stat().st_size == 0:
        raise DataError(f"{path} is empty; bring a file with readings")
    found = next((reader for reader in READERS if _matches(reader, path, options)), None)
    if found is not None:
        return found
    raise DataError(f"{path} is of no form that DynST knows; {_remedy(path, options)}")


def _remedy(path: Path, options: ReadOptions) -> str:
    if path.suffix.lower() in SPREADSHEETS:
        return "save the sheet with the readings as CSV (UTF-8), and import that file"
    children = sorted(path.iterdir()) if path.is_dir() else []
    inside = [
        child.name
        for child in children
        if any(_matches(reader, child, options) for reader in READERS)
    ]
    if inside:
        return f"inside it, these could be imported: {', '.join(inside)}"
    return f"force one with --kind ({', '.join(KINDS)})"


def _matches(reader: Reader, path: Path, options: ReadOptions) -> bool:
    """A file that breaks the look at it is not of that form."""
    try:
        return reader.matches(path, options)
    except Exception:
        return False
