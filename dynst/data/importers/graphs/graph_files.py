"""Graphs as the field keeps them: edge lists, adjacency matrices, pickles that may hold arrays and
nothing else.
"""

from dataclasses import dataclass
from pathlib import Path

from dynst.data.edges import Edges
from dynst.data.importers.graphs.edge_columns import has_ends
from dynst.data.importers.graphs.edge_lists import read_edge_list
from dynst.data.importers.graphs.matrices import BINARY, matrix_pairs, read_binary_matrix
from dynst.data.importers.graphs.proximities import edges_of
from dynst.data.importers.graphs.text_matrices import is_matrix, read_text_matrix
from dynst.data.importers.graphs.weighted_pairs import WeightedPairs, WeightKind
from dynst.data.importers.names import SensorNames
from dynst.data.importers.report import Finding
from dynst.data.importers.small_tables import SHOWN, read_head
from dynst.data.importers.source import ReadOptions
from dynst.errors import DataError, in_one_line

__all__ = ["Graph", "WeightKind", "node_names", "own_graph", "read_graph"]


@dataclass(frozen=True)
class Graph:
    """Edges, and what was understood of the file."""

    edges: Edges
    findings: tuple[Finding, ...]


def read_graph(path: Path, ids: tuple[str, ...], weights: WeightKind = "auto") -> Graph:
    """Read a graph over the sensors ``ids``, in their order.

    An edge list goes from its first to its second end; a matrix from its rows to its columns.
    ``auto`` takes for distances a column named so, or values above 1 beside zeros from sensors to
    themselves, and for proximities what lies in 0..1.

    Args:
        path: an edge list or a matrix of text, ``npy``, ``npz``, or a pickle.
        ids: of the sensors; mere numbers from 0 where the readings name none.
        weights: what the weights of the file are.

    Raises:
        DataError: the file is no graph, its nodes are not the network's sensors, or its weights
            may be distances as well as proximities.
    """
    try:
        pairs = _pairs(path, SensorNames(ids), weights)
        edges, findings = edges_of(pairs, weights)
        edges.check(len(ids))
    except DataError as error:
        raise error if str(path) in str(error) else DataError(f"{path}: {error}") from error
    except Exception as error:
        raise DataError(
            f"{path} cannot be read as a graph ({in_one_line(error)}); bring an edge list or an "
            f"adjacency matrix"
        ) from error
    return Graph(edges, findings)


def own_graph(path: Path | None, ids: tuple[str, ...], options: ReadOptions) -> Graph | None:
    """The graph that a form keeps beside its readings.

    Args:
        path: where it would be.
        ids: of the sensors.
        options: whether it is wanted, and what its weights are.

    Returns:
        None where there is no such file, or the user names another graph.

    Raises:
        DataError: as ``read_graph``.
    """
    if path is None or not path.is_file() or not options.own_graph:
        return None
    options.apply("weights")
    return read_graph(path, ids, options.weights)


def node_names(path: Path | None) -> tuple[str, ...]:
    """The names along a matrix of a binary form; empty where it has none, or cannot be read."""
    try:
        return () if path is None else read_binary_matrix(path).columns
    except Exception:  # reported by whoever reads its edges
        return ()


def _pairs(path: Path, names: SensorNames, weights: WeightKind) -> WeightedPairs:
    if path.suffix in BINARY:
        return matrix_pairs(path, read_binary_matrix(path), names)
    head = read_head(path)
    if head.first[0].startswith("{"):
        raise DataError(
            f"{path} must be an edge list or an adjacency matrix, but is JSON; bring a table from, "
            f"to, weight, or a file of places by --positions"
        )
    if not head.second and not (has_ends(head.first) or names.find(head.first[:2], "").complete):
        raise DataError(
            f"{path} must be an edge list or an adjacency matrix, but has only the line "
            f"'{', '.join(head.first)[:SHOWN]}'; bring edges below a line from, to, weight"
        )
    if is_matrix(path, head, names):
        return matrix_pairs(path, read_text_matrix(path, head, names), names)
    return read_edge_list(path, head, names, weights)
