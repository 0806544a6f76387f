"""Graphs as the field keeps them: edge lists, adjacency matrices, pickles that may hold arrays and
nothing else.
"""

import io
import pickle
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy import sparse

from dynst.data.edges import Edges
from dynst.data.importers.report import Finding, known
from dynst.data.importers.text_cells import is_number
from dynst.data.importers.zip_safety import refuse_bombs
from dynst.errors import DataError

__all__ = ["Graph", "WeightKind", "read_graph"]

WeightKind = Literal["auto", "proximity", "distance"]
DISTANCE_NAMES = {"cost", "distance", "dist", "length", "metres", "meters", "km"}
ALLOWED_GLOBALS = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.numeric", "_frombuffer"),
    ("numpy._core.numeric", "_frombuffer"),
    ("_codecs", "encode"),
}


@dataclass(frozen=True)
class Graph:
    """Edges, and what was understood of the file."""

    edges: Edges
    findings: tuple[Finding, ...]


def read_graph(path: Path, ids: tuple[str, ...], weights: WeightKind = "auto") -> Graph:
    """Read a graph over the sensors ``ids``, in their order.

    Distances become proximities by a Gaussian kernel whose width is their standard deviation (Li et
    al. 2018, DCRNN); ``auto`` takes for distances a column named so, or a matrix with values above
    1 and a zero diagonal.

    Raises:
        DataError: the file is no graph, or its nodes are not the network's sensors.
    """
    try:
        if path.suffix == ".csv" and not _is_square(path):
            source, target, weight, are_distances = _edge_list(path, ids)
        else:
            source, target, weight, are_distances = _matrix_edges(path, ids)
    except DataError:
        raise
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"{path} cannot be read as a graph ({reason}); bring an edge list or an adjacency "
            f"matrix"
        ) from error
    as_distances = are_distances if weights == "auto" else weights == "distance"
    others = source != target
    source, target, weight = source[others], target[others], np.asarray(weight[others], float)
    if as_distances and len(weight):
        weight = np.exp(-((weight / (weight.std() or weight.mean() or 1.0)) ** 2))
    edges = Edges(source.astype(np.int64), target.astype(np.int64), weight.astype(np.float32))
    edges.check(len(ids))
    kind = "distances, turned into proximities" if as_distances else "taken as proximities"
    return Graph(edges, (known(f"edges from {path.name}: {len(edges)}, weights {kind}"),))


def _edge_list(path: Path, ids: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray, bool]:
    head = pd.read_csv(path, header=None, nrows=1, dtype=str)
    named = not all(is_number(text) for text in head.iloc[0])
    table = pd.read_csv(path, header=0 if named else None, dtype=str)
    if table.shape[1] < 2:
        raise DataError(f"{path} must have columns from, to and a weight, but has {table.shape[1]}")
    source, target = _ends(path, table.iloc[:, 0], table.iloc[:, 1], ids)
    weight = (
        pd.to_numeric(table.iloc[:, 2]).to_numpy(float)
        if table.shape[1] > 2
        else np.ones(len(table))
    )
    distances = named and table.shape[1] > 2 and str(table.columns[2]).lower() in DISTANCE_NAMES
    return (
        source,
        target,
        weight,
        distances or (not named and bool(len(weight)) and float(np.nanmax(weight)) > 1),
    )


def _ends(
    path: Path, source: pd.Series, target: pd.Series, ids: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Both ends by sensor id, or, where that does not fit all, both by 0-based column."""
    by_id = {name: index for index, name in enumerate(ids)}
    found = source.map(by_id), target.map(by_id)
    if all(end.notna().all() for end in found):
        return found[0].to_numpy(np.int64), found[1].to_numpy(np.int64)
    both = pd.concat([source, target])
    if both.map(lambda text: str(text).isdigit() and int(text) < len(ids)).all():
        return source.astype(np.int64).to_numpy(), target.astype(np.int64).to_numpy()
    stranger = both[pd.concat(found).isna()].iloc[0]
    raise DataError(
        f"{path}: node '{stranger}' is no sensor of the network ({len(ids)} sensors, "
        f"the first '{ids[0]}'); use the same ids in both, and remove edges to others"
    )


def _matrix_edges(
    path: Path, ids: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, bool]:
    matrix, names = _matrix(path)
    if matrix.shape[0] != matrix.shape[1]:
        raise DataError(
            f"{path} must hold a square matrix, but holds {matrix.shape[0]} × {matrix.shape[1]}"
        )
    if names and set(ids) <= set(names):
        order = [names.index(name) for name in ids]
        matrix = matrix.tocsr()[order][:, order]
    elif matrix.shape[0] != len(ids):
        raise DataError(
            f"{path} is a graph of {matrix.shape[0]} nodes, but the network has {len(ids)} "
            f"sensors; remove the rows and columns "
            "that have no readings, or bring a graph with sensor ids"
        )
    matrix = sparse.coo_matrix(matrix)
    distances = bool(matrix.nnz) and float(matrix.data.max()) > 1 and not matrix.diagonal().any()
    return matrix.col, matrix.row, matrix.data, distances  # row l lists the senders of location l


def _matrix(path: Path) -> tuple[Any, list[str]]:
    if path.suffix in {".pkl", ".pickle"}:
        return _pickled(path)
    if path.suffix == ".npy":
        return sparse.coo_matrix(np.load(path, allow_pickle=False)), []
    if path.suffix == ".npz" and zipfile.is_zipfile(path):
        refuse_bombs(path)
        with np.load(path, allow_pickle=False) as archive:
            names = [
                str(name)
                for key in ("sensor_ids", "sensor_id")
                if key in archive
                for name in archive[key]
            ]
            if "indptr" not in archive:
                return sparse.coo_matrix(
                    archive[next(key for key in archive.files if archive[key].ndim == 2)]
                ), names
        return sparse.load_npz(path), []
    return _square_csv(path)


def _square_csv(path: Path) -> tuple[Any, list[str]]:
    table = pd.read_csv(path, header=None, dtype=str)
    if table.shape[0] == table.shape[1] and bool(
        table.iloc[:1, 0].isna().all()
    ):  # names above and beside the numbers
        return sparse.coo_matrix(table.iloc[1:, 1:].to_numpy(float)), []
    if table.shape[0] == table.shape[1] + 1:
        return sparse.coo_matrix(table.iloc[1:].to_numpy(float)), [
            str(name) for name in table.iloc[0]
        ]
    return sparse.coo_matrix(table.to_numpy(float)), []


def _is_square(path: Path) -> bool:
    """Whether a comma-separated file is a matrix: an edge list has two or three columns, or four
    and another number of lines.
    """
    with path.open(encoding="utf-8", errors="replace") as file:
        width = len(file.readline().split(","))
        return width > 4 or (width == 4 and 1 + sum(1 for line in file if line.strip()) in {4, 5})


def _pickled(path: Path) -> tuple[Any, list[str]]:
    """``[ids, id → index, matrix]`` as DCRNN keeps it, or a bare matrix."""
    content = _ArraysOnly(io.BytesIO(path.read_bytes()), encoding="latin1").load()
    if isinstance(content, (list, tuple)) and len(content) == 3:
        names = [name.decode() if isinstance(name, bytes) else str(name) for name in content[0]]
        return sparse.coo_matrix(np.asarray(content[2], float)), names
    return sparse.coo_matrix(np.asarray(content, float)), []


class _ArraysOnly(pickle.Unpickler):
    """Admits numpy arrays and plain containers.

    Anything that names other code is refused before it runs.
    """

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED_GLOBALS:
            raise DataError(
                f"a pickled graph may hold arrays and lists alone, but asks to run "
                f"'{module}.{name}'; do not trust this file"
            )
        return super().find_class(module, name)
