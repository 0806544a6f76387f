"""Wide CSV or Parquet: one row a step, one column a sensor, with or without a time column."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from dynst.data.importers.columns import joined_times, time_columns, time_parts
from dynst.data.importers.formats import long_table
from dynst.data.importers.formats.tables import Table, is_table, open_table
from dynst.data.importers.report import known
from dynst.data.importers.source import Block, ReadOptions, Source, step_times
from dynst.data.importers.times import TimeReader, read_times
from dynst.data.manifest import Channel
from dynst.errors import DataError

__all__ = ["KIND", "matches", "read", "wide_source"]

KIND = "wide-table"
PLACES = (("longitude", "latitude"), ("lon", "lat"), ("easting", "northing"))
EDGE_ENDS = ({"from", "to"}, {"source", "target"}, {"origin", "destination"})


def matches(path: Path, options: ReadOptions) -> bool:
    return is_table(path) and not long_table.matches(path, options)


def read(path: Path, options: ReadOptions) -> Source:
    return wide_source(KIND, open_table(path, options), options)


def wide_source(kind: str, table: Table, options: ReadOptions) -> Source:
    if {name.lower() for name in table.columns[:2]} in EDGE_ENDS:
        raise DataError(
            f"{table.path} looks like an edge list; import the readings, and name this file with "
            f"--graph"
        )
    if any({x, y} <= {name.lower() for name in table.columns} for x, y in PLACES):
        raise DataError(
            f"{table.path} looks like a table of positions; import the readings, and name this "
            f"file with --positions"
        )
    stamps = time_columns(table, options)
    ids = [name for name in table.columns if name not in stamps]
    table.check_readings(ids)
    if stamps:
        reader = read_times(lambda: time_parts(table, stamps), options)
        named = " and ".join(repr(name) if name else "the first column" for name in stamps)
        clock, findings = reader.clock, (known(f"time from {named}"), *reader.findings)
    else:
        reader = None
        _, clock, findings = step_times(1, options)
    return Source(
        kind,
        tuple(ids),
        (Channel(name="value"),),
        lambda: _blocks(table, ids, stamps, reader, options),
        clock=clock,
        findings=(*table.findings, *findings),
    )


def _blocks(
    table: Table,
    ids: list[str],
    stamps: list[str],
    reader: TimeReader | None,
    options: ReadOptions,
) -> Iterator[Block]:
    done = 0
    for batch in table.batches(set(stamps)):
        values = np.stack([_floats(batch.column(name)) for name in ids], axis=1)
        time = (
            reader.read(joined_times(batch, stamps))
            if reader
            else step_times(len(values), options, done)[0]
        )
        done += len(values)
        yield time, values[:, :, None]


def _floats(column: pa.Array) -> np.ndarray:
    values: np.ndarray = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return values
