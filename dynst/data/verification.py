"""Whether a store holds what was written when it was made: its files by their SHA-256, its content
by the digest in the manifest.
"""

import hashlib
import logging
import os
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa

from dynst.data.content import ContentDigest, Series, row_blocks
from dynst.data.manifest import EDGES, READINGS, SENSORS, Manifest, StoredFile
from dynst.data.verified import Verified, file_key
from dynst.errors import DataError

__all__ = ["stored_file", "verify_content", "verify_files"]

REMEDY = "import the data again or, where the folder is a copy, remove it and fetch it anew"
UNRELATED = {"name", "source", "attribution", "missing", "questions"}  # to the readings
LARGE = 2**28
logger = logging.getLogger(__name__)


def stored_file(file: Path) -> StoredFile:
    """Size and SHA-256 of a file, read block by block."""
    with file.open("rb") as source:
        digest = hashlib.file_digest(source, "sha256")
        return StoredFile(size=source.tell(), sha256=digest.hexdigest())


def verify_files(path: Path, manifest: Manifest, past: Verified) -> None:
    """Compare each file with the manifest, before any is parsed.

    Args:
        path: of the store.
        manifest: of the store; that of an earlier version lists no files.
        past: what was verified before.

    Raises:
        DataError: a file is absent or not the one that was written.
    """
    for name, stored in manifest.files.items():
        file = path / name
        try:
            state = file.stat()
            key = file_key(state, stored.sha256)
            if key in past:
                continue
            if state.st_size >= LARGE:
                logger.info("verifying %s (%.1f GB)", file, state.st_size / 1e9)
            found = stored_file(file)
        except OSError as error:
            raise DataError(
                f"{file} cannot be read ({error.strerror}), though the manifest lists it; {REMEDY}"
            ) from error
        if found != stored:
            raise DataError(
                f"{file} does not hold what the import wrote: it should have {stored.size:,} bytes "
                f"of SHA-256 {stored.sha256[:12]}…, but has {found.size:,} of "
                f"{found.sha256[:12]}…; {REMEDY}"
            )
        past.add(key, state)


class Store(Protocol):
    """What is verified of a sensor store."""

    @property
    def path(self) -> Path: ...
    @property
    def manifest(self) -> Manifest: ...
    @property
    def readings(self) -> Series: ...
    def release(self) -> None:
        """Give back the memory of the readings that were read."""


def verify_content(store: Store, tables: tuple[pa.Table, pa.Table], past: Verified) -> None:
    """Compare the digest of the content with the manifest's, and times, shapes and readings with
    what it says of them.

    Args:
        store: its readings are read block by block.
        tables: of sensors and edges, as they are in their files.
        past: what was verified before.

    Raises:
        DataError: they do not agree; says in what.
    """
    path, manifest, readings = store.path, store.manifest, store.readings
    states = [(path / name).stat() for name in (READINGS, SENSORS, EDGES)]
    key = _content_key(manifest, states)
    if key in past:
        return
    digest = ContentDigest()
    for rows in row_blocks(readings):
        values, observed = readings.values[rows], readings.observed[rows]
        _check_block(path / READINGS, values, observed)
        digest.update(values, observed)
        store.release()
    found = digest.of(readings.time, manifest.clock, *tables)
    if found != manifest.digest:
        raise DataError(
            f"sensor store {path} does not hold what was imported: the digest of its content is "
            f"{found[:12]}…, in its manifest stands {manifest.digest[:12]}…; {REMEDY}"
        )
    _check_times(path / READINGS, manifest, readings.time)
    _check_shapes(path, manifest)
    past.add(key, *(() if manifest.files else states))


def _content_key(manifest: Manifest, states: list[os.stat_result]) -> str:
    """Files of known SHA-256 and what the manifest says of them stay as they were verified."""
    of_data = {name: manifest.files.get(name) for name in (READINGS, SENSORS, EDGES)}
    facts = manifest.model_copy(update={"files": {}}).model_dump_json(exclude=UNRELATED)
    whole = hashlib.sha256(facts.encode())
    for stored, state in zip(of_data.values(), states, strict=True):
        whole.update((stored.sha256 if stored else file_key(state)).encode())
    return whole.hexdigest()


def _check_block(file: Path, values: np.ndarray, observed: np.ndarray) -> None:
    if observed.view(np.uint8).max(initial=0) > 1:
        raise DataError(
            f"{file} must say of each value whether it was observed, 0 or 1, but holds other "
            f"numbers; {REMEDY}"
        )
    finite = np.isfinite(values)
    if not finite.all() and not finite[observed].all():
        raise DataError(f"{file} must hold finite readings, but some are infinite or NaN; {REMEDY}")


def _check_times(file: Path, manifest: Manifest, time: np.ndarray) -> None:
    """The step is the most frequent difference, or the smallest where readings were resampled."""
    steps = np.diff(time)
    if len(steps) == 0 or (steps <= 0).any():
        raise DataError(f"{file} must hold two or more increasing times; {REMEDY}")
    distinct, counts = np.unique(steps, return_counts=True)
    if manifest.step not in (int(distinct[counts.argmax()]), int(distinct[0])):
        raise DataError(
            f"{file} must have the step of its manifest, {manifest.step_text}, but its times do "
            f"not; {REMEDY}"
        )
    start = manifest.clock.label(int(time[0]))
    if start != manifest.start:
        raise DataError(
            f"{file} must begin at the manifest's {manifest.start}, but begins at {start}; {REMEDY}"
        )


def _check_shapes(path: Path, manifest: Manifest) -> None:
    """A block of cells has as many sensors and channels as the manifest says."""
    grid, patching = manifest.grid, manifest.patching
    sensors = manifest.num_sensors if grid is None else grid.height * grid.width
    channels = len(manifest.channels)
    if patching is not None:
        sensors = len(patching.places)
        channels = patching.rows * patching.columns * len(patching.channels)
    if (sensors, channels) != (manifest.num_sensors, len(manifest.channels)):
        raise DataError(
            f"the grid in the manifest of {path} must have {manifest.num_sensors} sensors and "
            f"{len(manifest.channels)} channels, but has {sensors} and {channels}; {REMEDY}"
        )
