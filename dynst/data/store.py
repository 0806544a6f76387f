"""A sensor store: a folder of Arrow files that holds one network's readings, sensors and graph."""

import mmap
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dynst.data.content import ContentDigest, row_blocks
from dynst.data.edges import Edges
from dynst.data.manifest import EDGES, READINGS, SENSORS, Manifest
from dynst.data.manifest_file import MANIFEST, manifest_bytes, parse_manifest, read_manifest
from dynst.data.sensor_table import MARKS, Sensors
from dynst.data.verification import verify_content, verify_files
from dynst.data.verified import Verified
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

    @property
    def decisions_digest(self) -> str:
        """Of costs, groups and marks; "" where the manifest's digest covers them."""
        return self.sensors.decisions_digest() if self.manifest.decisions else ""

    @property
    def marks_digest(self) -> str:
        """The same of groups and marks alone, which are what a warm-up depends on."""
        return self.sensors.decisions_digest(*MARKS) if self.manifest.decisions else ""

    def has_content(self, digest: str) -> bool:
        """Whether a digest is that of this content, by today's rule or by that of stores up to
        version 2, which covers costs, groups and marks too.

        The readings are read where it is not the manifest's.

        Args:
            digest: as a model or a run has it.
        """
        return digest == self.manifest.digest or digest in self._digests

    @cached_property
    def _digests(self) -> tuple[str, str]:
        content, readings = ContentDigest(), self.readings
        for rows in row_blocks(readings):
            content.update(readings.values[rows], readings.observed[rows])
            self.release()
        edges, sensors = self.edges.to_table(), self.sensors
        return tuple(  # type: ignore[return-value]
            content.of(readings.time, self.manifest.clock, table, edges)
            for table in (sensors.to_table(), sensors.whole_table())
        )

    @cached_property
    def ever_observed(self) -> np.ndarray:
        """Whether a sensor's channel has any reading at all, ``[S, C]`` bool.

        The readings are read a block of steps at a time.
        """
        observed = self.readings.observed
        seen = np.zeros(observed.shape[1:], bool)
        for rows in row_blocks(self.readings):
            seen |= observed[rows].any(axis=0)
        return seen

    @cached_property
    def _mapped(self) -> mmap.mmap:
        with (self.path / READINGS).open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def release(self) -> None:
        """Give back the memory of the readings that were read; they are mapped in again when they
        are asked for.
        """
        self._mapped.madvise(mmap.MADV_DONTNEED)

    @cached_property
    def readings(self) -> Readings:
        """Memory-mapped; copied only where the file holds more than one record batch.

        Raises:
            DataError: the file is damaged or does not match the manifest.
        """
        shape = (-1, self.manifest.num_sensors, len(self.manifest.channels))
        try:
            table = pa.ipc.open_file(pa.BufferReader(pa.py_buffer(self._mapped))).read_all()
            time = table["time"].to_numpy()
            values = _flat(table["values"]).reshape(shape)
            observed = _flat(table["observed"]).view(bool).reshape(shape)
        except (OSError, ValueError, KeyError, AttributeError, pa.ArrowException) as error:
            raise DataError(
                f"{self.path / READINGS} cannot be read ({in_one_line(error)}); import the data "
                f"again"
            ) from error
        if {len(time), len(values), len(observed)} != {self.manifest.num_steps}:
            raise DataError(
                f"{self.path / READINGS} must hold {self.manifest.num_steps} steps by its "
                f"manifest, but holds {len(time)}; import the data again"
            )
        if time.dtype != np.int64 or values.dtype != np.float32:
            raise DataError(
                f"{self.path / READINGS} must hold int64 times and float32 values, but holds "
                f"{time.dtype} and {values.dtype}; import the data again"
            )
        return Readings(time, values, observed)


def open_store(path: Path | str, *, memory: Path | None = None, anew: bool = False) -> SensorStore:
    """Open a store and verify that it holds what its import wrote.

    What was verified is remembered as long as no file changes, so that a large store is read once.
    Its readings are mapped into memory and not copied.

    Args:
        path: the store's folder, made by ``import_store``, ``dynst data import`` or a
            ``StoreWriter``.
        memory: a folder that remembers what was verified, for other processes; by default this
            process alone remembers it.
        anew: whether to verify what was verified before.

    Returns:
        The store; ``readings`` holds ``[N, S, C]`` values in each channel's own unit.

    Raises:
        DataError: there is no store at this path, it is of another version, or a file of it is
            damaged or is not what was written; says which.

    Example:
        >>> store = open_store("store")  # doctest: +SKIP
        >>> store.readings.values.shape, store.channel_names  # doctest: +SKIP
        ((26310, 21, 1), ['pedestrians'])
    """
    path, past = Path(path), Verified(memory, anew)
    before = manifest_bytes(path)
    try:
        return _opened(path, parse_manifest(before, path / MANIFEST), past)
    except DataError:
        now = manifest_bytes(path)
        if now == before:
            raise
        return _opened(path, parse_manifest(now, path / MANIFEST), past)  # replaced meanwhile


def _opened(path: Path, manifest: Manifest, past: Verified) -> SensorStore:
    verify_files(path, manifest, past)
    try:
        tables = pq.read_table(path / SENSORS), pq.read_table(path / EDGES)
        decided = pq.read_table(path / manifest.decisions) if manifest.decisions else tables[0]
        sensors = Sensors.from_tables(
            tables[0], decided, has_positions=manifest.positions != "none"
        )
        store = SensorStore(path, manifest, sensors, Edges.from_table(tables[1]))
    except (OSError, KeyError, ValueError, TypeError, pa.ArrowException) as error:
        raise DataError(
            f"sensor store {path} cannot be read ({in_one_line(error)}); import the data again"
        ) from error
    for name, found, stated in (
        (SENSORS, len(sensors), manifest.num_sensors),
        (EDGES, len(store.edges), manifest.num_edges),
    ):
        if found != stated:
            raise DataError(
                f"{path / name} must hold {stated} rows by its manifest, but holds {found}; import "
                f"the data again"
            )
    store.edges.check(manifest.num_sensors)
    verify_content(store, tables, past)
    return store


def _flat(column: pa.ChunkedArray) -> np.ndarray:
    chunks = [chunk.flatten().to_numpy(zero_copy_only=True) for chunk in column.chunks]
    return chunks[0] if len(chunks) == 1 else np.concatenate(chunks)
