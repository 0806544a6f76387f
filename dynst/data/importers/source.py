"""What every reader answers: a network in the field's own form, understood but not yet copied."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from dynst.data.edges import Edges
from dynst.data.manifest import Channel, Grid
from dynst.errors import DataError

__all__ = [
    "BLOCK_BYTES",
    "Block",
    "PositionKind",
    "ReadOptions",
    "Reader",
    "Source",
    "array_blocks",
    "numbered",
    "only_channels",
    "step_times",
]

BLOCK_BYTES = 32 * 2**20
PositionKind = Literal["lonlat", "plane", "none"]
Block = tuple[np.ndarray, np.ndarray]  # times [N] int64 seconds, values [N, S, C]


@dataclass(frozen=True)
class ReadOptions:
    """What the user says beyond the file itself.

    Each is an answer to something that a form may leave open.
    """

    start: datetime | None = None  # of a form without timestamps
    step: timedelta | None = None
    time_columns: tuple[str, ...] = ()
    sensor_column: str | None = None
    variables: tuple[str, ...] = ()  # channels to take
    select: tuple[
        tuple[str, float], ...
    ] = ()  # a level, a member, … of a dimension beyond time and place


@dataclass(frozen=True)
class Source:
    """``blocks`` reads the series from its start each time it is called, a bounded part of it at
    once.
    """

    kind: str
    ids: tuple[str, ...]
    channels: tuple[Channel, ...]
    blocks: Callable[[], Iterator[Block]]
    positions: np.ndarray | None = None  # [S, 2]
    geometry: PositionKind = "none"
    edges: Edges | None = None
    grid: Grid | None = None
    timed: bool = True
    notes: tuple[str, ...] = field(default=())


class Reader(Protocol):
    """A module with these three names; it joins the family by its line in ``formats/__init__``."""

    KIND: str

    def matches(self, path: Path) -> bool:
        """Whether the file or folder looks like this form; cheap, and never raises."""

    def read(self, path: Path, options: ReadOptions) -> Source: ...


def array_blocks(time: np.ndarray, values: np.ndarray) -> Callable[[], Iterator[Block]]:
    """Blocks of an array ``[N, S, C]`` that may be memory-mapped."""
    rows = max(1, BLOCK_BYTES // max(1, values[:1].nbytes))

    def blocks() -> Iterator[Block]:
        for first in range(0, len(values), rows):
            yield time[first : first + rows], np.asarray(values[first : first + rows])

    return blocks


def only_channels(source: Source, names: tuple[str, ...]) -> Source:
    """The quantities that the user named, in that order, for a form whose reader takes them all.

    Raises:
        DataError: the source has no such quantity.
    """
    known = [channel.name for channel in source.channels]
    if not names or list(names) == known:
        return source
    absent = [name for name in names if name not in known]
    if absent:
        raise DataError(f"there is no variable '{absent[0]}'; the source has {', '.join(known)}")
    chosen = [known.index(name) for name in names]

    def blocks() -> Iterator[Block]:
        return ((time, values[..., chosen]) for time, values in source.blocks())

    return replace(
        source, channels=tuple(source.channels[index] for index in chosen), blocks=blocks
    )


def step_times(
    num_steps: int, options: ReadOptions, first: int = 0
) -> tuple[np.ndarray, bool, tuple[str, ...]]:
    """Times of the steps from ``first`` on in a form without timestamps.

    Returns:
        times, whether they are real, and notes for the user.
    """
    count = np.arange(first, first + num_steps, dtype=np.int64)
    if options.start is None or options.step is None:
        note = (
            "no timestamps inside, so steps are only counted; with --start 2015-01-01 --step "
            "15min they become times"
        )
        return count, False, (note,)
    start = int(np.datetime64(options.start, "s").astype(np.int64))
    return start + int(options.step.total_seconds()) * count, True, ()


def numbered(count: int) -> tuple[str, ...]:
    """Sensor ids where the form has none: the column numbers, from 0."""
    return tuple(str(index) for index in range(count))
