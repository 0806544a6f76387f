"""Columns that are too large for memory: appended to plain files first, then copied into one Arrow
record batch.
"""

import mmap
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

__all__ = ["Spool", "write_record_batch"]

SLICE_BYTES = 32 * 2**20


class Spool:
    """One column on disk: numbers of one type, or rows of ``width`` of them."""

    def __init__(self, path: Path, dtype: Any, width: int | None = None) -> None:
        self.path, self.dtype, self.width = path, np.dtype(dtype), width
        self._file = path.open("wb")

    def append(self, rows: np.ndarray) -> None:
        rows.astype(self.dtype, copy=False).tofile(self._file)

    def close(self) -> None:
        self._file.close()

    def array(self, mapped: mmap.mmap) -> pa.Array:
        """The column over its mapped file, without a copy."""
        count = len(mapped) // self.dtype.itemsize
        flat = pa.Array.from_buffers(
            pa.from_numpy_dtype(self.dtype), count, [None, pa.py_buffer(mapped)]
        )
        return flat if self.width is None else pa.FixedSizeListArray.from_arrays(flat, self.width)


def write_record_batch(path: Path, spools: dict[str, Spool]) -> None:
    """Write an Arrow file of one record batch, so that a reader maps every column as one block.

    The spools are removed.
    """
    maps = []
    for spool in spools.values():
        spool.close()
        with spool.path.open("rb") as file:
            maps.append(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    batch = pa.record_batch(
        {
            name: spool.array(mapped)
            for (name, spool), mapped in zip(spools.items(), maps, strict=True)
        }
    )
    with (
        path.open("wb") as target,
        pa.ipc.new_file(pa.PythonFile(_Forgetful(target, maps), "w"), batch.schema) as stream,
    ):
        stream.write_batch(batch)
    for spool in spools.values():
        spool.path.unlink()


class _Forgetful:
    """A sink that drops the mapped pages that it has copied, so that the process never holds more
    than a slice of them.
    """

    closed = False

    def __init__(self, file: Any, maps: list[mmap.mmap]) -> None:
        self._file, self._maps = file, maps

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        for first in range(0, len(view), SLICE_BYTES):
            self._file.write(view[first : first + SLICE_BYTES])
            for mapped in self._maps:
                mapped.madvise(mmap.MADV_DONTNEED)
        return len(view)

    def flush(self) -> None:
        self._file.flush()

    def tell(self) -> int:
        return int(self._file.tell())

    def close(self) -> None:
        """The file belongs to the caller."""

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False
