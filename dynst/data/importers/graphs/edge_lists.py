"""Graphs as lists of edges: a line for each, with both ends and a weight."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from dynst.data.importers.graphs.edge_columns import (
    check_weight,
    end_columns,
    has_ends,
    said_of_others,
    weight_column,
)
from dynst.data.importers.graphs.nodes import edge_nodes
from dynst.data.importers.graphs.weighted_pairs import WeightedPairs, WeightKind
from dynst.data.importers.names import SensorNames, counted
from dynst.data.importers.report import Finding, assumed
from dynst.data.importers.small_tables import Head, read_cells
from dynst.data.importers.text_cells import is_number
from dynst.errors import DataError

__all__ = ["read_edge_list"]

PANDAS_NUMBERS = ("0", "1", "2")


@dataclass(frozen=True)
class _Columns:
    source: int
    target: int
    weight: int | None
    label: str = ""
    findings: tuple[Finding, ...] = ()


def read_edge_list(
    path: Path,
    head: Head,
    names: SensorNames,
    weights: WeightKind = "auto",
    *,
    weight_name: str | None = None,
    others: frozenset[str] = frozenset(),
    choice: str = "say --weights distance or --weights proximity",
) -> WeightedPairs:
    """Edges from … to …, with their weights as the file has them.

    Args:
        path: the file.
        head: how it begins.
        names: of the sensors.
        weights: what the user says the weights are.
        weight_name: of the column of weights, where the form declares it.
        others: nodes without readings, whose edges are left out.
        choice: how the user chooses between two columns of weights.

    Raises:
        DataError: columns, nodes or weights are not what they should be.
    """
    table = read_cells(path, head)
    header = _has_header(head, names, table)
    labels = head.first if header else ("",) * table.shape[1]
    labels = (*labels, *("",) * (table.shape[1] - len(labels)))
    table = table.iloc[1:] if header else table
    if header and weight_name is None:
        columns = _by_name(path, labels, table, names, weights, choice)
    else:
        columns = (
            _declared(path, labels, weight_name) if weight_name else _by_place(path, table, names)
        )
    source, target = table[columns.source], table[columns.target]
    _refuse_blank(path, pd.concat([source, target]), table)
    index, found = edge_nodes(path, pd.concat([source, target]), names, others)
    has_weights = columns.weight is not None
    weight = (
        _weights(path, table[columns.weight], columns.label)
        if columns.weight is not None
        else np.ones(len(table))
    )
    pairs = WeightedPairs(
        path,
        names.ids,
        index[: len(table)],
        index[len(table) :],
        weight,
        columns.label,
        has_weights,
        findings=(*columns.findings, *found),
    )
    return _inside(pairs)


def _has_header(head: Head, names: SensorNames, table: pd.DataFrame) -> bool:
    """Whether the first line names columns: it holds no number, or is what pandas writes for
    columns without names, or begins with the blank above row numbers.
    """
    cells = head.first
    if cells[0] == "":
        return True
    if has_ends(cells) and not (
        names.find(cells[:2], "").complete and any(map(is_number, cells[2:]))
    ):
        return True
    if any(is_number(cell) for cell in cells):
        return cells == PANDAS_NUMBERS and bool(
            len(table) > 1 and table.iloc[1:, 2].str.contains(".", regex=False).all()
        )
    return not names.find(cells[:2], "").complete


def _by_name(
    path: Path,
    labels: Sequence[str],
    table: pd.DataFrame,
    names: SensorNames,
    weights: WeightKind,
    choice: str,
) -> _Columns:
    def fits(first: int, second: int) -> bool:
        return names.find(pd.concat([table[first], table[second]]), "").complete

    ends = end_columns(path, labels, fits)
    if ends is None:
        return _unnamed_ends(path, labels, table, weights)
    rest = [column for column in range(len(labels)) if column not in ends]
    numeric = {column for column in rest if table[column].map(is_number).any()}
    weight = weight_column(path, labels, rest, numeric, weights, choice)
    others = said_of_others(path, labels, table, [column for column in rest if column != weight])
    if weight is None:
        return _Columns(*ends, None, findings=others)
    said = check_weight(path, labels[weight], table[weight], weights)
    return _Columns(*ends, weight, labels[weight], (*said, *others))


def _unnamed_ends(
    path: Path, labels: Sequence[str], table: pd.DataFrame, weights: WeightKind
) -> _Columns:
    """A header whose names tell nothing: the first two columns beside row numbers are the ends."""
    rest = [column for column, label in enumerate(labels) if label or table[column].ne("").all()]
    rest = rest[1:] if labels[0] == "" else rest
    if not 2 <= len(rest) <= 3:
        raise DataError(
            f"{path} must have columns from, to and a weight, but has "
            f"{', '.join(labels[:8])}; name them so"
        )
    weight = rest[2] if len(rest) == 3 else None
    said = () if weight is None else check_weight(path, labels[weight], table[weight], weights)
    text = f"columns '{labels[rest[0]]}' and '{labels[rest[1]]}' are the ends, from and to"
    return _Columns(
        rest[0],
        rest[1],
        weight,
        labels[weight] if weight is not None else "",
        (assumed(text, "name them from and to"), *said),
    )


def _by_place(path: Path, table: pd.DataFrame, names: SensorNames) -> _Columns:
    if not 2 <= table.shape[1] <= 3:
        raise DataError(
            f"{path} must have columns from, to and a weight, but has {table.shape[1]} and no "
            f"header line; give it one"
        )
    weight = 2 if table.shape[1] == 3 else None
    text = f"{path.name} has no header line, so its columns are from, to" + (
        " and the weight" if weight else ""
    )
    return _Columns(0, 1, weight, "", (assumed(text, "give it a header line"),))


def _declared(path: Path, labels: Sequence[str], weight_name: str) -> _Columns:
    """Both ends by their names, and the weight by the name that the form declares."""
    ends = end_columns(path, labels, lambda first, second: False)
    if ends is None or weight_name not in labels:
        raise DataError(
            f"{path} must have columns origin_id, destination_id and '{weight_name}', but has "
            f"{', '.join(labels[:8])}; name them so"
        )
    return _Columns(*ends, list(labels).index(weight_name), weight_name)


def _refuse_blank(path: Path, nodes: pd.Series, table: pd.DataFrame) -> None:
    blank = nodes.index[nodes.eq("")]
    if len(blank):
        raise DataError(
            f"{path}: both ends of an edge must be named, but line {blank[0] + 1} "
            f"({', '.join(table.loc[blank[0]])}) lacks one; name it or remove the line"
        )


def _weights(path: Path, texts: pd.Series, label: str) -> np.ndarray:
    numbers = pd.to_numeric(texts, errors="coerce")
    bad = numbers.index[numbers.isna()]
    if len(bad):
        text = texts[bad[0]]
        what = f"is '{text}'" if text else "is empty"
        raise DataError(
            f"{path}: every weight must be a number with a decimal point, but {len(bad)} are not; "
            f"{repr(label) if label else 'the weight'} in line {bad[0] + 1} {what}; mend or "
            f"remove that edge"
        )
    return numbers.to_numpy(float)


def _inside(pairs: WeightedPairs) -> WeightedPairs:
    """Without edges to nodes that have no readings."""
    absent = (pairs.source < 0) | (pairs.target < 0)
    if not absent.any():
        return pairs
    lost = counted(int(absent.sum()), "edge")
    text = f"{lost} of {pairs.path.name} to or from sensors without readings left out"
    return pairs.only(~absent, assumed(text, "bring their readings"))
