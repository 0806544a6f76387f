"""The LSTNet form: comma-separated readings without times, one row a step, often gzipped; a line
of sensor ids may stand above them.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from dynst.data.importers.formats.tables import Table, open_rows
from dynst.data.importers.source import Block, ReadOptions, Source, step_times
from dynst.data.manifest import Channel

__all__ = ["KIND", "matches", "read"]

KIND = "lstnet"


def matches(path: Path, options: ReadOptions) -> bool:
    name = path.name.removesuffix(".gz")
    return path.is_file() and name.endswith(".txt")


def read(path: Path, options: ReadOptions) -> Source:
    table = open_rows(path, options)
    table.check_readings(table.columns)
    _, clock, findings = step_times(1, options)
    return Source(
        KIND,
        table.columns,
        (Channel(name="value"),),
        lambda: _blocks(table, options),
        clock=clock,
        findings=(*table.findings, *findings),
    )


def _blocks(table: Table, options: ReadOptions) -> Iterator[Block]:
    done = 0
    for batch in table.batches(set()):
        columns = [column.to_numpy(zero_copy_only=False) for column in batch.columns]
        values = np.stack(columns, axis=1).astype(np.float32)
        yield step_times(len(values), options, done)[0], values[:, :, None]
        done += len(values)
