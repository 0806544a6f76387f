"""Whether the disk holds the store that is being written."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from dynst.data.importers.source import Block, Source
from dynst.storage.free_space import refuse_disk

__all__ = ["fitting"]

CELL_BYTES = np.dtype(np.float32).itemsize + np.dtype(np.uint8).itemsize
TIME_BYTES = np.dtype(np.int64).itemsize


def fitting(source: Source, store: Path, path: Path) -> Iterator[Block]:
    """The source's blocks, as long as the store that they make fits onto the disk.

    The store is collected in columns first, then put together beside them.

    Args:
        source: whose size is known before, or not.
        store: the store's folder.
        path: of the source, for the message.

    Raises:
        DataError: the disk is too small.
    """
    row = len(source.ids) * len(source.channels) * CELL_BYTES + TIME_BYTES
    what, written = f"the store of {path}", 0
    if source.num_steps is not None and not source.aggregated:
        refuse_disk(what, 2 * source.num_steps * row, store.parent)
    for time, values in source.blocks():
        refuse_disk(what, written + 2 * len(time) * row, store.parent)
        yield time, values
        written += len(time) * row
