"""A DCRNN folder: ``train.npz``, ``val.npz``, ``test.npz`` of overlapping windows, unrolled into
their series.
"""

from pathlib import Path

import numpy as np

from dynst.data.importers.graph_files import own_graph
from dynst.data.importers.report import known
from dynst.data.importers.source import ReadOptions, Source, array_blocks, numbered, step_times
from dynst.data.importers.zip_safety import refuse_bombs
from dynst.data.manifest import Channel
from dynst.errors import DataError

__all__ = ["KIND", "matches", "read"]

KIND = "dcrnn"
PARTS = ("train", "val", "test")
GRAPHS = ("adj_mx.pkl", "adj.npz")


def matches(path: Path, options: ReadOptions) -> bool:
    return path.is_dir() and all((path / f"{part}.npz").is_file() for part in PARTS)


def read(path: Path, options: ReadOptions) -> Source:
    series = _join([_unroll(path / f"{part}.npz") for part in PARTS])
    count = series.shape[1]
    time, clock, findings = step_times(len(series), options)
    graph_file = next((path / name for name in GRAPHS if (path / name).is_file()), None)
    graph = own_graph(graph_file, numbered(count), options)
    findings += (
        (known("channel 1 of the windows is the time of day and was left out"),)
        if series.shape[2] == 2
        else ()
    )
    findings += graph.findings if graph else ()
    values = series[:, :, :1] if series.shape[2] == 2 else series
    names = (
        ["value"]
        if values.shape[2] == 1
        else [f"channel{index}" for index in range(values.shape[2])]
    )
    return Source(
        KIND,
        numbered(count),
        tuple(Channel(name=name) for name in names),
        array_blocks(time, values),
        edges=graph.edges if graph else None,
        clock=clock,
        findings=findings,
    )


def _unroll(file: Path) -> np.ndarray:
    """Windows of stride 1 to their series: every first row, then the rest of the last window."""
    refuse_bombs(file)
    with np.load(file, allow_pickle=False) as archive:
        if not {"x", "y"} <= set(archive.files):
            raise DataError(
                f"{file} must hold windows 'x' and 'y', but holds "
                f"{', '.join(archive.files) or 'nothing'}"
            )
        windows = np.concatenate([archive["x"], archive["y"]], axis=1).astype(
            np.float32
        )  # [M, T + H, S, C]
    if windows.ndim != 4 or not len(windows):
        raise DataError(
            f"{file}: windows must have the axes window, step, sensor and channel, but have the "
            f"shape {windows.shape}"
        )
    series = np.concatenate([windows[:, 0], windows[-1, 1:]])
    if len(windows) > 1 and not np.array_equal(windows[1:, 0], windows[:-1, 1], equal_nan=True):
        raise DataError(
            f"{file}: windows must follow each other by one step, but do not; they were shuffled "
            f"or thinned"
        )
    return series


def _join(parts: list[np.ndarray]) -> np.ndarray:
    """Parts follow each other; windows near a border reach into both, so the overlap is cut off."""
    series = parts[0]
    for after in parts[1:]:
        series = np.concatenate([series, after[_overlap(series, after) :]])
    return series


def _overlap(before: np.ndarray, after: np.ndarray) -> int:
    for length in range(min(len(before), len(after)), 0, -1):
        if np.array_equal(before[-length:], after[:length], equal_nan=True):
            return length
    return 0
