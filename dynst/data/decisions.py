"""Costs, groups and marks of a store's sensors: replaced without importing the data again."""

import hashlib
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dynst.data.manifest import Manifest, StoredFile
from dynst.data.manifest_file import write_manifest
from dynst.data.sensor_table import Sensors
from dynst.data.store import SensorStore, open_store
from dynst.data.verification import stored_file
from dynst.errors import DataError

__all__ = ["replace_decisions", "with_files", "write_decisions"]


def replace_decisions(
    path: Path | str, sensors: Sensors, *, memory: Path | None = None
) -> SensorStore:
    """Give a store other costs, groups and marks; its readings and its digest stay.

    A reader finds the old ones or the new ones, whole.

    Args:
        path: the store's folder.
        sensors: those of the store, with what is decided of them now.
        memory: as in ``open_store``.

    Returns:
        The store as it is now.

    Raises:
        DataError: there is no usable store, or it has other sensors.

    Example:
        >>> sensors = open_store("store").sensors  # doctest: +SKIP
        >>> replace_decisions("store", replace(sensors, cost=costs))  # doctest: +SKIP
    """
    path = Path(path)
    store = open_store(path, memory=memory)
    if sensors.ids != store.sensors.ids:
        raise DataError(
            f"decisions must be of the {len(store.sensors)} sensors of {path} in their order, but "
            f"are of others; take the sensors from the store itself"
        )
    before, whole = store.manifest.decisions, with_files(path, store.manifest)
    name, written = write_decisions(path, sensors)
    files = {key: file for key, file in whole.files.items() if key != before} | {name: written}
    write_manifest(path, whole.model_copy(update={"files": files}))
    if before is not None and before != name:
        (path / before).unlink(missing_ok=True)
    return open_store(path, memory=memory)


def write_decisions(path: Path, sensors: Sensors) -> tuple[str, StoredFile]:
    """Write the file into a store's folder; it is named by its content, so that no file that a
    manifest lists ever changes.
    """
    sink = pa.BufferOutputStream()
    pq.write_table(sensors.decisions_table(), sink)
    content = sink.getvalue().to_pybytes()
    written = StoredFile(size=len(content), sha256=hashlib.sha256(content).hexdigest())
    name = f"decisions-{written.sha256[:12]}.parquet"
    draft = path / f".{name}.{os.getpid()}"
    draft.write_bytes(content)
    draft.replace(path / name)
    return name, written


def with_files(path: Path, manifest: Manifest) -> Manifest:
    """The manifest with a list of its files, which that of an earlier version lacks."""
    if manifest.files:
        return manifest
    files = {name: stored_file(path / name) for name in manifest.file_names}
    return manifest.model_copy(update={"files": files})
