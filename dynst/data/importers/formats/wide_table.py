"""Wide CSV or Parquet: one row a step, one column a sensor, with or without a time column."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from dynst.data.clock import COUNTED, Clock
from dynst.data.importers.columns.first_cells import Columns, quoted
from dynst.data.importers.columns.header_units import HeaderUnit, header_unit
from dynst.data.importers.columns.levels import Levels, find_levels
from dynst.data.importers.columns.no_sensors import (
    NOTE,
    aside_of_wide,
    doubtful_sensors,
    place_columns,
    said_aside,
)
from dynst.data.importers.columns.sensors import refuse_quantity_values
from dynst.data.importers.columns.spread_times import refuse_seasons, refuse_spread_times
from dynst.data.importers.columns.stamps import Stamps
from dynst.data.importers.columns.times import find_stamps
from dynst.data.importers.columns.zones import zone_findings
from dynst.data.importers.formats.tables import Table, is_table, open_table
from dynst.data.importers.repeats import refuse_disorder
from dynst.data.importers.report import Finding, known
from dynst.data.importers.resample import resampled
from dynst.data.importers.source import Block, ReadOptions, Source, step_times
from dynst.data.importers.text_cells import is_number
from dynst.data.importers.times.reader import TimeReader
from dynst.data.manifest import Channel
from dynst.errors import DataError

__all__ = ["KIND", "matches", "read", "wide_source"]

KIND = "wide-table"
EDGE_ENDS = ({"from", "to"}, {"source", "target"}, {"origin", "destination"})
LEAST_ROWS = 4  # that can tell whether times repeat


def matches(path: Path, options: ReadOptions) -> bool:
    """Whatever other table is left: ``READERS`` asks the long one first."""
    return is_table(path)


def read(path: Path, options: ReadOptions) -> Source:
    return resampled(wide_source(KIND, open_table(path, options), options), options)


def wide_source(kind: str, table: Table, options: ReadOptions) -> Source:
    """One column a sensor, or one for each sensor and quantity."""
    _refuse_other_tables(table)
    columns = Columns(table, options)
    stamps = find_stamps(columns)
    refuse_spread_times(columns, stamps)
    if stamps is not None:
        refuse_seasons(columns, stamps)
    times = stamps.columns if stamps else []
    aside = aside_of_wide(columns, times)
    names = [name for name in table.columns if name not in {*aside, *times}]
    notes = [name for name, why in aside.items() if why == NOTE]
    if stamps is not None:
        refuse_quantity_values(columns, stamps, notes)
    _refuse_positions(columns, names, timed=stamps is not None)
    _refuse_texts(columns, names)
    if stamps is None:
        _refuse_adjacency(table, names)
    else:
        _refuse_repeated(columns, stamps)
    table.check_readings(names)
    header = header_unit(table.path, names)
    if not names:
        raise DataError(f"{table.path} has no column of readings beside {quoted(table.columns)}")
    levels = find_levels(table, options)
    reader = stamps.reader(table, options) if stamps else None
    clock, timed = _times(stamps, reader, options)
    places, ids, channels = _places(names, levels, header)
    said = len(reader.findings) if reader else 0
    return Source(
        kind,
        ids,
        channels,
        _Blocks(
            table,
            tuple(names),
            places,
            (len(ids), len(channels)),
            stamps,
            reader,
            options,
            _hint(notes),
        ),
        clock=clock,
        findings=(
            *table.findings,
            *timed,
            *((levels.finding,) if levels else header.findings),
            *said_aside(aside),
            *doubtful_sensors(columns, names),
            *_zones(columns, reader, options),
        ),
        late_findings=lambda: reader.findings[said:] if reader else (),
        within_seconds=lambda: reader is not None and reader.has_fractions,
    )


def _hint(notes: list[str]) -> str:
    """Texts of which the first rows do not show that they name sensors."""
    return f"; or say --sensor-column '{notes[0]}' if it names the sensor of a row" if notes else ""


def _times(
    stamps: Stamps | None, reader: TimeReader | None, options: ReadOptions
) -> tuple[Clock, tuple[Finding, ...]]:
    if stamps is None or reader is None:
        _, clock, findings = step_times(1, options)
        return clock, findings
    named = known(f"time from {quoted(stamps.columns)}")
    return reader.clock, (named, *stamps.findings, *reader.findings)


def _places(
    names: list[str], levels: Levels | None, header: HeaderUnit
) -> tuple[list[tuple[int, int]], tuple[str, ...], tuple[Channel, ...]]:
    """Sensor and channel of each column."""
    if levels is None:
        places = [(index, 0) for index in range(len(names))]
        return places, header.names, (Channel(name="value", unit=header.unit),)
    pairs = {name: pair for pair, name in levels.columns.items()}
    absent = [name for name in names if name not in pairs]
    if absent:
        raise DataError(f"column '{absent[0]}' must name a sensor and a quantity like the others")
    places = [
        (levels.sensors.index(pairs[name][0]), levels.quantities.index(pairs[name][1]))
        for name in names
    ]
    channels = tuple(Channel(name=name) for name in levels.quantities)
    return places, levels.sensors, channels


def _refuse_other_tables(table: Table) -> None:
    lower = [name.lower() for name in table.columns]
    numbers = all(is_number(name) for name in table.columns)
    distinct = numbers and len(set(map(float, table.columns))) == len(table.columns)
    if distinct and any("." in name for name in table.columns):
        raise DataError(
            f"{table.path} has no header line (its first line holds readings); put sensor ids "
            f"there, or use --kind lstnet"
        )
    if set(lower[:2]) in EDGE_ENDS or set(lower[1:3]) in EDGE_ENDS:
        raise DataError(
            f"{table.path} looks like an edge list; import the readings, and name this file with "
            f"--graph"
        )


def _refuse_positions(columns: Columns, names: list[str], *, timed: bool) -> None:
    """Coordinates without readings of some time."""
    places = place_columns(columns.names)
    if not places:
        return
    numbers = [name for name in names if columns.cells(name).kind == "number"]
    moving = [
        name for name in places[:2] if columns.cells(name).texts.replace("", None).nunique() > 1
    ]
    if timed and numbers and moving:
        raise DataError(
            f"{columns.table.path}: '{moving[0]}' changes from row to row, so this is a table of "
            f"positions, or rows of several places; name it with --positions if the former, "
            f"else name the sensor of each row with --sensor-column, or remove the coordinates"
        )
    if not (timed and numbers):
        raise DataError(
            f"{columns.table.path} looks like a table of positions; import the readings, and name "
            f"this file with --positions"
        )


def _zones(
    columns: Columns, reader: TimeReader | None, options: ReadOptions
) -> tuple[Finding, ...]:
    if reader is None:
        return ()
    zoned = reader.clock.zone is not None or options.zone is not None
    return zone_findings(columns, options.time_columns, zoned=zoned)


def _refuse_adjacency(table: Table, names: list[str]) -> None:
    """Refuse a table without times whose first rows are those of an adjacency matrix."""
    cells = table.sample[names].apply(pd.to_numeric, errors="coerce").to_numpy(float)
    size = min(cells.shape)
    part, others = cells[:size, :size], ~np.eye(size, dtype=bool)
    if size < LEAST_ROWS or cells.shape[0] > cells.shape[1] or np.isnan(part).any():
        return
    ones = bool((np.diag(part) == 1).all() and (part >= 0).all() and (part <= 1).all())
    mirrored = np.array_equal(part, part.T)
    if (ones or mirrored) and np.unique(part[others]).size > 1:
        raise DataError(
            f"{table.path} looks like an adjacency matrix of {len(names)} nodes; import the "
            f"readings, and name this file with --graph"
        )


def _refuse_repeated(columns: Columns, stamps: Stamps) -> None:
    """Each time several times over: a long table in which no column names the sensor."""
    times = stamps.sample(columns.table)
    if len(times) >= LEAST_ROWS and times.nunique() <= len(times) / 2:
        raise DataError(
            f"{columns.table.path}: times must increase from row to row, but '{times.iloc[0]}' and "
            f"others repeat; if the rows are of several sensors, name their column with "
            f"--sensor-column, or the columns that tell the rest of the time with --time-column"
        )


def _refuse_texts(columns: Columns, names: list[str]) -> None:
    texts = [name for name in names if columns.cells(name).kind not in {"number", "empty"}]
    if texts:
        cells = columns.cells(texts[0]).texts
        raise DataError(
            f"{columns.table.path}: every column beside the time must hold readings, but "
            f"'{texts[0]}' holds '{next(cell for cell in cells if cell)}'; remove it, or name it "
            f"with --time-column or --sensor-column if it is one of these"
        )


@dataclass(frozen=True)
class _Blocks:
    """The rows of a wide table."""

    table: Table
    names: tuple[str, ...]
    places: list[tuple[int, int]]
    shape: tuple[int, int]  # sensors, channels
    stamps: Stamps | None
    reader: TimeReader | None
    options: ReadOptions
    hint: str = ""  # what else to do where times do not increase

    def __call__(self) -> Iterator[Block]:
        stamps = self.stamps.columns if self.stamps else []
        done, last, held = 0, None, None
        clock = self.reader.clock if self.reader else COUNTED
        for batch in self.table.batches(set(stamps), [*stamps, *self.names]):
            values = self._values(batch)
            time = self._time(batch, len(values), done)
            self._refuse_disorder(time, last, clock, done, held, values)
            if len(time):
                done, last, held = done + len(values), int(time[-1]), values[-1].copy()
            yield time, values

    def _refuse_disorder(
        self,
        time: np.ndarray,
        last: int | None,
        clock: Clock,
        done: int,
        held: np.ndarray | None,
        values: np.ndarray,
    ) -> None:
        def alike(row: int) -> bool:
            before = values[row - 1] if row else held
            return before is not None and np.array_equal(values[row], before, equal_nan=True)

        cut = self.reader is not None and self.reader.has_fractions
        may_repeat = cut and self.options.resample is not None
        try:
            refuse_disorder(
                *(time, last, clock, done),
                within_seconds=may_repeat,
                place_of=self.table.row_of,
                alike=alike,
            )
        except DataError as error:
            if not cut or may_repeat:
                raise DataError(f"{error}{self.hint}") from error
            raise DataError(
                f"{str(error).split(';')[0]}; fractions of a second are cut off, so resample "
                f"readings to steps with --resample, such as --resample 1min"
            ) from error

    def _values(self, batch: pa.RecordBatch) -> np.ndarray:
        columns = [_floats(column) for column in batch.columns[-len(self.names) :]]
        if self.shape == (len(columns), 1):
            return np.stack(columns, axis=1)[:, :, None]
        values = np.full((batch.num_rows, *self.shape), np.nan)
        for (sensor, channel), numbers in zip(self.places, columns, strict=True):
            values[:, sensor, channel] = numbers
        return values

    def _time(self, batch: pa.RecordBatch, count: int, done: int) -> np.ndarray:
        if self.stamps is None or self.reader is None:
            return step_times(count, self.options, done)[0]
        return self.reader.read(self.stamps.join(batch))


def _floats(column: pa.Array) -> np.ndarray:
    numbers = column if column.type == pa.float64() else column.cast(pa.float64())
    values: np.ndarray = numbers.to_numpy(zero_copy_only=False)
    return values
