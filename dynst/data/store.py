"""A sensor store: a folder of Arrow files that holds one network's readings, sensors and graph."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from dynst.data.edges import Edges
from dynst.data.manifest import FORMAT_VERSION, Manifest
from dynst.data.sensor_table import Sensors
from dynst.errors import DataError, in_one_line

__all__ = [
    "EDGES",
    "MANIFEST",
    "READINGS",
    "SENSORS",
    "Readings",
    "SensorStore",
    "open_store",
    "read_manifest",
]

MANIFEST, READINGS, SENSORS, EDGES = (
    "manifest.json",
    "readings.arrow",
    "sensors.parquet",
    "edges.parquet",
)
BLOCK_BYTES = 2**25


@dataclass(frozen=True)
class Readings:
    """The whole series. A value whose ``observed`` is False is a placeholder and means nothing."""

    time: np.ndarray  # [N] int64, seconds since 1970-01-01 in the network's own clock
    values: np.ndarray  # [N, S, C] float32
    observed: np.ndarray  # [N, S, C] bool


@dataclass(frozen=True)
class SensorStore:
    """One network's readings, sensors and graph, opened by ``open_store``.

    Args:
        path: the store's folder.
        manifest: channels with their units, step in seconds, number of steps, digest of the data.
        sensors: the table of sensors, in the order of the readings.
        edges: the known graph; may be empty.
    """

    path: Path
    manifest: Manifest
    sensors: Sensors
    edges: Edges

    @property
    def channel_names(self) -> list[str]:
        """In the order of the readings' last axis."""
        return [channel.name for channel in self.manifest.channels]

    @cached_property
    def ever_observed(self) -> np.ndarray:
        """Whether a sensor's channel has any reading at all, ``[S, C]`` bool.

        The readings are read a block of steps at a time.
        """
        observed = self.readings.observed
        seen = np.zeros(observed.shape[1:], bool)
        rows = max(1, BLOCK_BYTES // seen.size)
        for first in range(0, len(observed), rows):
            seen |= observed[first : first + rows].any(axis=0)
        return seen

    @cached_property
    def readings(self) -> Readings:
        """Memory-mapped; copied only where the file holds more than one record batch.

        Raises:
            DataError: the file is damaged or does not match the manifest.
        """
        shape = (-1, self.manifest.num_sensors, len(self.manifest.channels))
        try:
            table = pa.ipc.open_file(pa.memory_map(str(self.path / READINGS))).read_all()
            time = table["time"].to_numpy()
            values = _flat(table["values"]).reshape(shape)
            observed = _flat(table["observed"]).view(bool).reshape(shape)
        except (OSError, ValueError, KeyError, pa.ArrowException) as error:
            raise DataError(
                f"{self.path / READINGS} cannot be read ({in_one_line(error)}); import the data "
                f"again"
            ) from error
        if len(time) != self.manifest.num_steps:
            raise DataError(
                f"{self.path / READINGS} must hold {self.manifest.num_steps} steps by its "
                f"manifest, but holds {len(time)}; import the data again"
            )
        return Readings(time, values, observed)


def open_store(path: Path | str) -> SensorStore:
    """Open a store; its readings stay on disk until they are asked for.

    Args:
        path: the store's folder, made by ``import_store``, ``dynst data import`` or a
            ``StoreWriter``.

    Returns:
        The store; ``readings`` holds ``[N, S, C]`` values in each channel's own unit.

    Raises:
        DataError: there is no store at this path, it is of another version, or its tables are
            damaged.

    Example:
        >>> store = open_store("store")  # doctest: +SKIP
        >>> store.readings.values.shape, store.channel_names  # doctest: +SKIP
        ((26310, 21, 1), ['pedestrians'])
    """
    path = Path(path)
    manifest = read_manifest(path)
    try:
        sensors = pq.read_table(path / SENSORS)
        edges = pq.read_table(path / EDGES)
    except (OSError, pa.ArrowException) as error:
        raise DataError(
            f"sensor store {path} cannot be read ({in_one_line(error)}); import the data again"
        ) from error
    store = SensorStore(
        path,
        manifest,
        Sensors.from_table(sensors, has_positions=manifest.positions != "none"),
        Edges.from_table(edges),
    )
    if len(store.sensors) != manifest.num_sensors:
        raise DataError(
            f"{path / SENSORS} must hold {manifest.num_sensors} sensors by its manifest, but holds "
            f"{len(store.sensors)}; import the data again"
        )
    store.edges.check(manifest.num_sensors)
    return store


def read_manifest(path: Path) -> Manifest:
    """Raises DataError where the folder has no manifest of this format version."""
    file = path / MANIFEST
    if not file.is_file():
        raise DataError(
            f"no sensor store at {path} (it has no {MANIFEST}); name the folder that an import "
            f"wrote"
        )
    try:
        return Manifest.model_validate_json(file.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "document"
        raise DataError(
            f"{file} is no manifest of format version {FORMAT_VERSION}: at '{place}': "
            f"{first['msg']}; import the data again"
        ) from error


def _flat(column: pa.ChunkedArray) -> np.ndarray:
    chunks = [chunk.flatten().to_numpy(zero_copy_only=True) for chunk in column.chunks]
    return chunks[0] if len(chunks) == 1 else np.concatenate(chunks)
