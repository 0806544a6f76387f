"""Columns of a wide table that are no sensors, and those that may be none."""

from collections.abc import Sequence

import numpy as np

from dynst.data.importers.columns.first_cells import Columns, counts_up, quoted
from dynst.data.importers.columns.odd_numbers import refuse_odd_numbers
from dynst.data.importers.columns.quantities import aside_by_name, flags_finding
from dynst.data.importers.columns.words import (
    is_flag_name,
    is_height_name,
    is_season_name,
    is_sensor_name,
    is_total_name,
    quantity_of,
)
from dynst.data.importers.columns.zones import is_zone_name
from dynst.data.importers.report import Finding, assumed
from dynst.errors import DataError

__all__ = ["NOTE", "aside_of_wide", "doubtful_sensors", "place_columns", "said_aside"]

PLACES = (("longitude", "latitude"), ("lon", "lat"), ("lng", "lat"), ("easting", "northing"))
NOTE, ZONE, TIME = "texts", "a zone", "a part of the time"
LEAST_OTHERS, LEAST_ROWS = 2, 4  # that tell a sum or mean


def place_columns(names: Sequence[str]) -> list[str]:
    """Columns of coordinates and heights, where there are both coordinates."""
    lower = {name.lower(): name for name in names}
    found = [lower[name] for pair in PLACES if set(pair) <= set(lower) for name in pair]
    heights = [name for name in names if is_height_name(name)]
    return [*dict.fromkeys(found), *heights] if found else []


def aside_of_wide(columns: Columns, stamps: Sequence[str]) -> dict[str, str]:
    """Columns that are no sensors, and why.

    Args:
        columns: of the table.
        stamps: those of the time.

    Raises:
        DataError: one has cells, but no name, or holds numbers that do not read as such.
    """
    rest = [name for name in columns.names if name not in stamps]
    notes = _notes(columns, rest) if stamps else []
    refuse_odd_numbers(columns, notes)
    places = place_columns(columns.names) if stamps else []
    found = {name: why for name in rest if (why := _why(columns, name, bool(stamps)))}
    found |= dict.fromkeys((name for name in places if name in rest), "a place")
    return found | {name: NOTE for name in notes if name not in found}


def _notes(columns: Columns, names: list[str]) -> list[str]:
    return [name for name in names if columns.cells(name).kind == "text" and not _named(name)]


def _named(name: str) -> bool:
    """Whether a column's name shows what its texts are."""
    return not name or any(
        test(name) for test in (is_sensor_name, is_flag_name, is_season_name, is_zone_name)
    )


def _why(columns: Columns, name: str, timed: bool) -> str:
    cells = columns.cells(name)
    if timed and is_zone_name(name):
        return ZONE
    if cells.kind in {"date", "clock"} and timed:
        return TIME
    if cells.kind == "text" and is_season_name(name):
        return TIME
    if cells.kind in {"text", "empty"} and is_flag_name(name):
        return "a flag"
    aside = aside_by_name(columns, name) if cells.kind == "number" else ""
    if not name and cells.kind == "empty":
        return "empty"
    if not name and not aside:
        raise DataError(
            f"{columns.table.path}: column {columns.names.index(name) + 1} has no name, but "
            f"holds '{cells.texts[cells.texts != ''].iloc[0]}'; name it in the header"
        )
    return aside


def said_aside(aside: dict[str, str]) -> tuple[Finding, ...]:
    """What is said of columns that are no sensors; that of zones is said elsewhere."""
    others = {name: why for name, why in aside.items() if why not in {NOTE, ZONE}}
    notes = [name for name, why in aside.items() if why == NOTE]
    found = []
    if others:
        text = ", ".join(f"{quoted([name])} ({why})" for name, why in others.items())
        found.append(
            assumed(f"no sensors: {text}", "another name in the header keeps one of numbers")
        )
    if notes:
        change = f"--sensor-column '{notes[0]}' if it names the sensor of a row"
        found.append(assumed(f"texts that name no sensors are ignored: {quoted(notes)}", change))
    flags = [name for name in aside if is_flag_name(name)]
    return (*found, flags_finding(flags)) if flags else tuple(found)


def doubtful_sensors(columns: Columns, names: Sequence[str]) -> tuple[Finding, ...]:
    """What is said of sensors that may number the rows, or sum up the others."""
    numbers = {
        name: columns.cells(name).numbers for name in names if columns.cells(name).kind == "number"
    }
    found = []
    if counting := [name for name, column in numbers.items() if counts_up(column)]:
        text = f"{quoted(counting)} grows by 1 from row to row, but is taken as a sensor"
        found.append(assumed(text, "name it 'index' in the header if it numbers the rows"))
    quantities = {quantity_of(name) for name in names}
    if len(quantities) > 1 and "" not in quantities:
        text = f"each of {quoted(names)} is taken as a sensor, though they name quantities"
        found.append(assumed(text, "write a long table if they are quantities of one station"))
    for name, why in _totals(numbers).items():
        text = f"'{name}' is taken as a sensor, though {why}"
        found.append(assumed(text, "remove the column if it sums up the others"))
    return tuple(found)


def _totals(numbers: dict[str, np.ndarray]) -> dict[str, str]:
    if len(numbers) <= LEAST_OTHERS:
        return {}
    found = {name: "its name means a sum or mean" for name in numbers if is_total_name(name)}
    rows = max(map(len, numbers.values()))
    if rows < LEAST_ROWS or any(len(column) < rows for column in numbers.values()):
        return found
    cells = np.stack(list(numbers.values()), axis=1)
    if not np.isfinite(cells).all():
        return found
    others = cells.sum(axis=1, keepdims=True) - cells
    for what, expected in (("sum", others), ("mean", others / (len(numbers) - 1))):
        alike = np.isclose(cells, expected, rtol=1e-4, atol=0).all(axis=0)
        alike &= np.ptp(cells, axis=0) > 0
        for place in np.flatnonzero(alike).tolist():
            found[list(numbers)[place]] = f"it is the {what} of the others in the first rows"
    return found
