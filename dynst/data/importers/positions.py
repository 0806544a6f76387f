"""Where sensors stand, from a table of ids and coordinates."""

from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from dynst.data.importers.report import Finding, known
from dynst.data.importers.text_cells import is_number
from dynst.errors import DataError, in_one_line

__all__ = ["read_positions"]

IDS = ("sensor_id", "id", "sensor", "station", "station_id", "address", "name", "vlinder", "geo_id")
AXES = (
    ("longitude", "latitude", "lonlat"),
    ("lon", "lat", "lonlat"),
    ("lng", "lat", "lonlat"),
    ("easting", "northing", "plane"),
    ("x", "y", "plane"),
)
PositionKind = Literal["lonlat", "plane"]


def read_positions(
    path: Path, ids: tuple[str, ...]
) -> tuple[np.ndarray, PositionKind, tuple[Finding, ...]]:
    """``[S, 2]`` in the order of ``ids``, their kind, and what was understood.

    Positions are longitude and latitude, or lie in a plane.

    A CSV with named columns, or without a header: id, latitude, longitude.

    Raises:
        DataError: the file has no such columns, or lacks a sensor.
    """
    try:
        table = pd.read_csv(path, dtype=str)
        if all(is_number(name) for name in table.columns[1:3]):
            table = pd.read_csv(
                path, dtype=str, header=None, names=["sensor_id", "latitude", "longitude"]
            )
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read as a table of positions ({in_one_line(error)}); bring a CSV "
            f"of id, longitude and latitude"
        ) from error
    table = table.rename(columns=str.lower)
    axes = next((axes for axes in AXES if {axes[0], axes[1]} <= set(table.columns)), None)
    if axes is None:
        raise DataError(
            f"{path} must have columns longitude and latitude, or x and y, but has "
            f"{', '.join(table.columns[:8])}"
        )
    key = next(
        (name for name in IDS if name in table.columns and set(ids) <= set(table[name])), None
    )
    if key is None:
        named = next((name for name in IDS if name in table.columns), table.columns[0])
        absent = [name for name in ids if name not in set(table[named])]
        raise DataError(
            f"{path} has no position for {len(absent)} of {len(ids)} sensors, the first "
            f"'{absent[0] if absent else ids[0]}'; add it"
        )
    places = table.drop_duplicates(key).set_index(key).loc[list(ids), list(axes[:2])]
    found = (known(f"positions from {path.name}"),)
    return places.to_numpy(float), "lonlat" if axes[2] == "lonlat" else "plane", found
