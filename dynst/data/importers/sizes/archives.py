"""Zip archives of arrays: what they unpack to, before they are opened."""

import zipfile
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from dynst.data.importers.sizes.declared import REMEDY
from dynst.errors import DataError
from dynst.storage.free_space import refuse_memory

__all__ = ["declared_bytes", "refuse_bombs", "refuse_npy"]

MAX_RATIO, HARMLESS_BYTES = 200, 2**30
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def refuse_bombs(path: Path, copies: int = 2) -> None:
    """Refuse what does not fit into memory, or unpacks to over a gigabyte and over 200 times its
    size.

    Args:
        path: of a zip archive.
        copies: that are in memory at a time while it is read.

    Raises:
        DataError: it does; or an array declares more entries than are stored.
    """
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        unpacked = sum(member.file_size for member in members)
        packed = path.stat().st_size
        if unpacked > HARMLESS_BYTES and unpacked > MAX_RATIO * packed:
            raise DataError(
                f"{path} would unpack from {packed / 1e6:.1f} MB to {unpacked / 1e9:.1f} GB, which "
                "looks like a zip bomb; unpack it yourself if you trust it, and import what is "
                "inside"
            )
        refuse_memory(str(path), copies * unpacked, f"{REMEDY}; an array in .npy is read in parts")
        for member in members:
            with archive.open(member) as file:
                _refuse_header(f"'{member.filename}' of {path}", file, member.file_size)


def refuse_npy(path: Path, copies: int = 2) -> None:
    """The same for one array in a file, of which so many copies would be in memory."""
    with path.open("rb") as file:
        _refuse_header(str(path), file, path.stat().st_size)
    refuse_memory(str(path), copies * path.stat().st_size, REMEDY)


def declared_bytes(file: Any) -> int:
    """Bytes of the array that the header of a .npy file declares; 0 where it is none of numbers."""
    try:
        version = np.lib.format.read_magic(file)
        shape, _, kind = HEADERS.get(version, HEADERS[2, 0])(file)
    except (ValueError, EOFError):  # reported where it is read
        return 0
    return 0 if kind.hasobject else prod(shape) * int(kind.itemsize)


def _refuse_header(what: str, file: Any, stored: int) -> None:
    declared = declared_bytes(file)
    if declared > stored:
        raise DataError(
            f"{what} declares an array of {declared:,} bytes, but holds {stored:,}; the file is "
            f"damaged, so write it again"
        )
