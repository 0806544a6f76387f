"""The look at a file or folder before its form is asked for."""

import zipfile
from pathlib import Path

import h5py

from dynst.data.importers.sizes.hdf import refuse_unsafe_hdf
from dynst.data.importers.sizes.zarr import refuse_unsafe_zarr
from dynst.errors import DataError, in_one_line

__all__ = ["refuse_unsafe"]


def refuse_unsafe(path: Path) -> None:
    """Refuse what reaches out of its file or folder, or declares more than memory holds.

    Other forms are looked at where they are opened.

    Raises:
        DataError: it does, or it is too damaged to be looked at.
    """
    try:
        if path.is_file() and h5py.is_hdf5(path):
            refuse_unsafe_hdf(path)
        elif _is_zarr(path):
            refuse_unsafe_zarr(path)
    except DataError:
        raise
    except Exception as error:  # libraries raise what they like
        raise DataError(
            f"{path} cannot be read ({in_one_line(error)}); check the file, or write it again"
        ) from error


def _is_zarr(path: Path) -> bool:
    if path.is_file():
        return path.name.endswith(".zarr.zip") and zipfile.is_zipfile(path)
    names = (".zgroup", ".zarray", "zarr.json")
    return path.suffix == ".zarr" or any((path / name).is_file() for name in names)
