"""Which columns of an edge list are its ends and its weight, by their names before their places."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from dynst.data.importers.graphs.proximities import WEIGHTS, kind_by_name
from dynst.data.importers.graphs.weighted_pairs import WeightKind
from dynst.data.importers.names import listed
from dynst.data.importers.report import Finding, assumed
from dynst.data.importers.small_tables import words
from dynst.errors import DataError

__all__ = ["check_weight", "end_columns", "has_ends", "said_of_others", "weight_column"]

ENDS = (
    ("from", "to"),
    ("source", "target"),
    ("source", "destination"),
    ("source", "dest"),
    ("src", "dst"),
    ("src", "dest"),
    ("src", "target"),
    ("origin", "destination"),
    ("orig", "dest"),
    ("o", "d"),
    ("i", "j"),
    ("u", "v"),
    ("start", "end"),
    ("sender", "receiver"),
    ("row", "col"),
    ("row", "column"),
)
NUMBERED_ENDS = (("1", "2"), ("a", "b"), ("i", "j"))  # of names such as node_1, sensorA
THINGS = {
    *("id", "ids", "node", "nodes", "sensor", "station", "stop", "detector", "vertex", "point"),
    *("place", "location", "name", "index", "idx", "geo", "no", "nr", "number", "code"),
}
UNIT_NAMES = {"unit", "units", "uom", "einheit"}
OF_UNITS = {"weight", "distance", "length", "of"}
DIRECTIONS = {"oneway", "directed", "undirected", "direction", "bidirectional", "twoway"}
CODES = {"class", "type", "code", "category", "flag", "id", "is", "has", "level", "unit", "count"}
ROW_NUMBERS = THINGS | {"link", "edge", "rel", "row", "arc", "unnamed", "0", "type"}
ALIKE = {"distance": ("distance", "weight"), "proximity": ("proximity", "weight")}


def has_ends(names: Sequence[str]) -> bool:
    """Whether a header names both ends of edges."""
    return bool(_pairs(names))


def end_columns(
    path: Path, names: Sequence[str], fits: Callable[[int, int], bool]
) -> tuple[int, int] | None:
    """The columns of both ends, or None where no names tell.

    Args:
        path: the file.
        names: of the columns.
        fits: whether two columns name sensors; asked where names alone leave a choice.

    Raises:
        DataError: several pairs of columns could be the ends.
    """
    pairs = _pairs(names)
    if len(pairs) > 1:
        pairs = [pair for pair in pairs if fits(*pair)] or pairs
    if len(pairs) > 1:
        shown = " or ".join(f"'{names[first]}' and '{names[second]}'" for first, second in pairs)
        raise DataError(f"{path}: the ends of edges may be {shown}; remove the others")
    return pairs[0] if pairs else None


def weight_column(
    path: Path,
    names: Sequence[str],
    rest: Sequence[int],
    numeric: set[int],
    weights: WeightKind,
    choice: str,
) -> int | None:
    """The column of weights among those that are no ends, if there is one.

    Args:
        path: the file.
        names: of all columns.
        rest: columns that are no ends.
        numeric: columns that hold numbers.
        weights: what the user says the weights are, which decides between two.
        choice: how the user chooses one, for the message.

    Raises:
        DataError: several columns could be the weight.
    """
    rest = [column for column in rest if not _numbers_rows(names[column])]
    kinds = {column: _kind(names[column]) for column in rest}
    named = [column for column in rest if kinds[column]]
    chosen = [
        [column for column in named if kinds[column] == kind] for kind in ALIKE.get(weights, ())
    ]
    found = next(filter(None, chosen), named) or [column for column in rest if column in numeric]
    if len(found) < 2:
        return found[0] if found else None
    shown = ", ".join(f"'{names[column]}'" for column in found)
    raise DataError(f"{path}: the weights of edges may be {shown}; {choice}, or remove all but one")


def said_of_others(
    path: Path, names: Sequence[str], table: pd.DataFrame, rest: Sequence[int]
) -> tuple[Finding, ...]:
    """What is said of columns that are neither ends nor the weight.

    Args:
        path: the file.
        names: of all columns.
        table: cells below the names, as text.
        rest: columns that are no ends.

    Raises:
        DataError: edges have weights of several units.
    """
    found = []
    for column in rest:
        parts, cells = set(words(names[column])), list(table[column].unique())
        if parts & UNIT_NAMES and len(cells) > 1 and not parts - UNIT_NAMES - OF_UNITS:
            raise DataError(
                f"{path}: the weights of edges must have one unit, but '{names[column]}' holds "
                f"{listed(cells)}; convert them to one"
            )
        if parts & DIRECTIONS or parts >= {"one", "way"}:
            text = f"'{names[column]}' is not read: each line is an edge of one direction"
            found.append(assumed(text, "write a line for each direction"))
    return tuple(found)


def check_weight(
    path: Path, name: str, cells: pd.Series, weights: WeightKind
) -> tuple[Finding, ...]:
    """What is said of a column of weights, whose name may not say that it is one.

    Args:
        path: the file.
        name: of the column.
        cells: below its name, as text.
        weights: what the user says the weights are.

    Raises:
        DataError: nothing says so, and the column may as well hold codes, such as lanes or one way.
    """
    if _kind(name):
        return ()
    numbers = pd.to_numeric(cells, errors="coerce").dropna()
    codes = bool((numbers % 1 == 0).all()) and not (numbers == 1).all()
    if codes and weights == "auto":
        raise DataError(
            f"{path}: column '{name}' holds whole numbers ({listed(cells.unique().tolist())}), "
            f"which may be weights or codes; rename it to weight, or remove it for weights of 1"
        )
    text = f"column '{name}' holds the weights of edges"
    return (assumed(text, "remove it for weights of 1"),)


def _pairs(names: Sequence[str]) -> list[tuple[int, int]]:
    keys = [_end(name) for name in names]
    found = [
        (first, second)
        for first, (start, things) in enumerate(keys)
        for second, (end, others) in enumerate(keys)
        if (start, end) in ENDS or (things and others and (start, end) in NUMBERED_ENDS)
    ]
    alike = [pair for pair in found if keys[pair[0]][1] == keys[pair[1]][1]]
    return alike or found


def _end(name: str) -> tuple[str, tuple[str, ...]]:
    """Which end a name means, and of what: ``from_node_id`` is ("from", ("node", "id"))."""
    parts = words(name)
    things = tuple(part for part in parts if part in THINGS)
    ends = [part for part in parts if part not in THINGS]
    if len(ends) != 1:
        return "", ()
    end, thing = ends[0], things
    for known in sorted(THINGS, key=len, reverse=True):
        rest = end.removesuffix(known) if end.endswith(known) else end.removeprefix(known)
        if rest != end and rest and any(rest in pair for pair in (*ENDS, *NUMBERED_ENDS)):
            return rest, (*things, known)
    return end, thing


def _kind(name: str) -> str:
    parts = set(words(name))
    if parts & CODES:
        return ""
    return kind_by_name(name) or ("weight" if parts & WEIGHTS else "")


def _numbers_rows(name: str) -> bool:
    """Whether a column numbers the edges, as link_id, index or one without a name."""
    return set(words(name)) <= ROW_NUMBERS
