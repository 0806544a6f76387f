"""Writing a sensor store: streamed block by block, and visible only once it is whole."""

import os
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal

import numpy as np
import pyarrow.parquet as pq

from dynst.data.clock import Clock
from dynst.data.content import ContentDigest
from dynst.data.decisions import write_decisions
from dynst.data.edges import Edges
from dynst.data.manifest import (
    EDGES,
    READINGS,
    SENSORS,
    Channel,
    Grid,
    Manifest,
    Patching,
    Question,
    StoredFile,
)
from dynst.data.manifest_file import write_manifest
from dynst.data.sensor_table import Sensors
from dynst.data.spool import Spool, write_record_batch
from dynst.data.time_axis import TimeAxis, time_axis
from dynst.data.verification import stored_file
from dynst.errors import DataError
from dynst.storage.room import names_what_is_full
from dynst.storage.scratch import scratch_folder

__all__ = ["Origin", "StoreWriter"]


@dataclass(frozen=True)
class Origin:
    """Where a network's data come from, in the words that attribution asks for."""

    name: str
    source: str = ""
    attribution: str = ""
    positions: Literal["lonlat", "plane", "none"] = "none"
    grid: Grid | None = None
    patching: Patching | None = None
    clock: Clock | None = None
    step: int | None = None  # seconds, where readings were resampled to it
    questions: tuple[Question, ...] = ()
    missing: tuple[float, ...] = ()


class StoreWriter:
    """Writes a sensor store block by block; a context manager.

    Readings are collected in a hidden folder that is renamed at the end. Leaving the block with an
    exception removes everything that was written. NaN, and the values that ``origin.missing``
    lists, are stored as unobserved. Memory does not grow with the number of steps.

    Args:
        path: of the store, which must not exist yet.
        origin: where the data come from.
        channels: name and unit of each of the C channels.
        sensors: the S sensors, in the order of the readings.
        edges: between sensors; ``Edges.none()`` where nothing is known.

    Raises:
        DataError: the path exists, an edge does not fit, or the block ends with fewer than two
            steps.

    Example:
        >>> with StoreWriter(path, Origin("counts"), [Channel(name="flow", unit="veh/h")],
        ...                  Sensors(("a", "b")), Edges.none()) as writer:  # doctest: +SKIP
        ...     writer.append(3600 * np.arange(48), np.random.rand(48, 2, 1))  # doctest: +SKIP
    """

    def __init__(
        self,
        path: Path,
        origin: Origin,
        channels: Sequence[Channel],
        sensors: Sensors,
        edges: Edges,
    ) -> None:
        if path.exists():
            raise DataError(
                f"{path} exists already; remove it or choose another path for the store"
            )
        edges.check(len(sensors))
        self.path, self.origin, self.channels = path, origin, tuple(channels)
        self.sensors, self.edges = sensors, edges
        self.questions, self.declared = origin.questions, origin.missing
        self.axis: TimeAxis | None = None
        self._width = len(sensors) * len(self.channels)
        self._content = ContentDigest()
        self._last: int | None = None
        self._count = 0

    def __enter__(self) -> "StoreWriter":
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            stack.enter_context(names_what_is_full(self.path))
            self._folder = stack.enter_context(scratch_folder(self.path.parent, self.path.name))
            self._spools = self._opened_spools()
            self._scratch = stack.pop_all()
        return self

    def _opened_spools(self) -> dict[str, Spool]:
        return {
            "time": Spool(self._folder / "time", np.int64),
            "values": Spool(self._folder / "values", np.float32, self._width),
            "observed": Spool(self._folder / "observed", np.uint8, self._width),
        }

    def append(
        self, time: np.ndarray, values: np.ndarray, observed: np.ndarray | None = None
    ) -> None:
        """Add steps in time order.

        Args:
            time: ``[N]`` whole seconds since 1970-01-01.
            values: ``[N, S, C]``, each channel in its own unit; stored as float32.
            observed: ``[N, S, C]`` bool; by default all True. NaN and the values that
                ``origin.missing`` lists are unobserved in any case.

        Raises:
            DataError: times do not increase, or a value is infinite.
        """
        time = np.ascontiguousarray(time, np.int64)
        self._follow(time)
        with np.errstate(
            over="ignore"
        ):  # what float32 cannot hold becomes infinite, and is refused as such
            values = (
                np.asarray(values).reshape(len(time), self._width).astype(np.float32, copy=False)
            )
        seen = self._observed(values, self._count - len(time))
        if observed is not None:
            seen &= observed.reshape(values.shape)
        values = np.where(seen, values, np.float32(0))
        self._content.update(values, seen)
        with names_what_is_full(self.path):
            self._spools["time"].append(time)
            self._spools["values"].append(values)
            self._spools["observed"].append(seen.view(np.uint8))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._scratch:
            for spool in self._spools.values():
                spool.close()
            if kind is None:
                self._publish()

    def _observed(self, values: np.ndarray, first_step: int) -> np.ndarray:
        infinite = np.isinf(values)
        if infinite.any():
            step, column = (int(index[0]) for index in infinite.nonzero())
            name = self.sensors.ids[column // len(self.channels)]
            raise DataError(
                f"readings must be finite or missing, but sensor '{name}' has an infinite value at "
                f"step {first_step + step}; replace it, or write NaN for missing"
            )
        seen: np.ndarray = ~np.isnan(values)
        for marker in self.origin.missing:
            seen &= values != np.float32(marker)
        return seen

    def _follow(self, time: np.ndarray) -> None:
        before = time[:0] if self._last is None else np.array([self._last])
        steps = np.diff(np.concatenate([before, time]))
        if (steps <= 0).any():
            row = int(np.argmax(steps <= 0))
            what = "is repeated" if steps[row] == 0 else "goes back"
            at = self._clock.label(int(time[row + (self._last is None)]))
            raise DataError(
                f"times must increase from step to step, but time {what} at step "
                f"{self._count + row + (self._last is None)} ({at}); sort the rows and drop "
                f"repeats, or, where a clock was put back in autumn, name its --zone"
            )
        if len(time):
            self._last = int(time[-1])
        self._count += len(time)

    @property
    def _clock(self) -> Clock:
        return self.origin.clock or Clock()

    def _publish(self) -> None:
        spool = self._spools["time"]
        axis = time_axis(np.fromfile(spool.path, np.int64), self._clock, self.origin.step)
        axis.time.tofile(spool.path)
        self.axis = axis
        pq.write_table(self.sensors.to_table(), self._folder / SENSORS)
        pq.write_table(self.edges.to_table(), self._folder / EDGES)
        write_record_batch(self._folder / READINGS, self._spools)
        name, decided = write_decisions(self._folder, self.sensors)
        files = {part: stored_file(self._folder / part) for part in (READINGS, SENSORS, EDGES)}
        write_manifest(self._folder, self._manifest(axis, files | {name: decided}))
        _allow_as_others(self._folder)
        os.replace(self._folder, self.path)

    def _manifest(self, axis: TimeAxis, files: dict[str, StoredFile]) -> Manifest:
        return Manifest(
            name=self.origin.name,
            num_steps=self._count,
            num_sensors=len(self.sensors),
            num_edges=len(self.edges),
            channels=self.channels,
            start=axis.clock.label(int(axis.time[0])),
            step=axis.step,
            clock=axis.clock,
            positions=self.origin.positions,
            grid=self.origin.grid,
            patching=self.origin.patching,
            missing=self.declared,
            questions=self.questions,
            source=self.origin.source,
            attribution=self.origin.attribution,
            digest=self._content.of(
                axis.time, axis.clock, self.sensors.to_table(), self.edges.to_table()
            ),
            files=files,
        )


def _allow_as_others(folder: Path) -> None:
    """A scratch folder is its owner's alone; from now on it is as every new folder."""
    new = folder / "new"
    new.mkdir()
    shutil.copymode(new, folder)
    new.rmdir()
