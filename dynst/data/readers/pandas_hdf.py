"""Pandas HDF frames, time by sensor: METR-LA, PEMS-BAY and their kin."""

from pathlib import Path

import h5py
import pandas as pd

from dynst.data.manifest import Channel
from dynst.data.readers.source import ReadOptions, Source, array_blocks
from dynst.data.readers.times import to_seconds
from dynst.errors import DataError

__all__ = ["KIND", "matches", "read"]

KIND = "pandas-hdf"


def matches(path: Path) -> bool:
    return path.is_file() and h5py.is_hdf5(path) and bool(_frames(path))


def read(path: Path, options: ReadOptions) -> Source:
    keys = _frames(path)
    if not keys:
        raise DataError(f"{path} holds no pandas frame; name another --kind")
    frame = pd.read_hdf(path, key=keys[0])
    if not isinstance(frame, pd.DataFrame):
        raise DataError(f"{path} must hold a frame of times by sensors under '{keys[0]}', but holds {type(frame).__name__}")
    notes = (f"took key '{keys[0]}' of {', '.join(keys)}",) if len(keys) > 1 else ()
    values = frame.to_numpy()[:, :, None]
    time = to_seconds(frame.index)
    return Source(KIND, tuple(map(str, frame.columns)), (Channel(name="value"),), array_blocks(time, values), notes=notes)


def _frames(path: Path) -> list[str]:
    with h5py.File(path) as file:
        return [name for name, group in file.items() if "pandas_type" in group.attrs]
