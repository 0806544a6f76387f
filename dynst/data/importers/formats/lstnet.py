"""The LSTNet form: comma-separated readings without a header, one row a step, often gzipped."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from dynst.data.importers.source import Block, ReadOptions, Source, numbered, step_times
from dynst.data.manifest import Channel
from dynst.errors import DataError

__all__ = ["KIND", "matches", "read"]

KIND = "lstnet"
ROWS = 4096


def matches(path: Path, options: ReadOptions) -> bool:
    name = path.name.removesuffix(".gz")
    return path.is_file() and name.endswith(".txt")


def read(path: Path, options: ReadOptions) -> Source:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        width = len(file.readline().split(","))
    if width < 2:
        raise DataError(
            f"{path} must hold comma-separated readings, one row a step, but its first line has "
            f"no comma"
        )
    _, clock, findings = step_times(1, options)
    return Source(
        KIND,
        numbered(width),
        (Channel(name="value"),),
        lambda: _blocks(path, options),
        clock=clock,
        findings=findings,
    )


def _blocks(path: Path, options: ReadOptions) -> Iterator[Block]:
    done = 0
    for part in pd.read_csv(path, header=None, chunksize=ROWS):
        values = part.to_numpy(np.float32)
        yield step_times(len(values), options, done)[0], values[:, :, None]
        done += len(values)
