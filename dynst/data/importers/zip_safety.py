"""Compressed files that would fill the disk when they are opened."""

import zipfile
from pathlib import Path

from dynst.errors import DataError

__all__ = ["refuse_bombs"]

MAX_RATIO, HARMLESS_BYTES = 200, 2**30


def refuse_bombs(path: Path) -> None:
    """Raise DataError where a zip archive would unpack to over a gigabyte and over 200 times its
    size.
    """
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
    packed = path.stat().st_size
    if unpacked > HARMLESS_BYTES and unpacked > MAX_RATIO * packed:
        raise DataError(
            f"{path} would unpack from {packed / 1e6:.1f} MB to {unpacked / 1e9:.1f} GB, which "
            "looks like a zip bomb; unpack it yourself if you trust it, and import what is inside"
        )
