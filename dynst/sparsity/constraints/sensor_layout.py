"""What a choice of sensors has to respect beside importance: the table of sensors, and where they
stand.
"""

from dataclasses import dataclass, replace

import numpy as np

from dynst.data.edges import EARTH_RADIUS_METRES, unit_sphere
from dynst.data.sensor_table import Sensors
from dynst.data.store import SensorStore

__all__ = ["Network", "network_of", "plain_network"]


@dataclass(frozen=True)
class Network:
    """``points [S, 2 or 3]`` has distances in metres, or in the unit of a plane's positions.

    None where nobody knows them.
    """

    sensors: Sensors
    points: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.sensors)


def network_of(store: SensorStore) -> Network:
    """Longitudes and latitudes become points on the globe.

    Distances between them are chords, short of the way by 1 m in 100 km. A sensor without any
    reading is excluded, unless it is pinned.
    """
    sensors, positions = _readable(store), store.sensors.positions
    if positions is None or store.manifest.positions != "lonlat":
        return Network(sensors, positions)
    return Network(sensors, EARTH_RADIUS_METRES * unit_sphere(positions))


def _readable(store: SensorStore) -> Sensors:
    silent = ~store.ever_observed.any(axis=1) & ~store.sensors.pinned
    if not silent.any():
        return store.sensors
    return replace(store.sensors, excluded=store.sensors.excluded | silent)


def plain_network(num_sensors: int) -> Network:
    """Sensors of which nothing is known but their number."""
    return Network(Sensors(tuple(str(index) for index in range(num_sensors))))
