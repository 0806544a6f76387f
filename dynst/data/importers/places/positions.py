"""Where sensors stand, from a table of ids and coordinates."""

from pathlib import Path

import numpy as np

from dynst.data.importers.names import NameMatch, SensorNames, likely_name, listed
from dynst.data.importers.places.axis_parts import (
    names_side,
    refuse_parts,
    refuse_side_names,
    refuse_sides,
)
from dynst.data.importers.places.coordinates import checked_degrees, parsed, refuse_null_island
from dynst.data.importers.places.place_tables import (
    Axes,
    PlaceTable,
    PositionKind,
    find_axes,
    order_of_degrees,
    read_places,
)
from dynst.data.importers.report import Finding, assumed, known
from dynst.errors import DataError

__all__ = ["read_positions"]

ROW_NUMBERS = {"", "index", "unnamed: 0"}


def read_positions(
    path: Path, ids: tuple[str, ...]
) -> tuple[np.ndarray, PositionKind, tuple[Finding, ...]]:
    """Positions of sensors from delimited text with named columns, or without a header line (id and
    two coordinates), or from GeoJSON.

    Args:
        path: the file.
        ids: of the sensors.

    Returns:
        ``[S, 2]`` in the order of ``ids``: longitude and latitude in degrees, −180..180 and
        −90..90, or x and y of a plane; their kind; and what was understood.

    Raises:
        DataError: the file has no such columns, lacks a sensor, or places one where nothing can be.
    """
    table, names = read_places(path), SensorNames(ids)
    axes = find_axes(path, table)
    column, found = _id_column(path, table, axes, names)
    if axes is None:
        rest = [other for other in range(table.cells.shape[1]) if other != column]
        axes = order_of_degrees(path, table, rest)
    rows = np.flatnonzero(found.index >= 0)
    places = np.stack(
        [_numbers(path, table, axes, at, rows, found, names) for at in (axes.x, axes.y)], axis=1
    )
    if axes.kind == "lonlat":
        _refuse_beside(path, table, axes, rows, places)
    placed = _in_order(path, places, found.index[rows], names)
    if axes.kind == "lonlat":
        placed = checked_degrees(placed, ids, str(path))
    else:
        refuse_null_island(placed, ids, str(path), lonlat=False)
    return placed, axes.kind, _findings(path, table, axes, found, placed)


def _refuse_beside(
    path: Path, table: PlaceTable, axes: Axes, rows: np.ndarray, places: np.ndarray
) -> None:
    """Refuse degrees without their minutes, or whose sign their hemisphere contradicts."""
    if table.labels is None:
        return
    names = (table.labels[axes.x], table.labels[axes.y])
    whole = bool((places == np.floor(places)).all(axis=0).any())
    labels = (*table.labels, *table.others)
    refuse_parts(path, labels, names, whole=whole, bare=table.kind is None)
    refuse_side_names(path, names, places)
    for column, label in enumerate(table.labels):
        if column not in (axes.x, axes.y) and (names_side(label) or not label):
            refuse_sides(path, names, places, label, list(table.cells[column].iloc[rows]))


def _findings(
    path: Path, table: PlaceTable, axes: Axes, found: NameMatch, placed: np.ndarray
) -> tuple[Finding, ...]:
    """What is to be said of the places."""
    others = int((found.index < 0).sum())
    more = (known(f"{others} places of {path.name} are of other sensors"),) if others else ()
    small = axes.kind == "plane" and table.labels and (np.abs(placed) <= (180, 90)).all()
    plane = (
        assumed(
            "x and y lie in a plane",
            "name them longitude and latitude if they are degrees",
        ),
    )
    return (
        known(f"positions from {path.name}: {_reach(axes, placed)}"),
        *found.findings,
        *axes.findings,
        *(plane if small else ()),
        *more,
    )


def _reach(axes: Axes, placed: np.ndarray) -> str:
    names = ("longitude", "latitude") if axes.kind == "lonlat" else ("x", "y")
    return ", ".join(
        f"{name} {low:.6g}…{high:.6g}"
        for name, low, high in zip(names, placed.min(0), placed.max(0), strict=True)
    )


def _id_column(
    path: Path, table: PlaceTable, axes: Axes | None, names: SensorNames
) -> tuple[int | None, NameMatch]:
    """The column that names every sensor, and which sensor each row is."""
    taken = () if axes is None else (axes.x, axes.y)
    looked = {
        column: names.find(table.cells[column], path.name)
        for column in range(table.cells.shape[1])
        if column not in taken
    }
    if not looked:
        return None, _by_order(path, table, names)
    whole = {column: found for column, found in looked.items() if _covers(found, names)}
    if not whole:
        raise _lacking(path, table, looked, names)
    named = {column: whole[column] for column in whole if not _numbers_rows(table, column)}
    exact = {column: found for column, found in (named or whole).items() if not found.findings}
    chosen = exact or named or whole
    first, *others = chosen
    for other in others:
        if not np.array_equal(chosen[first].index, chosen[other].index):
            raise DataError(
                f"{path}: sensors may be named by {_label(table, first)} or "
                f"{_label(table, other)}; remove one of these columns"
            )
    if names.numbered:
        return first, _of_numbers(path, table, first, chosen[first], names)
    return first, chosen[first]


def _covers(found: NameMatch, names: SensorNames) -> bool:
    return len(np.unique(found.index[found.index >= 0])) == len(names)


def _numbers_rows(table: PlaceTable, column: int) -> bool:
    return table.labels is not None and table.labels[column].lower() in ROW_NUMBERS


def _label(table: PlaceTable, column: int) -> str:
    return f"'{table.labels[column]}'" if table.labels else f"column {column + 1}"


def _by_order(path: Path, table: PlaceTable, names: SensorNames) -> NameMatch:
    """A table of coordinates alone."""
    if len(table.cells) != len(names):
        raise DataError(
            f"{path} must have a column of sensor ids, or a row for each of the {len(names)} "
            f"sensors, but has {len(table.cells)} rows; add the ids"
        )
    text = f"places of {path.name} follow the order of the readings' columns"
    return NameMatch(np.arange(len(names)), (assumed(text, "add a column of sensor ids"),))


def _of_numbers(
    path: Path, table: PlaceTable, column: int, found: NameMatch, names: SensorNames
) -> NameMatch:
    """Readings without names: their numbers say which rows are meant only if there are no more."""
    if not found.complete:
        raise DataError(
            f"{path} places {len(found.index)} sensors, but the network has {len(names)}, which "
            f"are numbered and have no names; remove the other places, or name the sensors"
        )
    text = f"{_label(table, column)} of {path.name} is the number of the readings' column, from 0"
    return NameMatch(found.index, (*found.findings, assumed(text, "give the readings sensor ids")))


def _lacking(
    path: Path, table: PlaceTable, looked: dict[int, NameMatch], names: SensorNames
) -> DataError:
    best = max(looked, key=lambda column: int((looked[column].index >= 0).sum()))
    index = looked[best].index
    absent = [names.ids[at] for at in sorted(set(range(len(names))) - set(index.tolist()))]
    strangers = table.cells[best][index < 0].drop_duplicates()
    other = f" ({_label(table, best)} has {listed(list(strangers))} instead)" * bool(len(strangers))
    remedy = "add it"
    if len(strangers) and (likely := likely_name(strangers.iloc[0], absent)):
        line = _row(table, int(strangers.index[0]))
        remedy = f"rename '{strangers.iloc[0]}' in {line} if it is '{likely}'"
    return DataError(
        f"{path} has no position for {len(absent)} of {len(names)} sensors, the first "
        f"'{absent[0]}'{other}; {remedy}"
    )


def _row(table: PlaceTable, index: int) -> str:
    return f"{'line' if table.kind is None else 'feature'} {index + 1}"


def _numbers(
    path: Path,
    table: PlaceTable,
    axes: Axes,
    column: int,
    rows: np.ndarray,
    found: NameMatch,
    names: SensorNames,
) -> np.ndarray:
    """Coordinates ``[R]`` of the rows that are sensors."""
    cells = table.cells[column].iloc[rows]
    axis = axes.name_of(column)
    numbers = parsed(list(cells), axis)
    bad = np.flatnonzero(~np.isfinite(numbers))
    if bad.size:
        cell, where = cells.iloc[bad[0]], _row(table, int(cells.index[bad[0]]))
        held = f"is '{cell}'" if cell else "is empty"
        raise DataError(
            f"{path}: every coordinate must be a number with a decimal point, but "
            f"{axis} of '{names.ids[found.index[rows[bad[0]]]]}' in "
            f"{where} {held}; mend it"
        )
    return numbers


def _in_order(path: Path, places: np.ndarray, index: np.ndarray, names: SensorNames) -> np.ndarray:
    """``[S, 2]``, one place for each sensor."""
    placed = np.empty((len(names), 2))
    placed[index] = places
    unlike = np.flatnonzero((placed[index] != places).any(axis=1))
    if unlike.size:
        row = unlike[0]
        sensor = index[row]
        raise DataError(
            f"{path}: each sensor must have one place, but '{names.ids[sensor]}' has "
            f"{tuple(places[row].tolist())} and {tuple(placed[sensor].tolist())}; keep one of them"
        )
    return placed
