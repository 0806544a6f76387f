"""What every reader answers: a network in the field's own form, understood but not yet copied."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from dynst.data.clock import COUNTED, SECONDS, Clock, month_number, parse_zone
from dynst.data.edges import Edges
from dynst.data.importers.graphs.weighted_pairs import WeightKind
from dynst.data.importers.report import Finding, assumed
from dynst.data.importers.sizes.declared import refuse_sensors
from dynst.data.manifest import Channel, Grid
from dynst.errors import DataError

__all__ = [
    "BLOCK_BYTES",
    "Aggregate",
    "Block",
    "Months",
    "PositionKind",
    "ReadOptions",
    "Reader",
    "Source",
    "array_blocks",
    "numbered",
    "only_channels",
    "step_times",
    "steps_from",
]

BLOCK_BYTES = 32 * 2**20
PositionKind = Literal["lonlat", "plane", "none"]
Block = tuple[np.ndarray, np.ndarray]  # times [N] int64 seconds, values [N, S, C]


Aggregate = Literal["mean", "sum", "last"]


class Months(int):
    """A step of so many calendar months."""


@dataclass(frozen=True)
class ReadOptions:
    """What the user says beyond the file itself.

    Each is an answer to something that a form may leave open. A reader marks each option that it
    acts on by ``apply``; one that had no effect is refused at the end of the import.

    Args:
        start: time of the first step, of a form without timestamps.
        step: between steps, of a form without timestamps.
        time_columns: that give the time, several of them put together.
        time_format: of the times, as ``strptime`` has it, or one of ``NUMBER_FORMATS`` in
            ``dynst.data.importers.times.numbers``.
        day_first: whether 01/02/2024 is the first of February; None lets the file decide.
        zone: IANA name or offset of the clock that wrote the times.
        sensor_column: that names the sensor of each row.
        variables: channels to take, in this order.
        channel_name: of the only channel, where the file does not name it.
        units: of the channels, in their order.
        select: a level, a member, … of each dimension beyond time and place, as text.
        missing: texts that mean missing, beside those that always do.
        markers: numbers that mean missing.
        decimal: the decimal sign of numbers in a text file.
        encoding: of a text file.
        key: of the frame in an HDF file.
        resample: length of the steps to which readings are resampled.
        aggregate: how the readings of a step become one.
        weights: what the weights of the graph are.
        own_graph: whether a graph that the form has is wanted; the user may name another.
        own_positions: the same for positions.
    """

    start: datetime | None = None
    step: timedelta | Months | None = None
    time_columns: tuple[str, ...] = ()
    time_format: str | None = None
    day_first: bool | None = None
    zone: str | None = None
    sensor_column: str | None = None
    variables: tuple[str, ...] = ()
    channel_name: str | None = None
    units: tuple[str, ...] = ()
    select: tuple[tuple[str, str], ...] = ()
    missing: tuple[str, ...] = ()
    markers: tuple[float, ...] = ()
    decimal: Literal[".", ","] | None = None
    encoding: str | None = None
    key: str | None = None
    resample: timedelta | None = None
    aggregate: Aggregate = "mean"
    weights: WeightKind = "auto"
    own_graph: bool = True
    own_positions: bool = True
    applied: set[str] = field(default_factory=set, compare=False, repr=False)

    def __post_init__(self) -> None:
        for flag, names in (
            ("--variable", self.variables),
            ("--time-column", self.time_columns),
            ("--select", tuple(name for name, _ in self.select)),
        ):
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice is not None:
                raise DataError(f"{flag} must give each name once, but gives '{twice}' twice")
        if self.zone is not None:
            try:
                parse_zone(self.zone)
            except ValueError as error:
                raise DataError(f"--zone must name a time zone, but {error}") from error

    def apply(self, *names: str) -> None:
        """Mark options as acted on."""
        self.applied.update(names)

    def unused(self) -> list[str]:
        """Flags that were given and had no effect."""
        return [
            FLAGS[option.name]
            for option in fields(self)
            if option.name in FLAGS
            and getattr(self, option.name) != option.default
            and option.name not in self.applied
        ]


FLAGS = {
    "start": "--start",
    "step": "--step",
    "time_columns": "--time-column",
    "time_format": "--time-format",
    "day_first": "--day-first",
    "zone": "--zone",
    "sensor_column": "--sensor-column",
    "variables": "--variable",
    "channel_name": "--channel-name",
    "units": "--unit",
    "select": "--select",
    "missing": "--missing",
    "decimal": "--decimal",
    "encoding": "--encoding",
    "key": "--key",
    "resample": "--resample",
    "aggregate": "--aggregate",
    "weights": "--weights",
}


@dataclass(frozen=True)
class Source:
    """``blocks`` reads the series from its start each time it is called, a bounded part of it at
    once. Its times are in the unit of ``clock``, and UTC where that has a zone.

    Where they are ``aggregated``, each of ``observers`` is called with the readings as the file has
    them, ``[N, S, C]`` with S in parts, before they become those of the steps.
    """

    kind: str
    ids: tuple[str, ...]
    channels: tuple[Channel, ...]
    blocks: Callable[[], Iterator[Block]]
    positions: np.ndarray | None = None  # [S, 2]
    geometry: PositionKind = "none"
    edges: Edges | None = None
    grid: Grid | None = None
    clock: Clock = SECONDS
    findings: tuple[Finding, ...] = ()
    late_findings: Callable[[], Sequence[Finding]] = tuple  # what only the blocks showed
    aggregated: bool = False
    num_steps: int | None = None  # where the file declares it
    within_seconds: Callable[[], bool] = lambda: False  # times may repeat: fractions were cut off
    observers: list[Callable[[np.ndarray], None]] = field(default_factory=list, compare=False)


class Reader(Protocol):
    """A module with these three names; it joins the family by its line in ``formats/__init__``."""

    KIND: str

    def matches(self, path: Path, options: ReadOptions) -> bool:
        """Whether the file or folder looks like this form; cheap, and never raises."""

    def read(self, path: Path, options: ReadOptions) -> Source: ...


def array_blocks(time: np.ndarray, values: np.ndarray) -> Callable[[], Iterator[Block]]:
    """Blocks of an array ``[N, S, C]`` that may be memory-mapped."""
    rows = max(1, BLOCK_BYTES // max(1, values[:1].nbytes))

    def blocks() -> Iterator[Block]:
        for first in range(0, len(values), rows):
            yield time[first : first + rows], np.asarray(values[first : first + rows])

    return blocks


def only_channels(source: Source, options: ReadOptions) -> Source:
    """The quantities that the user named, in that order, for a form whose reader takes them all.

    Raises:
        DataError: the source has no such quantity.
    """
    names = options.variables
    known = [channel.name for channel in source.channels]
    if not names:
        return source
    options.apply("variables")
    if list(names) == known:
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
) -> tuple[np.ndarray, Clock, tuple[Finding, ...]]:
    """Times of the steps from ``first`` on in a form without timestamps.

    Returns:
        times, their clock, and what the user should know of them.
    """
    count = np.arange(first, first + num_steps, dtype=np.int64)
    if options.start is None or options.step is None:
        return (
            count,
            COUNTED,
            (
                assumed(
                    "no timestamps inside, so steps are only counted",
                    "--start 2015-01-01 --step 15min makes times of them",
                ),
            ),
        )
    options.apply("start", "step")
    first, step, clock = steps_from(options.start, options.step, options)
    return first + step * count, clock, ()


def steps_from(
    start: datetime, step: timedelta | Months, options: ReadOptions
) -> tuple[int, int, Clock]:
    """The first time and the step in the unit of the clock, which is also given."""
    if isinstance(step, Months):
        return month_number(start), int(step), Clock(unit="month")
    options.apply("zone")
    clock = Clock(zone=options.zone)
    local = np.array([np.datetime64(start, "s").astype(np.int64)])
    return int(clock.from_local(local)[0]), int(step.total_seconds()), clock


def numbered(count: int) -> tuple[str, ...]:
    """Sensor ids where the form has none: the column numbers, from 0."""
    refuse_sensors(count)
    return tuple(str(index) for index in range(count))
