"""Pandas HDF frames, time by sensor: METR-LA, PEMS-BAY and their kin.

The frame's arrays are read with h5py, not with ``pandas.read_hdf``: PyTables unpickles attributes
and object arrays that it meets, and a file of strangers may not run code here.
"""

from pathlib import Path

import h5py
import numpy as np

from dynst.data.importers.report import known
from dynst.data.importers.source import ReadOptions, Source, array_blocks
from dynst.data.manifest import Channel
from dynst.errors import DataError

__all__ = ["KIND", "matches", "read"]

KIND = "pandas-hdf"
UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def matches(path: Path, options: ReadOptions) -> bool:
    return path.is_file() and h5py.is_hdf5(path) and bool(_frames(path))


def read(path: Path, options: ReadOptions) -> Source:
    keys = _frames(path)
    if not keys:
        raise DataError(f"{path} holds no pandas frame; name another --kind")
    with h5py.File(path) as file:
        frame = file[keys[0]]
        if "axis0" not in frame or "axis1" not in frame:
            raise DataError(
                f"{path}: '{keys[0]}' must be a frame in pandas' fixed format, but is not; save "
                f"it with format='fixed'"
            )
        ids = _names(path, frame["axis0"])
        time = _times(path, frame["axis1"])
        values = _values(path, frame, ids, len(time))
    findings = (known(f"took key '{keys[0]}' of {', '.join(keys)}"),) if len(keys) > 1 else ()
    return Source(
        KIND,
        tuple(ids),
        (Channel(name="value"),),
        array_blocks(time, values[:, :, None]),
        findings=findings,
    )


def _frames(path: Path) -> list[str]:
    with h5py.File(path) as file:
        return [name for name, group in file.items() if "pandas_type" in group.attrs]


def _plain(path: Path, data: h5py.Dataset) -> np.ndarray:
    """The array, unless its entries are objects, which pandas would unpickle."""
    if data.dtype.kind not in "fiubS":
        raise DataError(
            f"{path}: '{data.name}' must hold numbers or fixed-length texts, but holds objects; "
            f"save the frame with a numeric table"
        )
    values: np.ndarray = data[:]
    return values


def _names(path: Path, data: h5py.Dataset) -> list[str]:
    return [name.decode() if isinstance(name, bytes) else str(name) for name in _plain(path, data)]


def _times(path: Path, data: h5py.Dataset) -> np.ndarray:
    kind = data.attrs.get("kind", b"")
    text = kind.decode() if isinstance(kind, bytes) else str(kind)
    if not text.startswith("datetime64"):
        raise DataError(
            f"{path}: the frame's index must be times, but is of the kind '{text}'; give it a "
            f"DatetimeIndex"
        )
    unit = UNITS[text[text.index("[") + 1 : -1]] if "[" in text else UNITS["ns"]
    stamps = _plain(path, data)
    if (stamps % unit).any():
        raise DataError(
            f"{path}: times must be whole seconds, but some lie between two; round them"
        )
    return stamps // unit


def _values(path: Path, frame: h5py.Group, ids: list[str], steps: int) -> np.ndarray:
    """Pandas keeps columns of one type together in blocks."""
    place = {name: index for index, name in enumerate(ids)}
    values = np.full((steps, len(ids)), np.nan)
    for block in (name.removesuffix("_items") for name in frame if name.endswith("_items")):
        columns = [place[name] for name in _names(path, frame[f"{block}_items"])]
        values[:, columns] = _plain(path, frame[f"{block}_values"])
    return values
