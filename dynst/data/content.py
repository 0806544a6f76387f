"""The digest of what a store holds: independent of the container and of the blocks it came in."""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np
import pyarrow as pa

from dynst.data.clock import COUNTED, Clock

__all__ = ["ContentDigest", "Series", "row_blocks", "table_digest"]

BLOCK_BYTES = 2**25


class Series(Protocol):
    """Times ``[N]``, values and observation mask ``[N, S, C]``."""

    @property
    def time(self) -> np.ndarray: ...
    @property
    def values(self) -> np.ndarray: ...
    @property
    def observed(self) -> np.ndarray: ...


class ContentDigest:
    """Of times, clock, values, observation mask and tables; values and mask come block by block."""

    def __init__(self) -> None:
        self._parts = (hashlib.sha256(), hashlib.sha256())  # values, observation mask

    def update(self, values: np.ndarray, observed: np.ndarray) -> None:
        """Add steps, in their order."""
        for digest, part in zip(self._parts, (values, observed.view(np.uint8)), strict=True):
            digest.update(np.ascontiguousarray(part).data)

    def of(self, time: np.ndarray, clock: Clock, *tables: pa.Table) -> str:
        """With all times, and the columns of the tables."""
        times = hashlib.sha256(np.ascontiguousarray(time).data)
        whole = hashlib.sha256(b"".join(part.digest() for part in (times, *self._parts)))
        if clock not in (Clock(), COUNTED):
            whole.update(clock.model_dump_json().encode())
        for part in _columns(tables):
            whole.update(part)
        return whole.hexdigest()


def table_digest(table: pa.Table) -> str:
    """Of a table's columns, in their order."""
    whole = hashlib.sha256()
    for part in _columns([table]):
        whole.update(part)
    return whole.hexdigest()


def row_blocks(readings: Series) -> Iterator[slice]:
    """Rows that together hold 32 MiB of values."""
    rows = max(1, BLOCK_BYTES // max(1, readings.values[:1].nbytes))
    for first in range(0, len(readings.time), rows):
        yield slice(first, first + rows)


def _columns(tables: Iterable[pa.Table]) -> Iterator[bytes]:
    for table in tables:
        for column in table.columns:
            yield (
                repr(column.to_pylist()).encode()
                if column.type == pa.string()
                else column.to_numpy().tobytes()
            )
