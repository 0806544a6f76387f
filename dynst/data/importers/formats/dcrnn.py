"""A DCRNN folder: ``train.npz``, ``val.npz``, ``test.npz`` of overlapping windows, unrolled into
their series.
"""

from itertools import pairwise
from pathlib import Path

import numpy as np

from dynst.data.importers.graphs.graph_files import node_names, own_graph
from dynst.data.importers.report import Finding, assumed, known
from dynst.data.importers.sizes.archives import refuse_bombs
from dynst.data.importers.source import ReadOptions, Source, array_blocks, numbered, step_times
from dynst.data.manifest import Channel
from dynst.errors import DataError

__all__ = ["KIND", "matches", "read"]

KIND = "dcrnn"
PARTS = ("train", "val", "test")
GRAPHS = ("adj_mx.pkl", "adj.npz")


def matches(path: Path, options: ReadOptions) -> bool:
    return path.is_dir() and all((path / f"{part}.npz").is_file() for part in PARTS)


def read(path: Path, options: ReadOptions) -> Source:
    series, joined = _join([_unroll(path / f"{part}.npz") for part in PARTS])
    count = series.shape[1]
    time, clock, findings = step_times(len(series), options)
    graph_file = next((path / name for name in GRAPHS if (path / name).is_file()), None)
    ids, named = _ids(graph_file, count)
    graph = own_graph(graph_file, ids, options)
    findings += (
        (known("channel 1 of the windows is the time of day and was left out"),)
        if series.shape[2] == 2
        else ()
    )
    findings += (*joined, *named, *(graph.findings if graph else ()))
    values = series[:, :, :1] if series.shape[2] == 2 else series
    names = (
        ["value"]
        if values.shape[2] == 1
        else [f"channel{index}" for index in range(values.shape[2])]
    )
    return Source(
        KIND,
        ids,
        tuple(Channel(name=name) for name in names),
        array_blocks(time, values),
        edges=graph.edges if graph else None,
        clock=clock,
        findings=findings,
    )


def _ids(graph: Path | None, count: int) -> tuple[tuple[str, ...], tuple[Finding, ...]]:
    """Sensor ids of the graph's nodes, for the windows hold none."""
    names = node_names(graph)
    if graph is None or len(set(names)) != count or len(names) != count:
        return numbered(count), ()
    text = f"sensor ids are those of {graph.name}, in whose order the windows have the sensors"
    return names, (assumed(text, "rename the file to number the sensors instead"),)


def _unroll(file: Path) -> tuple[np.ndarray, int]:
    """Windows of stride 1 to their series, and the length of a window.

    Every first row, then the rest of the last window.
    """
    refuse_bombs(file, copies=3)
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
    if not np.array_equal(windows[1:, :-1], windows[:-1, 1:], equal_nan=True):
        raise DataError(
            f"{file}: windows must follow each other by one step, and 'y' must follow 'x', but "
            f"they do not; they were shuffled or thinned"
        )
    return np.concatenate([windows[:, 0], windows[-1, 1:]]), windows.shape[1]


def _join(parts: list[tuple[np.ndarray, int]]) -> tuple[np.ndarray, tuple[Finding, ...]]:
    """One series of the parts.

    The windows of the whole series were split into parts, so that two of them share the steps of a
    window but one; or the series was split before, and they share none.
    """
    shared = [
        np.array_equal(before[1 - length :], after[: length - 1], equal_nan=True)
        for (before, length), (after, _) in pairwise(parts)
    ]
    if any(shared) and not all(shared):
        raise DataError(
            f"{' and '.join(PARTS)} must be parts of one series, but only some of them overlap; "
            f"they were shuffled or come from several series"
        )
    cut = parts[0][1] - 1 if all(shared) else 0
    series = np.concatenate([parts[0][0], *(after[cut:] for after, _ in parts[1:])])
    if all(shared):
        return series, ()
    return series, (
        assumed(
            f"the windows of {', '.join(PARTS)} share no steps, so each part is taken to begin "
            f"where the one before it ends",
            "import the series itself if steps are left out between them",
        ),
    )
