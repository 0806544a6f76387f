"""What a user says about sensors beside their readings: costs, groups, and marks, from a CSV."""

from collections.abc import Callable
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dynst.data.sensor_table import Sensors
from dynst.errors import DataError, in_one_line

__all__ = ["read_attributes"]

TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def read_attributes(path: Path, sensors: Sensors) -> Sensors:
    """The same sensors with the CSV's columns of cost, group, pinned and excluded.

    What it leaves out or empty stays as it is.

    Raises:
        DataError: the file has no ids, names an unknown sensor or column, or a cell is not of its
            column's kind.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read as a table of sensors ({in_one_line(error)}); bring a CSV "
            f"with a column id"
        ) from error
    _check_columns(path, list(table.columns))
    index = [_find(path, name, sensors.ids) for name in table["id"]]
    columns = {
        name: _changed(path, name, table, index, sensors) for name in table.columns if name != "id"
    }
    return replace(sensors, **columns)


def _check_columns(path: Path, names: list[str]) -> None:
    unknown = [name for name in names if name not in ("id", *CELLS)]
    if "id" not in names or unknown:
        raise DataError(
            f"{path} must have a column id, and may have {', '.join(CELLS)}, but has "
            f"{', '.join(names[:8])}; rename them"
        )


def _find(path: Path, name: str, ids: tuple[str, ...]) -> int:
    if name in ids:
        return ids.index(name)
    near = get_close_matches(name, ids, n=1, cutoff=0.4)
    hint = f"did you mean '{near[0]}'?" if near else f"the first is '{ids[0]}'"
    raise DataError(f"{path} must name sensors of the network, but names '{name}'; {hint}")


def _changed(path: Path, name: str, table: pd.DataFrame, index: list[int], sensors: Sensors) -> Any:
    values = list(getattr(sensors, name))
    for row, (place, text) in enumerate(zip(index, table[name], strict=True)):
        if text.strip():
            try:
                values[place] = CELLS[name](text.strip())
            except (KeyError, ValueError) as error:
                raise DataError(
                    f"{path}: '{name}' of '{table['id'][row]}' must be {KINDS[name]}, but is "
                    f"'{text}'; mend it"
                ) from error
    return tuple(values) if name == "group" else np.array(values)


def _cost(text: str) -> float:
    cost = float(text)
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
