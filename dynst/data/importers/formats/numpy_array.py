"""``.npy`` arrays: (time, row, column[, channel]), or (time, sensor) where there are two axes."""

from pathlib import Path

import numpy as np

from dynst.data.importers.formats.grids import grid_source
from dynst.data.importers.source import ReadOptions, Source, array_blocks, numbered, step_times
from dynst.data.manifest import Channel
from dynst.errors import DataError

__all__ = ["KIND", "matches", "read"]

KIND = "npy"


def matches(path: Path, options: ReadOptions) -> bool:
    return path.is_file() and path.suffix == ".npy"


def read(path: Path, options: ReadOptions) -> Source:
    values = np.load(path, mmap_mode="r", allow_pickle=False)
    if values.dtype.kind not in "fiub":
        raise DataError(f"{path} must hold numbers, but holds {values.dtype}; save it as float32")
    if values.ndim not in {2, 3, 4}:
        raise DataError(
            f"{path} must have 2 to 4 axes (time first), but has the shape {values.shape}"
        )
    time, clock, findings = step_times(len(values), options)
    if values.ndim == 2:
        blocks = array_blocks(time, values[:, :, None])
        return Source(
            KIND,
            numbered(values.shape[1]),
            (Channel(name="value"),),
            blocks,
            clock=clock,
            findings=findings,
            num_steps=len(values),
        )
    grid = values if values.ndim == 4 else values[..., None]
    names = (
        ["value"] if grid.shape[3] == 1 else [f"channel{index}" for index in range(grid.shape[3])]
    )
    return grid_source(
        KIND,
        time,
        grid,
        tuple(Channel(name=name) for name in names),
        clock=clock,
        findings=findings,
    )
