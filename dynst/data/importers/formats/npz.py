"""``.npz`` archives: PEMS-style ``data`` (time, sensor, channel) with an edge list beside it, or a
grid.
"""

import zipfile
from pathlib import Path

import numpy as np

from dynst.data.clock import Clock
from dynst.data.importers.columns.first_cells import quoted
from dynst.data.importers.formats.grids import grid_source
from dynst.data.importers.formats.npz_members import Members
from dynst.data.importers.graphs.graph_files import own_graph
from dynst.data.importers.places.coordinates import checked_degrees, refuse_null_island
from dynst.data.importers.report import Finding, assumed, known
from dynst.data.importers.sizes.archives import refuse_bombs
from dynst.data.importers.source import (
    BLOCK_BYTES,
    PositionKind,
    ReadOptions,
    Source,
    array_blocks,
    numbered,
    step_times,
)
from dynst.data.importers.times.reader import times_of
from dynst.data.manifest import Channel
from dynst.errors import DataError

__all__ = ["KIND", "matches", "read"]

KIND = "npz"
MAX_CHANNELS = 16  # a longer last axis of three is a grid's width
SERIES = ("data", "volume", "x", "arr_0", "values", "readings")


def matches(path: Path, options: ReadOptions) -> bool:
    return (
        path.is_file()
        and path.suffix == ".npz"
        and zipfile.is_zipfile(path)
        and _series_name(path) is not None
    )


def read(path: Path, options: ReadOptions) -> Source:
    refuse_bombs(path)
    name = _series_name(path)
    if name is None:
        raise DataError(
            f"{path} holds no series (an array of times by sensors named {', '.join(SERIES[:-1])} "
            f"or {SERIES[-1]})"
        )
    members = Members(path)
    values = members.get(name, "save it as an array of numbers, such as float32")
    if values.dtype.kind not in "fiub":
        raise DataError(f"{path}: '{name}' must hold numbers, but holds {values.dtype}")
    time, clock, findings = _times(members, len(values), options)
    if values.ndim == 4 or (
        values.ndim == 3 and values.shape[2] > MAX_CHANNELS and "sensor_id" not in members
    ):
        return _grid(members, time, values, clock, findings, options)
    return _network(members, time, values, clock, findings, options)


def _grid(
    members: Members,
    time: np.ndarray,
    values: np.ndarray,
    clock: Clock,
    findings: tuple[Finding, ...],
    options: ReadOptions,
) -> Source:
    grid = values if values.ndim == 4 else values[..., None]
    shape = known(
        f"the shape {values.shape} was read as (time, row, "
        f"column{', channel' if values.ndim == 4 else ''})"
    )
    channels, grid, dropped = _distinct(_channels(members, grid.shape[3]), grid, options)
    findings += (shape, *dropped, *members.findings())
    return grid_source(KIND, time, grid, channels, clock=clock, findings=findings)


def _network(
    members: Members,
    time: np.ndarray,
    values: np.ndarray,
    clock: Clock,
    findings: tuple[Finding, ...],
    options: ReadOptions,
) -> Source:
    path = members.path
    values = values[:, :, None] if values.ndim == 2 else values
    if values.ndim != 3:
        raise DataError(
            f"{path} must have the axes time, sensor and channel, but has the shape {values.shape}"
        )
    ids, found = _ids(members, values.shape[1])
    positions, geometry = _positions(members, ids) if options.own_positions else (None, "none")
    channels, values, dropped = _distinct(_channels(members, values.shape[2]), values, options)
    edge_file = path.with_suffix(".csv")
    edges = own_graph(edge_file, ids, options)
    findings += (*found, *dropped, *members.findings(), *(edges.findings if edges else ()))
    return Source(
        KIND,
        ids,
        channels,
        array_blocks(time, values),
        positions=positions,
        geometry=geometry,
        edges=edges.edges if edges else None,
        clock=clock,
        findings=findings,
        num_steps=len(values),
    )


def _distinct(
    channels: tuple[Channel, ...], values: np.ndarray, options: ReadOptions
) -> tuple[tuple[Channel, ...], np.ndarray, tuple[Finding, ...]]:
    """Without channels that are the same everywhere at every step, such as the time of the day.

    ``values [N, …, C]``; all channels where the user names those to take.
    """
    alike = [index for index in range(len(channels)) if _alike(values[..., index])]
    if options.variables or not alike or len(alike) == len(channels):
        return channels, values, ()
    kept = [index for index in range(len(channels)) if index not in alike]
    names = [channels[index].name for index in alike]
    text = f"{quoted(names)} is the same for all sensors at every time, so it is no reading"
    found = assumed(text, f"--variable {names[0]} takes it all the same")
    return tuple(channels[index] for index in kept), values[..., kept], (found,)


def _alike(values: np.ndarray) -> bool:
    """Whether each step has one value; ``[N, …]``, in parts, the first difference ends it."""
    flat = values.reshape(len(values), -1)
    rows = max(1, BLOCK_BYTES // max(1, flat[:1].nbytes))
    return flat.shape[1] > 1 and all(
        np.array_equal(part, np.broadcast_to(part[:, :1], part.shape), equal_nan=True)
        for part in (flat[first : first + rows] for first in range(0, len(flat), rows))
    )


def _series_name(path: Path) -> str | None:
    with zipfile.ZipFile(path) as archive:
        members = {Path(name).stem for name in archive.namelist()}
    if {"x", "y"} <= members or {
        "indices",
        "indptr",
    } <= members:  # windows of a split; a sparse matrix
        return None
    return next((name for name in SERIES if name in members), None)


def _times(
    members: Members, steps: int, options: ReadOptions
) -> tuple[np.ndarray, Clock, tuple[Finding, ...]]:
    given = options.start is not None and options.step is not None
    if "time" not in members or (members.is_object("time") and given):
        return step_times(steps, options)
    times = members.get(
        "time", "save it as datetime64 or as texts, or give its times with --start and --step"
    )
    if len(times) != steps:
        raise DataError(
            f"{members.path}: 'time' must have {steps} entries, one a step, but has {len(times)}"
        )
    time, reader = times_of(times, options)
    return time, reader.clock, tuple(reader.findings)


def _ids(members: Members, count: int) -> tuple[tuple[str, ...], tuple[Finding, ...]]:
    file = members.path.with_suffix(".txt")
    if "sensor_id" in members:
        array = members.get("sensor_id", "save it as an array of texts, with .astype(str)")
        ids = tuple(text.decode() if isinstance(text, bytes) else str(text) for text in array)
    elif file.is_file():
        ids = tuple(file.read_text(encoding="utf-8").split())
    else:
        return numbered(count), (known("no sensor ids inside; sensors are numbered from 0"),)
    if len(ids) != count:
        raise DataError(
            f"{members.path}: there must be {count} sensor ids, one a column, but there are "
            f"{len(ids)}"
        )
    return ids, () if "sensor_id" in members else (known(f"sensor ids from {file.name}"),)


def _channels(members: Members, count: int) -> tuple[Channel, ...]:
    names = []
    if "feature" in members and not members.is_object("feature"):
        names = [str(name) for name in members.get("feature", "")]
    if len(names) != count:
        names = ["value"] if count == 1 else [f"channel{index}" for index in range(count)]
    return tuple(Channel(name=name) for name in names)


def _positions(members: Members, ids: tuple[str, ...]) -> tuple[np.ndarray | None, PositionKind]:
    for x, y in (("lon", "lat"), ("easting", "northing"), ("x", "y")):
        if x in members and y in members:
            remedy = "save it as an array of numbers"
            pair = [members.get(name, remedy) for name in (x, y)]
            _check_shape(members.path, pair, (x, y), ids)
            places, file = np.stack(pair, axis=1).astype(float), str(members.path)
            if x == "lon":
                return checked_degrees(places, ids, file), "lonlat"
            refuse_null_island(places, ids, file, lonlat=False)
            return places, "plane"
    return None, "none"


def _check_shape(
    path: Path, pair: list[np.ndarray], names: tuple[str, str], ids: tuple[str, ...]
) -> None:
    """Refuse coordinates that are not one finite number a sensor."""
    for array, name in zip(pair, names, strict=True):
        if array.shape != (len(ids),) or array.dtype.kind not in "fiu":
            raise DataError(
                f"{path}: '{name}' must hold {len(ids)} numbers, one a sensor, but holds "
                f"{array.dtype} of the shape {array.shape}; mend it, or bring --positions"
            )
        if not np.isfinite(array).all():
            sensor = ids[int((~np.isfinite(array)).argmax())]
            raise DataError(
                f"{path}: every sensor must have a place, but '{name}' of '{sensor}' is no "
                f"number; give it, or bring --positions"
            )
