"""``.npz`` archives: PEMS-style ``data`` (time, sensor, channel) with an edge list beside it, or a
grid.
"""

import zipfile
from pathlib import Path

import numpy as np

from dynst.data.clock import Clock
from dynst.data.importers.formats.grids import grid_source
from dynst.data.importers.graph_files import own_graph
from dynst.data.importers.report import Finding, known
from dynst.data.importers.source import (
    PositionKind,
    ReadOptions,
    Source,
    array_blocks,
    numbered,
    step_times,
)
from dynst.data.importers.times import times_of
from dynst.data.importers.zip_safety import refuse_bombs
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
    with np.load(path, allow_pickle=False) as archive:
        values = archive[name]
        fields = {key: archive[key] for key in archive.files if key != name}
    if values.dtype.kind not in "fiub":
        raise DataError(f"{path}: '{name}' must hold numbers, but holds {values.dtype}")
    time, clock, findings = _times(path, fields, len(values), options)
    if values.ndim == 4 or (
        values.ndim == 3 and values.shape[2] > MAX_CHANNELS and "sensor_id" not in fields
    ):
        grid = values if values.ndim == 4 else values[..., None]
        findings += (
            known(
                f"the shape {values.shape} was read as (time, row, "
                f"column{', channel' if values.ndim == 4 else ''})"
            ),
        )
        return grid_source(
            KIND, time, grid, _channels(fields, grid.shape[3]), clock=clock, findings=findings
        )
    return _network(path, time, values, fields, clock, findings, options)


def _network(
    path: Path,
    time: np.ndarray,
    values: np.ndarray,
    fields: dict[str, np.ndarray],
    clock: Clock,
    findings: tuple[Finding, ...],
    options: ReadOptions,
) -> Source:
    values = values[:, :, None] if values.ndim == 2 else values
    if values.ndim != 3:
        raise DataError(
            f"{path} must have the axes time, sensor and channel, but has the shape {values.shape}"
        )
    ids, found = _ids(path, fields, values.shape[1])
    positions, geometry = _positions(fields)
    edge_file = path.with_suffix(".csv")
    edges = own_graph(edge_file, ids, options)
    findings += found + (edges.findings if edges else ())
    return Source(
        KIND,
        ids,
        _channels(fields, values.shape[2]),
        array_blocks(time, values),
        positions=positions,
        geometry=geometry,
        edges=edges.edges if edges else None,
        clock=clock,
        findings=findings,
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
    path: Path, fields: dict[str, np.ndarray], steps: int, options: ReadOptions
) -> tuple[np.ndarray, Clock, tuple[Finding, ...]]:
    if "time" not in fields:
        return step_times(steps, options)
    if len(fields["time"]) != steps:
        raise DataError(
            f"{path}: 'time' must have {steps} entries, one a step, but has {len(fields['time'])}"
        )
    time, reader = times_of(fields["time"], options)
    return time, reader.clock, tuple(reader.findings)


def _ids(
    path: Path, fields: dict[str, np.ndarray], count: int
) -> tuple[tuple[str, ...], tuple[Finding, ...]]:
    file = path.with_suffix(".txt")
    if "sensor_id" in fields:
        ids = tuple(map(str, fields["sensor_id"]))
    elif file.is_file():
        ids = tuple(file.read_text(encoding="utf-8").split())
    else:
        return numbered(count), (known("no sensor ids inside; sensors are numbered from 0"),)
    if len(ids) != count:
        raise DataError(
            f"{path}: there must be {count} sensor ids, one a column, but there are {len(ids)}"
        )
    return ids, () if "sensor_id" in fields else (known(f"sensor ids from {file.name}"),)


def _channels(fields: dict[str, np.ndarray], count: int) -> tuple[Channel, ...]:
    names = [str(name) for name in fields["feature"]] if "feature" in fields else []
    if len(names) != count:
        names = ["value"] if count == 1 else [f"channel{index}" for index in range(count)]
    return tuple(Channel(name=name) for name in names)


def _positions(fields: dict[str, np.ndarray]) -> tuple[np.ndarray | None, PositionKind]:
    for x, y in (("lon", "lat"), ("easting", "northing"), ("x", "y")):
        if x in fields and y in fields:
            return np.stack([fields[x], fields[y]], axis=1).astype(
                float
            ), "lonlat" if x == "lon" else "plane"
    return None, "none"
