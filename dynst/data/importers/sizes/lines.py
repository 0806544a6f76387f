"""Text that is read line by line: no line without an end, and no table that fills memory."""

import gzip
import io
from pathlib import Path
from typing import Any

from dynst.data.importers.sizes.declared import REMEDY
from dynst.errors import DataError
from dynst.storage import free_space
from dynst.storage.free_space import refuse_memory, size_text

__all__ = ["bounded", "refuse_large_text"]

LONGEST_LINE = 16 * 2**20  # bytes
TEXT_COPIES = 8  # bytes in memory for one of a table of texts
MAX_DEFLATE, PART = 1032, 2**20


class _BoundedLines(io.RawIOBase):
    """Passes bytes on and refuses a line that does not end."""

    def __init__(self, file: Any, path: Path) -> None:
        self._file, self._path, self._open = file, path, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._file.readinto(buffer)
        part = bytes(memoryview(buffer)[:count])
        end = max(part.rfind(b"\n"), part.rfind(b"\r"))
        self._open = self._open + count if end < 0 else count - end - 1
        if self._open > LONGEST_LINE:
            raise DataError(
                f"{self._path} has a line of more than {size_text(LONGEST_LINE)}, which is no row "
                f"of a table; check what the file is, or write a long table"
            )
        return int(count)

    def close(self) -> None:
        self._file.close()
        super().close()


def bounded(file: Any, path: Path) -> io.BufferedReader:
    """The same bytes; reading them raises DataError within a line that is too long."""
    return io.BufferedReader(_BoundedLines(file, path), PART)


def refuse_large_text(path: Path) -> None:
    """Raise DataError where a table that is read as a whole does not fit into memory."""
    if not path.is_file():
        return
    size, most = path.stat().st_size, free_space.free_memory() // TEXT_COPIES
    if path.suffix == ".gz" and size * MAX_DEFLATE > most:
        size = _unpacked(path, most)
    refuse_memory(str(path), TEXT_COPIES * size, REMEDY)


def _unpacked(path: Path, most: int) -> int:
    """Bytes, counted until they are too many."""
    count = 0
    with gzip.open(path) as file:
        while count <= most and (part := file.read(PART)):
            count += len(part)
    return count
