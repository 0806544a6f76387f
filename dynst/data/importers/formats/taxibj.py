"""TaxiBJ-style HDF: ``data`` (time, channel, row, column) and ``date`` as YYYYMMDD with a slot of
the day counted from 1.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import h5py
import numpy as np

from dynst.data.clock import Clock
from dynst.data.importers.formats.grids import grid_of
from dynst.data.importers.report import Finding, assumed, known
from dynst.data.importers.source import BLOCK_BYTES, Block, ReadOptions, Source
from dynst.data.manifest import Channel
from dynst.errors import DataError

__all__ = ["KIND", "matches", "read"]

KIND = "taxibj"
DAY = 86_400
SLOTS = (24, 48, 96)  # of a day: hours, halves and quarters of them


def matches(path: Path, options: ReadOptions) -> bool:
    if not (path.is_file() and h5py.is_hdf5(path)):
        return False
    with h5py.File(path) as file:
        return {"data", "date"} <= set(file) and getattr(file["data"], "ndim", 0) == 4


def read(path: Path, options: ReadOptions) -> Source:
    with h5py.File(path) as file:
        shape, stamps = file["data"].shape, file["date"][:]
    if not all(shape):
        raise DataError(f"'data' must have the axes time, channel, row and column, but is {shape}")
    if shape[0] != len(stamps):
        raise DataError(
            f"{path}: 'data' has {shape[0]} steps, but 'date' has {len(stamps)}; both must be "
            f"equally long"
        )
    local, findings = _times(stamps, options)
    clock = Clock(zone=options.zone)
    if options.zone is not None:
        options.apply("zone")
    time = clock.from_local(local) if options.zone is not None else local
    names = (
        ("inflow", "outflow")
        if shape[1] == 2
        else tuple(f"channel{index}" for index in range(shape[1]))
    )
    if shape[1] == 2:
        findings = (*findings, assumed("channels are inflow and outflow", "--variable chooses"))

    def blocks() -> Iterator[Block]:
        rows = max(1, BLOCK_BYTES // (8 * int(np.prod(shape[1:]))))
        with h5py.File(path) as file:
            for first in range(0, len(time), rows):
                values = np.moveaxis(file["data"][first : first + rows], 1, -1)
                yield time[first : first + rows], values.reshape(len(values), -1, shape[1])

    channels = tuple(Channel(name=name) for name in names)
    source = grid_of(KIND, (shape[2], shape[3]), channels, blocks)
    return replace(source, clock=clock, findings=findings, num_steps=shape[0])


def _times(stamps: np.ndarray, options: ReadOptions) -> tuple[np.ndarray, tuple[Finding, ...]]:
    """Seconds of the file's own clock."""
    text = [stamp.decode() if isinstance(stamp, bytes) else str(stamp) for stamp in stamps]
    wrong = next((stamp for stamp in text if not (len(stamp) == 10 and stamp.isdigit())), None)
    if wrong is not None:
        raise DataError(f"every 'date' must be YYYYMMDD and a two-digit slot, but one is '{wrong}'")
    days = _days(text)
    slot = np.array([int(stamp[8:]) for stamp in text])
    slots, finding = _slots(slot, days, options)
    if slot.min() < 1 or slot.max() > slots:
        row = int(((slot < 1) | (slot > slots)).argmax())
        raise DataError(
            f"slots of the day must lie in 1..{slots}, but 'date' of step {row} is '{text[row]}'; "
            f"say how long a slot is with --step"
        )
    return days + (slot - 1) * (DAY // slots), (finding,)


def _days(text: list[str]) -> np.ndarray:
    """Midnight of each date in seconds."""
    found = {}
    for stamp in dict.fromkeys(stamp[:8] for stamp in text):
        try:
            found[stamp] = int(
                np.datetime64(f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:]}", "s").astype(int)
            )
        except ValueError as error:
            row = next(row for row, whole in enumerate(text) if whole.startswith(stamp))
            raise DataError(
                f"'date' of step {row} is '{text[row]}', but {stamp} is no date; mend or remove it"
            ) from error
    return np.array([found[stamp[:8]] for stamp in text], np.int64)


def _slots(slot: np.ndarray, days: np.ndarray, options: ReadOptions) -> tuple[int, Finding]:
    """How many slots a day has: as the user says, or as whole days show."""
    if isinstance(options.step, timedelta):
        options.apply("step")
        seconds = int(options.step.total_seconds())
        if seconds < 1 or DAY % seconds:
            raise DataError(f"--step must divide a day, but {options.step} does not")
        return DAY // seconds, known(f"a slot of the day is {seconds // 60} min long")
    most = int(slot.max())
    turns = (np.diff(days) == DAY) & (slot[1:] == 1) & (slot[:-1] == most)
    text = f"slots of the day run to {most}, so a step is {DAY // most // 60} min"
    if most in SLOTS and turns.any():
        return most, known(text)
    if most in SLOTS[1:]:
        return most, assumed(text, "--step says how long a slot is")
    raise DataError(
        f"slots of the day reach to {most}, and no whole day shows how many there are; say how "
        f"long a slot is with --step, such as --step 30min"
    )
