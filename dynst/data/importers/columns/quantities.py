"""What the columns of a long table beside time and sensor hold: readings, places, or neither."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from dynst.data.importers.columns.clocks import RANGES
from dynst.data.importers.columns.first_cells import Cells, Columns, counts_up, quoted
from dynst.data.importers.columns.odd_numbers import refuse_odd_numbers
from dynst.data.importers.columns.words import (
    calendar_field,
    is_flag_name,
    is_height_name,
    is_parameter_name,
    is_season_name,
    is_sensor_name,
    is_time_name,
    is_unit_name,
    is_value_name,
    numbers_rows_name,
    words_of,
)
from dynst.data.importers.columns.zones import is_zone_name
from dynst.data.importers.places.axis_parts import names_side, refuse_parts
from dynst.data.importers.report import Finding, assumed, known
from dynst.data.importers.source import PositionKind
from dynst.data.importers.text_cells import is_number
from dynst.errors import DataError

__all__ = ["Places", "Quantities", "aside_by_name", "aside_finding", "find_quantities"]

PLACES: tuple[tuple[frozenset[str], frozenset[str], PositionKind], ...] = (
    (frozenset(["longitude", "lon", "lng", "long"]), frozenset(["latitude", "lat"]), "lonlat"),
    (frozenset(["easting"]), frozenset(["northing"]), "plane"),
    (frozenset(["x"]), frozenset(["y"]), "plane"),
)
SHORT = 3  # letters of names such as min, which is a minimum as often as a minute
CATEGORIES = {("id",), ("ids",), ("uuid",), ("uid",), ("code",), ("codes",)}
TEXTS, FLAG, COUNTS, ZONE = "texts", "a flag", "grows by 1 from row to row", "a zone"
MAX_FLAGS = 20  # distinct values of a flag


@dataclass(frozen=True)
class Places:
    """Columns of coordinates, the first from west to east, and those of their hemispheres."""

    x: str
    y: str
    kind: PositionKind
    sides: tuple[str, ...] = ()


@dataclass(frozen=True)
class Quantities:
    """Roles of the columns beside time and sensor.

    Args:
        readings: one channel each; or, where there is a parameter, the one column of values.
        doubtful: readings only if they change with time, which the whole file shows.
        places: where sensors stand, if that does not change.
        parameter: column that names the quantity of a row.
        unit: column of the values' unit.
        aside: why each of the other columns is no reading.
    """

    readings: tuple[str, ...]
    doubtful: tuple[str, ...] = ()
    places: Places | None = None
    parameter: str | None = None
    unit: str | None = None
    aside: Mapping[str, str] = field(default_factory=dict)


def find_quantities(columns: Columns, stamps: list[str], sensor: str) -> Quantities:
    """Roles by names, by the first cells, and by what the user asks for.

    Raises:
        DataError: no column is one of readings, or several may be the value of a parameter.
    """
    rest = [name for name in columns.names if name not in {*stamps, sensor}]
    parameter = next((name for name in rest if is_parameter_name(name)), None)
    unit = next((name for name in rest if is_unit_name(name)), None)
    asked = columns.options.variables
    if asked and (parameter is None or not _are_parameters(columns, asked)):
        _refuse_mixed(columns, parameter, asked)
        beside = [name for name in rest if name not in asked]
        return Quantities(
            _asked(columns, asked),
            places=_places(columns, beside),
            unit=unit if len(asked) == 1 else None,
        )
    rest = [name for name in rest if name not in {parameter, unit}]
    aside = {name: why for name in rest if (why := _aside(columns, name, sensor))}
    places = _places(columns, rest)
    rest = [name for name in rest if name not in aside]
    if places:
        rest = [name for name in rest if name not in {places.x, places.y}]
    numbers = [name for name in rest if columns.cells(name).kind == "number"]
    numbers += _filled_later(columns, [n for n in rest if columns.cells(n).kind == "empty"])
    texts = [name for name in rest if name not in numbers]
    refuse_odd_numbers(columns, [name for name in texts if not is_sensor_name(name)])
    aside |= dict.fromkeys(texts, TEXTS)
    readings = [name for name in rest if name in numbers] or _by_content(aside)
    aside = {name: why for name, why in aside.items() if name not in readings}
    if parameter is not None:
        return _by_parameter(columns, parameter, unit, readings, places, aside)
    if not readings:
        raise DataError(
            f"{columns.table.path} has no column of readings beside {quoted([*stamps, sensor])}; "
            f"name one with --variable"
        )
    doubtful = [name for name in readings if _constant(columns, name, sensor)]
    if len(readings) == 1:
        doubtful = []
    unit = unit if len(readings) == 1 else None
    return Quantities(tuple(readings), tuple(doubtful), places, None, unit, aside)


def aside_by_name(columns: Columns, name: str) -> str:
    """Why a column of numbers is no reading, by its name and its first cells; "" where it is."""
    cells = columns.cells(name)
    if not cells.whole:
        return ""
    if numbers_rows_name(name):
        return "numbers the rows" if len(np.unique(cells.numbers)) == len(cells.numbers) else ""
    part = calendar_field(name) if len(name) > SHORT else None
    if part is not None and cells.within(*RANGES[part]):
        return "a part of the time"
    if is_time_name(name) or is_season_name(name):
        return "a part of the time"
    if is_flag_name(name):
        return FLAG if len(np.unique(cells.numbers)) <= MAX_FLAGS else ""
    return ""


def _are_parameters(columns: Columns, names: tuple[str, ...]) -> bool:
    """Whether the user's names are those of parameters, or of the column of their values."""
    return any(name not in columns.names for name in names) or (
        len(names) == 1 and is_value_name(names[0])
    )


def _refuse_mixed(columns: Columns, parameter: str | None, asked: tuple[str, ...]) -> None:
    if parameter is not None and columns.cells(parameter).texts.nunique() > 1:
        raise DataError(
            f"{columns.table.path}: '{asked[0]}' holds the several quantities that '{parameter}' "
            f"names; name some of them with --variable, and keep one column of values"
        )


def _asked(columns: Columns, names: tuple[str, ...]) -> tuple[str, ...]:
    absent = [name for name in names if name not in columns.names]
    if absent:
        raise DataError(
            f"there is no variable '{absent[0]}'; {columns.table.path} has {quoted(columns.names)}"
        )
    columns.options.apply("variables")
    return names


def _aside(columns: Columns, name: str, sensor: str) -> str:
    cells = columns.cells(name)
    if is_zone_name(name):
        return ZONE
    if cells.kind in {"date", "clock", "yearless"}:
        return "a part of the time"
    if cells.kind != "number":
        return ""
    if why := aside_by_name(columns, name):
        return why
    if cells.whole and words_of(name)[-1:] in CATEGORIES:
        return "a number that names something"
    several = columns.cells(sensor).texts.nunique() > 1
    if several and cells.whole and counts_up(cells.numbers):
        return COUNTS
    return ""


def _by_content(aside: Mapping[str, str]) -> list[str]:
    """Columns that are no readings only where there are others."""
    counts = [name for name, why in aside.items() if why == COUNTS]
    return counts or [name for name, why in aside.items() if why == FLAG]


def _places(columns: Columns, names: list[str]) -> Places | None:
    numbers = [name for name in names if columns.cells(name).kind == "number"]
    for across, up, kind in PLACES:
        x = next((name for name in numbers if _is(name, across)), None)
        y = next((name for name in numbers if _is(name, up)), None)
        if x is not None and y is not None:
            sides = [name for name in names if names_side(name)] if kind == "lonlat" else []
            if kind == "lonlat" and columns.options.own_positions:
                whole = columns.cells(x).whole or columns.cells(y).whole
                refuse_parts(columns.table.path, names, (x, y), whole=whole)
            return Places(x, y, kind, tuple(sides))
    return None


def _is(name: str, known: frozenset[str]) -> bool:
    words = words_of(name)
    return bool(words) and words[0] in known and len(words) <= 2


def _filled_later(columns: Columns, names: list[str]) -> list[str]:
    """Columns without a cell in the first rows whose first cell is a number."""
    left, found = list(names), list[str]()
    if not left:
        return []
    for batch in columns.table.batches(set(left), left):
        for name in list(left):
            cell = _first(batch.column(name))
            if cell is not None:
                left.remove(name)
                found += [name] if is_number(cell) else []
        if not left:
            break
    return found


def _first(cells: pa.Array) -> object:
    filled = pc.drop_null(cells)
    return filled[0].as_py() if len(filled) else None


def _constant(columns: Columns, name: str, sensor: str) -> bool:
    """Whether the first rows show no change of a sensor's number, though it has several."""
    cells: Cells = columns.cells(name)
    if is_height_name(name):
        return True
    frame = pd.DataFrame(
        {"sensor": columns.cells(sensor).texts, "number": cells.texts.where(cells.texts != "")}
    ).dropna()
    groups = frame.groupby("sensor")["number"]
    sizes = groups.size()
    return bool(len(sizes) and sizes.max() > 1 and groups.nunique().max() == 1)


def _by_parameter(
    columns: Columns,
    parameter: str,
    unit: str | None,
    readings: list[str],
    places: Places | None,
    aside: dict[str, str],
) -> Quantities:
    named = [name for name in readings if is_value_name(name)]
    values = readings if len(readings) == 1 else named
    if len(values) != 1:
        raise DataError(
            f"{columns.table.path}: '{parameter}' tells the quantity of a row, so one column must "
            f"hold the values, but {quoted(readings) or 'none'} may; keep one of them"
        )
    aside |= {name: "beside the value" for name in readings if name not in values}
    return Quantities(tuple(values), (), places, parameter, unit, aside)


def flags_finding(flags: Sequence[str]) -> Finding:
    """What is said of flags of quality, which no reading is left out for."""
    return assumed(
        f"flags of quality in {quoted(flags)} are ignored: readings that they doubt are kept",
        "remove such rows yourself",
    )


def aside_finding(aside: Mapping[str, str]) -> tuple[Finding, ...]:
    """What is said of columns that are no readings."""
    texts = [name for name, why in aside.items() if why == TEXTS]
    numbers = {name: why for name, why in aside.items() if why not in {TEXTS, ZONE}}
    flags = [name for name in aside if is_flag_name(name)]
    found = [known(f"no numbers, so no readings: {quoted(texts)}")] if texts else []
    if flags:
        found.append(flags_finding(flags))
    if numbers:
        text = ", ".join(f"{quoted([name])} ({why})" for name, why in numbers.items())
        flag = f"--variable '{next(iter(numbers))}' takes a column"
        found.append(assumed(f"no readings: {text}", flag))
    return tuple(found)
