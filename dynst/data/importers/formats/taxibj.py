"""TaxiBJ-style HDF: ``data`` (time, channel, row, column) and ``date`` as YYYYMMDD with a slot of
the day counted from 1.
"""

from pathlib import Path

import h5py
import numpy as np

from dynst.data.importers.formats.grids import grid_source
from dynst.data.importers.report import known
from dynst.data.importers.source import ReadOptions, Source
from dynst.data.manifest import Channel
from dynst.errors import DataError

__all__ = ["KIND", "matches", "read"]

KIND = "taxibj"
DAY = 86_400


def matches(path: Path, options: ReadOptions) -> bool:
    if not (path.is_file() and h5py.is_hdf5(path)):
        return False
    with h5py.File(path) as file:
        return {"data", "date"} <= set(file) and getattr(file["data"], "ndim", 0) == 4


def read(path: Path, options: ReadOptions) -> Source:
    with h5py.File(path) as file:
        values, stamps = file["data"][:], file["date"][:]
    if len(values) != len(stamps):
        raise DataError(
            f"{path}: 'data' has {len(values)} steps, but 'date' has {len(stamps)}; both must be "
            f"equally long"
        )
    time, slots = _times(path, stamps)
    names = (
        ("inflow", "outflow")
        if values.shape[1] == 2
        else tuple(f"channel{index}" for index in range(values.shape[1]))
    )
    note = f"slots of the day run to {slots}, so a step is {DAY // slots // 60} min"
    channels = tuple(Channel(name=name) for name in names)
    return grid_source(KIND, time, np.moveaxis(values, 1, -1), channels, findings=(known(note),))


def _times(path: Path, stamps: np.ndarray) -> tuple[np.ndarray, int]:
    text = [stamp.decode() if isinstance(stamp, bytes) else str(stamp) for stamp in stamps]
    if not all(len(stamp) == 10 and stamp.isdigit() for stamp in text):
        raise DataError(
            f"{path}: every 'date' must be YYYYMMDD and a two-digit slot, but the first is "
            f"'{text[0] if text else ''}'"
        )
    slot = np.array([int(stamp[8:]) for stamp in text])
    slots = 48 if slot.max() > 24 else 24
    days = np.array(
        [f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:8]}" for stamp in text], "datetime64[s]"
    ).astype(np.int64)
    if slot.min() < 1 or slot.max() > slots:
        raise DataError(
            f"{path}: slots of the day must lie in 1..{slots}, but reach from {slot.min()} to "
            f"{slot.max()}"
        )
    return days + (slot - 1) * (DAY // slots), slots
