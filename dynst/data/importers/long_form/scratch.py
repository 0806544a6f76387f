"""The second pass over a long table: readings in any order into an array on disk."""

import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from math import prod
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from dynst.data.importers.resample import Steps, marked, values_of
from dynst.data.importers.source import BLOCK_BYTES, Block, array_blocks
from dynst.storage.free_space import refuse_disk

__all__ = ["Filling", "Keys", "Scratch", "StepScratch"]

Shape = tuple[int, int, int]
PART = 2**20  # looked at together


class _Files:
    """Arrays on disk that are gone when the block ends."""

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def array(self, dtype: type, shape: tuple[int, ...], fill: float = 0) -> np.ndarray:
        size = prod(shape) * np.dtype(dtype).itemsize
        refuse_disk(
            f"an array of {' × '.join(map(str, shape))} readings",
            size,
            Path(tempfile.gettempdir()),
        )
        file = tempfile.TemporaryFile()  # noqa: SIM115 - the stack closes it
        self._stack.callback(file.close)
        try:  # a mapped page without room is a SIGBUS
            os.posix_fallocate(file.fileno(), 0, max(1, size))
        except OSError:
            self._stack.close()
            raise
        made = np.memmap(file, dtype, "r+", shape=shape)
        if fill != 0:
            made[:] = fill
        return made


class Filling(_Files, ABC):
    """Where the readings of a long table go."""

    @abstractmethod
    def put(self, channel: int, time: np.ndarray, sensors: np.ndarray, numbers: np.ndarray) -> None:
        """Readings ``[N]`` of a channel."""

    @abstractmethod
    def blocks(self) -> Iterator[Block]:
        """All readings in order of time."""


class Scratch(Filling):
    """One reading a cell of ``[T, S, C]``.

    Args:
        time: ``[T]`` int64, in order.
        shape: T, S, C.
    """

    def __init__(self, time: np.ndarray, shape: Shape) -> None:
        self._time, self._shape = time, shape

    def __enter__(self) -> Self:
        super().__enter__()
        self._values = self.array(np.float64, self._shape, np.nan)
        return self

    def put(self, channel: int, time: np.ndarray, sensors: np.ndarray, numbers: np.ndarray) -> None:
        self._values[np.searchsorted(self._time, time), sensors, channel] = numbers

    def blocks(self) -> Iterator[Block]:
        yield from array_blocks(self._time, self._values)()


class StepScratch(Filling):
    """Sums and counts, or last readings, of the steps ``[T, S, C]``.

    Args:
        time: ``[T]`` int64, beginnings of the steps, in order.
        shape: T, S, C.
        steps: to which readings are resampled.
        markers: numbers that mean missing.
    """

    def __init__(
        self, time: np.ndarray, shape: Shape, steps: Steps, markers: Sequence[float]
    ) -> None:
        self._time, self._shape = time, shape
        self._steps, self._markers = steps, tuple(markers)

    def __enter__(self) -> Self:
        super().__enter__()
        self._total = self.array(np.float64, self._shape)
        self._count = self.array(np.int32, self._shape)
        if self._steps.aggregate == "last":
            self._latest = self.array(np.int64, self._shape, np.iinfo(np.int64).min)
        return self

    def put(self, channel: int, time: np.ndarray, sensors: np.ndarray, numbers: np.ndarray) -> None:
        numbers = marked(numbers, self._markers)
        there = ~np.isnan(numbers)
        time, sensors, numbers = time[there], sensors[there], numbers[there]
        step = np.searchsorted(self._time, self._steps.begin(time))
        cells = (step * self._shape[1] + sensors) * self._shape[2] + channel
        if self._steps.aggregate == "last":
            self._put_last(cells, time, numbers)
            return
        distinct, places = np.unique(cells, return_inverse=True)
        self._total.reshape(-1)[distinct] += np.bincount(places, numbers)
        self._count.reshape(-1)[distinct] += np.bincount(places).astype(np.int32)

    def _put_last(self, cells: np.ndarray, time: np.ndarray, numbers: np.ndarray) -> None:
        order = np.lexsort((time, cells))
        cells, time, numbers = cells[order], time[order], numbers[order]
        last = np.flatnonzero(np.diff(cells, append=-1))
        latest = self._latest.reshape(-1)
        newer = last[time[last] >= latest[cells[last]]]
        latest[cells[newer]] = time[newer]
        self._total.reshape(-1)[cells[newer]] = numbers[newer]
        self._count.reshape(-1)[cells[newer]] = 1

    def blocks(self) -> Iterator[Block]:
        for part in _parts(self._shape):
            self._steps.watch(self._count[part])
            values = values_of(self._total[part], self._count[part], self._steps.aggregate)
            yield self._time[part], values


class Keys(_Files):
    """One number for each reading, to find two that are the same.

    Args:
        rows: number of readings.
    """

    def __init__(self, rows: int) -> None:
        self._rows, self._done, self._rising = rows, 0, True

    def __enter__(self) -> Self:
        super().__enter__()
        self._keys = self.array(np.int64, (max(1, self._rows),))
        return self

    def put(self, keys: np.ndarray) -> None:
        """The next of them."""
        place = slice(max(0, self._done - 1), self._done + len(keys))
        self._keys[self._done : self._done + len(keys)] = keys
        part = self._keys[place]
        self._rising = self._rising and bool((part[1:] > part[:-1]).all())
        self._done += len(keys)

    def twice(self) -> int | None:
        """The least that is there more than once."""
        if self._rising:
            return None
        keys = self._keys[: self._done]
        keys.sort()
        for start in range(0, max(0, len(keys) - 1), PART):
            part = keys[start : start + PART + 1]
            same = np.flatnonzero(part[1:] == part[:-1])
            if same.size:
                return int(part[same[0]])
        return None


def _parts(shape: Shape) -> Iterator[slice]:
    rows = max(1, BLOCK_BYTES // max(1, 4 * shape[1] * shape[2]))
    return (slice(first, first + rows) for first in range(0, shape[0], rows))
