"""Writing a sensor store: streamed step by step, and visible only once it is whole."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dynst.data.edges import Edges
from dynst.data.manifest import Channel, Manifest
from dynst.data.sensors import Sensors
from dynst.data.store import EDGES, MANIFEST, READINGS, SENSORS
from dynst.errors import DataError

__all__ = ["Origin", "StoreWriter"]


@dataclass(frozen=True)
class Origin:
    """Where a network's data come from, in the words that attribution asks for."""

    name: str
    source: str = ""
    attribution: str = ""
    positions: Literal["lonlat", "plane", "none"] = "none"


class StoreWriter:
    """Collects blocks of readings into a hidden folder and renames it at the end.

    Used as a context manager; leaving it with an exception removes everything that was written.
    Values that are not finite are stored as unobserved.
    """

    def __init__(self, path: Path, origin: Origin, channels: Sequence[Channel], sensors: Sensors, edges: Edges) -> None:
        if path.exists():
            raise DataError(f"{path} exists already; remove it or choose another path for the store")
        edges.check(len(sensors))
        self.path, self.origin, self.channels = path, origin, tuple(channels)
        self.sensors, self.edges = sensors, edges
        self._width = len(sensors) * len(self.channels)
        self._hashes = [hashlib.sha256() for _ in range(3)]  # times, values, observation mask: independent of block sizes
        self._first: int | None = None
        self._last: int | None = None
        self._step: int | None = None
        self._count = 0

    def __enter__(self) -> "StoreWriter":
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._folder = Path(tempfile.mkdtemp(prefix=f".{self.path.name}.", dir=self.path.parent))
        self._file = pa.OSFile(str(self._folder / READINGS), "wb")
        self._stream = pa.ipc.new_file(self._file, self._schema)
        return self

    def append(self, time: np.ndarray, values: np.ndarray, observed: np.ndarray | None = None) -> None:
        """Add steps in time order.

        Args:
            time: ``[N]`` whole seconds since 1970-01-01.
            values: ``[N, S, C]``.
            observed: ``[N, S, C]`` bool; by default every finite value is observed.

        Raises:
            DataError: times do not increase.
        """
        time = np.ascontiguousarray(time, np.int64)
        self._follow(time)
        values = np.asarray(values, np.float32).reshape(len(time), self._width)
        finite = np.isfinite(values)
        seen = finite if observed is None else finite & observed.reshape(values.shape)
        values = np.where(seen, values, np.float32(0))
        for digest, part in zip(self._hashes, (time, values, seen), strict=True):
            digest.update(np.ascontiguousarray(part).data)
        columns = [
            pa.array(time),
            pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), self._width),
            pa.FixedSizeListArray.from_arrays(pa.array(seen.ravel().view(np.uint8)), self._width),
        ]
        self._stream.write_batch(pa.record_batch(columns, schema=self._schema))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stream.close()
        self._file.close()
        try:
            if kind is None:
                self._publish()
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _schema(self) -> pa.Schema:
        return pa.schema(
            [
                ("time", pa.int64()),
                ("values", pa.list_(pa.float32(), self._width)),
                ("observed", pa.list_(pa.uint8(), self._width)),
            ]
        )

    def _follow(self, time: np.ndarray) -> None:
        before = time[:0] if self._last is None else np.array([self._last])
        steps = np.diff(np.concatenate([before, time]))
        if (steps <= 0).any():
            place = self._count + int(np.argmax(steps <= 0)) + (self._last is None)
            raise DataError(f"times must increase from step to step, but do not at step {place}; sort them and drop repeats")
        if steps.size:
            smallest = int(steps.min())
            self._step = smallest if self._step is None else min(self._step, smallest)
        if self._first is None:
            self._first = int(time[0])
        self._last = int(time[-1])
        self._count += len(time)

    def _digest(self) -> str:
        whole = hashlib.sha256(b"".join(part.digest() for part in self._hashes))
        for table in (self.sensors.to_table(), self.edges.to_table()):
            for column in table.columns:
                whole.update(repr(column.to_pylist()).encode())
        return whole.hexdigest()

    def _publish(self) -> None:
        if self._first is None or self._step is None:
            raise DataError(f"a store needs at least two steps, but {self.path} got {self._count}")
        pq.write_table(self.sensors.to_table(), self._folder / SENSORS)
        pq.write_table(self.edges.to_table(), self._folder / EDGES)
        manifest = Manifest(
            name=self.origin.name,
            num_steps=self._count,
            num_sensors=len(self.sensors),
            num_edges=len(self.edges),
            channels=self.channels,
            start=datetime.fromtimestamp(self._first, UTC).replace(tzinfo=None),
            step_seconds=self._step,
            positions=self.origin.positions,
            source=self.origin.source,
            attribution=self.origin.attribution,
            digest=self._digest(),
        )
        (self._folder / MANIFEST).write_text(manifest.model_dump_json(indent=2))
        self._folder.chmod(0o755)
        os.replace(self._folder, self.path)
