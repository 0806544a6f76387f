"""What a user says about sensors beside their readings: costs, groups, and marks, from a CSV."""

import re
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dynst.data.importers.names import SensorNames
from dynst.data.importers.places.place_tables import is_axis
from dynst.data.importers.report import Finding, known
from dynst.data.importers.small_tables import read_cells, read_head
from dynst.data.sensor_table import Sensors
from dynst.errors import DataError

__all__ = ["read_attributes"]

TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
THOUSANDS = re.compile(r",\d{3}$|,.*[,.]|\..*,")
MOST_COMPARED = 1000  # ids that are looked at for a likely one


def read_attributes(path: Path, sensors: Sensors) -> tuple[Sensors, tuple[Finding, ...]]:
    """The same sensors with a table's columns of cost, group, pinned and excluded.

    What it leaves out or empty stays as it is. Ids may be written a little otherwise, as
    ``SensorNames`` has it.

    Args:
        path: delimited text with a column id.
        sensors: of the network.

    Returns:
        the sensors, and what was understood.

    Raises:
        DataError: the file has no ids, names an unknown sensor or column, a cell is not of its
            column's kind, or a sensor is given two values.
    """
    table = _table(path)
    found = SensorNames(sensors.ids).find(table["id"], path.name)
    index = found.index
    if (index < 0).any():
        raise _stranger(path, table["id"].iloc[int(np.argmax(index < 0))], sensors.ids)
    columns: dict[str, Any] = {
        name: _changed(path, name, table[name], index, sensors)
        for name in table.columns
        if name != "id"
    }
    named = replace(sensors, **columns)
    said = known(f"{', '.join(columns) or 'nothing'} of {len(index)} sensors from {path.name}")
    return named, (said, *found.findings)


def _table(path: Path) -> pd.DataFrame:
    try:
        head = read_head(path)
        cells = read_cells(path, head)
    except DataError as error:
        raise DataError(
            f"{path} cannot be read as a table of sensors ({error}); bring a CSV with a column id"
        ) from error
    names = list(head.first)
    unknown = [name for name in names if name not in ("id", *CELLS) and not is_axis(name)]
    if "id" not in names or unknown:
        other = f"; rename or remove '{unknown[0]}'" if unknown else "; name that of the ids so"
        raise DataError(
            f"{path} must have a column id, and may have {', '.join(CELLS)} and coordinates, but "
            f"has {', '.join(names[:8])}{other}"
        )
    if len(set(names)) < len(names) or cells.shape[1] != len(names):
        raise DataError(
            f"{path} must have each column once, and a name above each, but its header is "
            f"{', '.join(names[:8])}; mend it"
        )
    table = cells.iloc[1:].set_axis(names, axis=1)
    return table[[name for name in names if not is_axis(name)]]


def _stranger(path: Path, name: str, ids: tuple[str, ...]) -> DataError:
    near = get_close_matches(name, _neighbours(name, ids), n=1, cutoff=0.4)
    hint = f"did you mean '{near[0]}'?" if near else f"the first is '{ids[0]}'"
    return DataError(f"{path} must name sensors of the network, but names '{name}'; {hint}")


def _neighbours(name: str, ids: tuple[str, ...]) -> list[str]:
    """Ids near a name in the alphabet: comparing it with all would take long in large networks."""
    ordered = sorted(ids)
    middle = bisect_left(ordered, name)
    return ordered[max(0, middle - MOST_COMPARED // 2) : middle + MOST_COMPARED // 2]


def _changed(
    path: Path, name: str, cells: pd.Series, index: np.ndarray, sensors: Sensors
) -> np.ndarray | tuple[str, ...]:
    """A column of the sensors with the values of the table."""
    values = list(getattr(sensors, name))
    given: dict[int, Any] = {}
    for place, text in zip(index.tolist(), cells, strict=True):
        if not text:
            continue
        try:
            value = CELLS[name](text)
        except (KeyError, ValueError) as error:
            raise DataError(
                f"{path}: '{name}' of '{sensors.ids[place]}' must be {KINDS[name]}, but is "
                f"'{text}'; mend it"
            ) from error
        if given.setdefault(place, value) != value:
            raise DataError(
                f"{path}: '{sensors.ids[place]}' must have one {name}, but has '{given[place]}' "
                f"and '{value}'; keep one of them"
            )
        values[place] = value
    return tuple(values) if name == "group" else np.array(values)


def _cost(text: str) -> float:
    """A number, also with a decimal comma, of which three digits may be thousands."""
    if "_" in text or THOUSANDS.search(text):
        raise ValueError(text)
    cost = float(text.replace(",", "."))
    if not 0 <= cost < np.inf:
        raise ValueError(text)
    return cost


def _truth(text: str) -> bool:
    return TRUTH[text.lower()]


CELLS: dict[str, Callable[[str], Any]] = {
    "cost": _cost,
    "group": str,
    "pinned": _truth,
    "excluded": _truth,
}
KINDS = {
    "cost": "a number of at least 0",
    "group": "a name",
    "pinned": "true or false",
    "excluded": "true or false",
}
