"""Sensor stores: readings, sensors and graph on disk, and windows over them in memory."""

from dynst.data.edges import Edges, nearest_neighbour_edges
from dynst.data.manifest import Channel
from dynst.data.sensor_table import Sensors
from dynst.data.store import SensorStore, open_store
from dynst.data.writer import Origin, StoreWriter

__all__ = [
    "Channel",
    "Edges",
    "Origin",
    "SensorStore",
    "Sensors",
    "StoreWriter",
    "nearest_neighbour_edges",
    "open_store",
]
