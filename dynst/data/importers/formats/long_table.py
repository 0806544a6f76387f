"""Long CSV or Parquet: one row a reading, with columns for time, sensor and one or more
quantities.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from dynst.data.importers.columns import joined_times, sensor_column, time_columns, time_parts
from dynst.data.importers.formats.tables import Table, is_table, open_table
from dynst.data.importers.report import known
from dynst.data.importers.source import Block, ReadOptions, Source, array_blocks
from dynst.data.importers.times import TimeReader, read_times
from dynst.data.manifest import Channel
from dynst.errors import DataError

__all__ = ["KIND", "long_source", "matches", "read"]

KIND = "long-table"
MAX_COLUMNS = 40
ROW_NAMES = {"id", "index", "row", ""}  # number the rows; readings only if --variable says so


def matches(path: Path, options: ReadOptions) -> bool:
    if not is_table(path):
        return False
    try:
        table = open_table(path, options)
    except Exception:  # the reader itself will say what is wrong
        return False
    stamps = time_columns(table, options)
    return (
        bool(stamps)
        and len(table.columns) <= MAX_COLUMNS
        and sensor_column(table, options, stamps) is not None
    )


def read(path: Path, options: ReadOptions) -> Source:
    return long_source(KIND, open_table(path, options), options)


def long_source(kind: str, table: Table, options: ReadOptions) -> Source:
    """Two passes: who and when, then the readings into a scratch array on disk, so that memory
    stays bounded.
    """
    stamps = time_columns(table, options)
    sensor = sensor_column(table, options, stamps)
    if not stamps or sensor is None:
        raise DataError(
            f"{table.path} must have columns for time and sensor; name them with --time-column "
            f"and --sensor-column"
        )
    channels = list(options.variables) or [
        name
        for name in table.columns
        if name not in {*stamps, sensor}
        and name.lower() not in ROW_NAMES
        and table.is_numeric(name)
    ]
    if not channels:
        raise DataError(
            f"{table.path} has no column of readings beside {', '.join([*stamps, sensor])}; name "
            f"one with --variable"
        )
    table.check_readings(channels)
    reader = read_times(lambda: time_parts(table, stamps), options)
    time, ids = _axes(table, stamps, sensor, reader)
    note = (
        f"time from {' and '.join(map(repr, stamps))}, sensors from '{sensor}', readings from "
        f"{', '.join(channels)}"
    )
    return Source(
        kind,
        tuple(ids),
        tuple(Channel(name=name) for name in channels),
        lambda: _blocks(table, stamps, sensor, channels, time, ids, reader),
        clock=reader.clock,
        findings=(*table.findings, known(note), *reader.findings),
    )


def _axes(
    table: Table, stamps: list[str], sensor: str, reader: TimeReader
) -> tuple[np.ndarray, list[str]]:
    times, ids = np.empty(0, np.int64), dict[str, None]()
    for batch in table.batches({*stamps, sensor}, [*stamps, sensor]):
        times = np.union1d(times, _times(batch, stamps, reader))
        ids.update(dict.fromkeys(_names(table, batch, sensor)))
    return times, list(ids)


def _blocks(
    table: Table,
    stamps: list[str],
    sensor: str,
    channels: list[str],
    time: np.ndarray,
    ids: list[str],
    reader: TimeReader,
) -> Iterator[Block]:
    place = {name: index for index, name in enumerate(ids)}
    shape = (len(time), len(ids), len(channels))
    with tempfile.TemporaryFile() as scratch, tempfile.TemporaryFile() as marks:
        values = np.memmap(scratch, np.float32, "w+", shape=shape)
        values[:] = np.nan
        taken = np.memmap(marks, bool, "w+", shape=shape[:2])
        for batch in table.batches({*stamps, sensor}, [*stamps, sensor, *channels]):
            rows = np.searchsorted(time, _times(batch, stamps, reader))
            columns = np.array([place[name] for name in _names(table, batch, sensor)])
            _refuse_repeats(table, taken, rows, columns, time, ids)
            for index, name in enumerate(channels):
                values[rows, columns, index] = (
                    batch.column(name).cast(pa.float64()).to_numpy(zero_copy_only=False)
                )
        yield from array_blocks(time, values)()


def _refuse_repeats(
    table: Table,
    taken: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    time: np.ndarray,
    ids: list[str],
) -> None:
    flat = rows * len(ids) + columns
    order = np.argsort(flat, kind="stable")
    repeated = order[1:][np.diff(flat[order]) == 0]
    before = np.flatnonzero(taken[rows, columns])
    bad = np.concatenate([before, repeated])
    if bad.size:
        when = time[rows[bad[0]]].astype("datetime64[s]")
        raise DataError(
            f"{table.path}: sensor '{ids[columns[bad[0]]]}' has two readings at {when}; keep one "
            f"of them"
        )
    taken[rows, columns] = True


def _times(batch: pa.RecordBatch, stamps: list[str], reader: TimeReader) -> np.ndarray:
    """Parsed once for each distinct text, since a long table repeats its times."""
    codes, distinct = pd.factorize(joined_times(batch, stamps), use_na_sentinel=False)
    return reader.read(pd.Series(distinct), ordered=False)[codes]


def _names(table: Table, batch: pa.RecordBatch, sensor: str) -> list[str]:
    names = batch.column(sensor).to_pylist()
    if None in names:
        raise DataError(
            f"{table.path}: every row must name its sensor, but one has no '{sensor}'; remove it"
        )
    return [str(name) for name in names]
