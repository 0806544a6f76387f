"""Which sensor each node of a graph is: by its name, or by its number where that is certain
enough.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from dynst.data.importers.names import SensorNames, counted, likely_name, listed, tidy
from dynst.data.importers.report import Finding, assumed, known
from dynst.errors import DataError

__all__ = ["ABSENT", "axis_order", "edge_nodes"]

ABSENT = -1
NAME_THEM = "bring a graph with the sensors' names"


def edge_nodes(
    path: Path, nodes: pd.Series, names: SensorNames, others: frozenset[str] = frozenset()
) -> tuple[np.ndarray, tuple[Finding, ...]]:
    """The sensor of each node of an edge list.

    Args:
        path: the file.
        nodes: as the file names them, both ends of all edges; the index is the line from 0.
        names: of the sensors.
        others: nodes without readings that may occur, and are ``ABSENT``.

    Raises:
        DataError: nodes are strangers, or numbers that count from 0 or from 1.
    """
    found = names.find(nodes, path.name)
    lost = (found.index < 0) & ~nodes.isin(others).to_numpy()
    if not lost.any():
        return found.index, found.findings + _from_zero(path, nodes, names)
    numbers = _numbers(nodes, len(names) + 1)
    if numbers is not None and numbers.max() < len(names) and numbers.min() == 0:
        overlap = (found.index >= 0).any()
        if not overlap or names.ids == tuple(map(str, range(1, len(names) + 1))):
            text = f"nodes of {path.name} are the numbers of the readings' columns, from 0"
            return numbers, (assumed(text, "name the nodes by their sensor ids"),)
    strangers = list(dict.fromkeys(nodes[lost]))
    line = min(nodes.index[(nodes == strangers[0]).to_numpy()]) + 1
    plural = (
        f"node {listed(strangers)} in line {line} is no sensor"
        if len(strangers) == 1
        else f"nodes {listed(strangers)} are no sensors"
    )
    likely = likely_name(strangers[0], names.ids)
    hint = f"did you mean '{likely}'? " if likely else ""
    place = "" if len(strangers) == 1 else f", '{strangers[0]}' stands in line {line}"
    undecided = (
        ", and its numbers may count from 0 or from 1"
        if numbers is not None and numbers.min() > 0
        else ""
    )
    raise DataError(
        f"{path}: {plural} of the network ({len(names)} sensors, the first "
        f"'{names.ids[0]}'){place}{undecided}; {hint}use the same ids in both, "
        f"and remove edges to others"
    )


def _from_zero(path: Path, nodes: pd.Series, names: SensorNames) -> tuple[Finding, ...]:
    """Where sensors have numbers alone, a list without a node 0 may count from 1."""
    if not names.numbered or not len(nodes) or (nodes.map(tidy) == "0").any():
        return ()
    text = f"nodes of {path.name} were counted from 0, though none is 0"
    return (assumed(text, "count them from 0"),)


def axis_order(
    path: Path, axis: Sequence[str], size: int, names: SensorNames
) -> tuple[np.ndarray, tuple[Finding, ...]]:
    """Where on one axis of a matrix each sensor lies.

    Args:
        path: the file.
        axis: names along it; empty where it has none.
        size: of the axis.
        names: of the sensors.

    Returns:
        ``[S]`` int64, and what the user should know of them.

    Raises:
        DataError: a sensor is not there, is there twice, or an axis without names has another size.
    """
    if not axis:
        return _by_order(path, size, names)
    found = names.find(axis, path.name)
    if _counts_up(axis) and not set(range(len(names))) <= set(found.index.tolist()):
        return _by_order(path, size, names)
    _refuse_twins(path, axis, found.index, names)
    order = np.full(len(names), ABSENT, np.int64)
    inside = np.flatnonzero(found.index >= 0)
    order[found.index[inside]] = inside
    if (order >= 0).all():
        return _cut(path, order, size, names, found.findings)
    if not inside.size and (size == len(names) or names.numbered):
        return _by_number(path, axis, names)
    absent = [name for name, place in zip(names.ids, order, strict=True) if place < 0]
    strangers = [name for name, place in zip(axis, found.index, strict=True) if place < 0]
    raise _unlike(path, absent, strangers, names)


def _by_order(path: Path, size: int, names: SensorNames) -> tuple[np.ndarray, tuple[Finding, ...]]:
    if size != len(names):
        raise DataError(
            f"{path} holds a {size} × {size} matrix, but there are {len(names)} sensors; bring one "
            f"with a row and a column for each sensor, or with their names"
        )
    order = np.arange(size, dtype=np.int64)
    if names.numbered:
        return order, ()
    text = f"rows and columns of {path.name} follow the order of the readings' columns"
    return order, (assumed(text, NAME_THEM),)


def _cut(
    path: Path, order: np.ndarray, size: int, names: SensorNames, findings: tuple[Finding, ...]
) -> tuple[np.ndarray, tuple[Finding, ...]]:
    if size == len(names):
        return order, findings
    if names.numbered:  # numbers that are no names do not say which rows were left out
        return _by_order(path, size, names)
    beyond = counted(size - len(names), "sensor")
    text = f"{path.name} names {beyond} without readings; edges there were left out"
    return order, (*findings, known(text))


def _by_number(
    path: Path, axis: Sequence[str], names: SensorNames
) -> tuple[np.ndarray, tuple[Finding, ...]]:
    """An axis that shares no name with the readings: one of both has numbers alone."""
    if names.numbered:
        _by_order(path, len(axis), names)  # refuses another size
        text = (
            f"rows and columns of {path.name} follow the order of the readings' columns, which "
            f"have no names"
        )
        return np.arange(len(axis), dtype=np.int64), (
            assumed(text, "give the readings sensor ids"),
        )
    numbers = _numbers(pd.Series(list(axis)), len(names))
    if numbers is None or len(set(numbers)) < len(names):
        raise _unlike(path, names.ids, axis, names)
    text = f"names in {path.name} are the numbers of the readings' columns, from 0"
    return np.argsort(numbers), (assumed(text, NAME_THEM),)


def _counts_up(axis: Sequence[str]) -> bool:
    """Whether names are the numbers that pandas gives where there are none."""
    return all(tidy(name) == str(index) for index, name in enumerate(axis))


def _numbers(nodes: pd.Series, limit: int) -> np.ndarray | None:
    """Whole numbers below ``limit``, or None where not all nodes are."""
    texts = nodes.map(tidy)
    if not len(texts) or not texts.str.fullmatch("[0-9]+").all():
        return None
    numbers = texts.astype(float).to_numpy()
    return numbers.astype(np.int64) if numbers.max() < limit else None


def _refuse_twins(path: Path, axis: Sequence[str], index: np.ndarray, names: SensorNames) -> None:
    places = index[index >= 0]
    count = np.bincount(places, minlength=len(names))
    if (count > 1).any():
        twin = int(np.argmax(count > 1))
        spelt = list(dict.fromkeys(np.array(axis, object)[index == twin]))
        raise DataError(
            f"{path} must name each sensor once along an axis, but names '{names.ids[twin]}' "
            f"{count[twin]} times (as {listed(spelt)}); remove the others"
        )


def _unlike(
    path: Path, absent: Sequence[str], strangers: Sequence[str], names: SensorNames
) -> DataError:
    other = f"; it has {listed(strangers)} instead" if strangers else ""
    likely = likely_name(strangers[0], absent) if strangers else ""
    other += f"; did you mean '{likely}' by '{strangers[0]}'?" if likely else ""
    return DataError(
        f"{path} must name every sensor of the readings, but lacks {len(absent)} of {len(names)}: "
        f"{listed(absent)}{other}; use the same names in both"
    )
