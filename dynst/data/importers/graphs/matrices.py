"""Graphs as square matrices, an entry in row i and column j being an edge from i to j."""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from dynst.data.importers.graphs.nodes import axis_order
from dynst.data.importers.graphs.pickled import read_pickled
from dynst.data.importers.graphs.weighted_pairs import WeightedPairs
from dynst.data.importers.names import SensorNames
from dynst.data.importers.report import Finding, assumed
from dynst.data.importers.sizes.archives import refuse_bombs, refuse_npy
from dynst.errors import DataError

__all__ = ["BINARY", "Matrix", "matrix_pairs", "read_binary_matrix"]

BINARY = {".pkl", ".pickle", ".npy", ".npz"}
NAMES = ("sensor_ids", "sensor_id", "ids", "names", "nodes", "stations", "station_ids", "node_ids")


@dataclass(frozen=True)
class Matrix:
    """A matrix as a file has it.

    Args:
        values: ``[rows, columns]``, sparse or dense.
        rows: names of the rows, if there are any.
        columns: names of the columns, if there are any.
    """

    values: Any
    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()


def read_binary_matrix(path: Path) -> Matrix:
    """A matrix of NumPy, of SciPy, or of a pickle.

    Raises:
        DataError: the file holds none, or several.
    """
    if path.suffix in {".pkl", ".pickle"}:
        values, names = read_pickled(path)
        return Matrix(values, names, names)
    if path.suffix == ".npy" or not zipfile.is_zipfile(path):
        refuse_npy(path)
        return Matrix(np.load(path, allow_pickle=False))
    refuse_bombs(path)
    with np.load(path, allow_pickle=False) as archive:
        names = next((tuple(map(str, archive[key])) for key in NAMES if key in archive), ())
        if "indptr" not in archive and "format" not in archive:
            return Matrix(archive[_array(path, archive)], names, names)
    return Matrix(sparse.load_npz(path), names, names)


def _array(path: Path, archive: Any) -> str:
    """The name of the only square array of an archive."""
    shapes: dict[str, tuple[int, ...]] = {
        name: archive[name].shape for name in archive.files if name not in NAMES
    }
    square = [name for name, shape in shapes.items() if len(shape) == 2 and shape[0] == shape[1]]
    if len(square) == 1:
        return square[0]
    held = ", ".join(f"'{name}' {shape}" for name, shape in list(shapes.items())[:6])
    raise DataError(
        f"{path} must hold one square matrix, but holds {held or 'no array'}; save the matrix of "
        f"the graph alone"
    )


def matrix_pairs(path: Path, matrix: Matrix, names: SensorNames) -> WeightedPairs:
    """The edges of a matrix between the sensors.

    Args:
        path: the file.
        matrix: as the file has it.
        names: of the sensors.

    Raises:
        DataError: the matrix is not square, lacks sensors, or has an entry that is no number.
    """
    shape = np.shape(matrix.values)
    if len(shape) != 2 or (shape[0] != shape[1] and not (matrix.rows and matrix.columns)):
        raise DataError(
            f"{path} must hold a square matrix, but holds {' × '.join(map(str, shape)) or 'none'}"
        )
    rows, columns = matrix.rows or matrix.columns, matrix.columns or matrix.rows
    _check_lengths(path, rows, columns, shape)
    from_row, found = _sensors_of(path, rows, shape[0], names)
    from_column, also = (
        _sensors_of(path, columns, shape[1], names) if columns != rows else (from_row, ())
    )
    entries = sparse.coo_matrix(matrix.values)
    entries.sum_duplicates()
    source, target = from_row[entries.row], from_column[entries.col]
    weight = np.asarray(entries.data, float)
    kept = (source >= 0) & (target >= 0) & (weight != 0)
    findings = dict.fromkeys((*found, *also))
    pairs = WeightedPairs(
        path, names.ids, source, target, weight, is_matrix=True, findings=tuple(findings)
    ).only(kept)
    _refuse_unknown(pairs)
    return pairs.saying(*_direction(pairs))


def _sensors_of(
    path: Path, axis: tuple[str, ...], size: int, names: SensorNames
) -> tuple[np.ndarray, tuple[Finding, ...]]:
    """The sensor of each place of an axis, −1 where it has no readings."""
    order, findings = axis_order(path, axis, size, names)
    sensors = np.full(size, -1, np.int64)
    sensors[order] = np.arange(len(names))
    return sensors, findings


def _check_lengths(
    path: Path, rows: tuple[str, ...], columns: tuple[str, ...], shape: tuple[int, ...]
) -> None:
    for axis, size in ((rows, shape[0]), (columns, shape[1])):
        if axis and len(axis) != size:
            raise DataError(
                f"{path} must have a name for each of the {size} nodes, but has {len(axis)}; "
                f"save the names and the matrix of one graph"
            )


def _refuse_unknown(pairs: WeightedPairs) -> None:
    unknown = np.flatnonzero(np.isnan(pairs.weight))
    if unknown.size:
        raise DataError(
            f"{pairs.path}: every entry must be a number, but {unknown.size} are not, the first "
            f"from {pairs.pair(unknown[0])}; write 0 or, among distances, inf for no edge"
        )


def _direction(pairs: WeightedPairs) -> tuple[Finding, ...]:
    """What a matrix that is not symmetric leaves open."""
    size = len(pairs.ids)
    entries = sparse.csr_matrix((pairs.weight, (pairs.source, pairs.target)), shape=(size, size))
    if not (entries != entries.T).nnz:
        return ()
    text = "an entry in row i and column j is an edge from i to j"
    return (assumed(text, "transpose the matrix if it is one from j to i"),)
