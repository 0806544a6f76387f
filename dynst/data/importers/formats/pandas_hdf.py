"""Pandas HDF frames, time by sensor: METR-LA, PEMS-BAY and their kin.

The frame's arrays are read with h5py, not with ``pandas.read_hdf``: PyTables unpickles attributes
and object arrays that it meets, and a file of strangers may not run code here.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np

from dynst.data.importers.formats.hdf.frames import Frame, frame_of
from dynst.data.importers.formats.netcdf.times import times_or_counts
from dynst.data.importers.report import Finding, assumed, known
from dynst.data.importers.source import Block, ReadOptions, Source
from dynst.data.manifest import Channel
from dynst.errors import DataError

__all__ = ["KIND", "matches", "read"]

KIND = "pandas-hdf"
SENSORS = {"sensor", "station", "node", "site", "location", "detector", "stop", "id"}
QUANTITIES = {"quantity", "variable", "channel", "feature", "parameter", "measurement", "field"}


def matches(path: Path, options: ReadOptions) -> bool:
    return path.is_file() and h5py.is_hdf5(path) and bool(_keys(path))


def read(path: Path, options: ReadOptions) -> Source:
    key = _key(path, options)
    with h5py.File(path) as file:
        frame = frame_of(path, file[key])
    if not frame.parts:
        raise DataError(f"'{key}' has no column of numbers; name another key with --key")
    ids, channels, order, said = _layout(frame, key, options)
    time, clock, timed = times_or_counts(frame.index, options)
    shape = (-1, len(ids), len(channels))

    def blocks() -> Iterator[Block]:
        for part, values in frame.rows(order, len(ids) * len(channels)):
            yield time[part], values.reshape(shape)

    return Source(
        KIND,
        ids,
        tuple(Channel(name=name) for name in channels),
        blocks,
        clock=clock,
        findings=(*timed, *said, *_of_frame(frame)),
        num_steps=len(time),
    )


def _keys(path: Path) -> list[str]:
    """Paths of the groups that pandas wrote, wherever they are."""
    found: list[str] = []

    def look(name: str, item: object) -> None:
        if isinstance(item, h5py.Group) and "pandas_type" in item.attrs:
            found.append(name)

    with h5py.File(path) as file:
        file.visititems(look)
    return found


def _key(path: Path, options: ReadOptions) -> str:
    keys = _keys(path)
    if not keys:
        raise DataError(f"{path} holds no pandas frame; name another --kind")
    if options.key is not None:
        options.apply("key")
        wanted = options.key.strip("/")
        if wanted not in keys:
            raise DataError(f"{path} has no key '{options.key}'; it has {', '.join(keys)}")
        return wanted
    if len(keys) > 1:
        raise DataError(f"{path} has several keys, {', '.join(keys)}; name one with --key")
    return keys[0]


def _of_frame(frame: Frame) -> tuple[Finding, ...]:
    found = []
    if frame.left:
        text = f"columns of texts, times or Python objects left out: {', '.join(frame.left)}"
        found.append(assumed(text, "save them as numbers if they are readings"))
    if frame.zone_unknown:
        text = "the index has a zone that only Python could read, so times are kept in UTC"
        found.append(assumed(text, "--zone"))
    return tuple(found)


Layout = tuple[tuple[str, ...], tuple[str, ...], np.ndarray, tuple[Finding, ...]]


def _layout(frame: Frame, key: str, options: ReadOptions) -> Layout:
    """Sensors, channels, and the place of each column among them."""
    lost = set(frame.left)
    kept = [name for name in frame.columns if ", ".join(name) not in lost]
    if len(frame.levels) == 1:
        place = {name[0]: index for index, name in enumerate(kept)}
        return tuple(place), ("value",), _order(frame, lambda name: place.get(name[0], 0)), ()
    if len(frame.levels) > 2:
        raise DataError(
            f"'{key}' has columns of {len(frame.levels)} levels, of which two can be read, sensor "
            f"and quantity; drop the others"
        )
    level, said = _sensor_level(frame, key, options)
    ids, channels = (
        {text: index for index, text in enumerate(dict.fromkeys(name[which] for name in kept))}
        for which in (level, 1 - level)
    )

    def place_of(name: tuple[str, ...]) -> int:
        sensor, channel = ids.get(name[level], 0), channels.get(name[1 - level], 0)
        return sensor * len(channels) + channel

    return tuple(ids), tuple(channels), _order(frame, place_of), (said,)


def _order(frame: Frame, place_of: Callable[[tuple[str, ...]], int]) -> np.ndarray:
    """The place of each column; that of one without numbers is not used."""
    return np.array([place_of(name) for name in frame.columns], np.int64)


def _sensor_level(frame: Frame, key: str, options: ReadOptions) -> tuple[int, Finding]:
    """The level of the columns that names sensors; the other names quantities."""
    wanted, titles = options.sensor_column, [title.lower() for title in frame.levels]
    if wanted is not None:
        options.apply("sensor_column")
        if wanted.lower() in titles:
            return titles.index(wanted.lower()), known(f"sensors are those of level '{wanted}'")
        if wanted in {"0", "1"}:
            return int(wanted), known(f"sensors are those of level {wanted}")
        raise DataError(
            f"'{key}' has no level '{wanted}' of columns; its levels are 0 and 1"
            + (f", named {' and '.join(frame.levels)}" if all(titles) else "")
        )
    for level, title in enumerate(titles):
        if _is(title, SENSORS) or _is(titles[1 - level], QUANTITIES):
            return level, known(f"sensors are those of level {level} of the columns")
    first, last = (
        ", ".join(list(dict.fromkeys(name[level] for name in frame.columns))[:3])
        for level in (0, 1)
    )
    raise DataError(
        f"'{key}' has columns of two levels, and either may name the sensors: {first}, or {last}; "
        f"say which with --sensor-column 0 or --sensor-column 1"
    )


def _is(title: str, words: set[str]) -> bool:
    return any(part.rstrip("s") in words for part in title.replace("-", "_").split("_"))
