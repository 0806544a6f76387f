"""Sensor stores in object storage: ``s3://``, ``gs://`` and whatever else Arrow's file systems
reach, through a local cache.
"""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
from pyarrow import fs

from dynst.data.manifest_file import MANIFEST, manifest_bytes, parse_manifest, read_manifest
from dynst.data.store import open_store
from dynst.errors import DataError
from dynst.storage.addresses import problem_with, without_credentials
from dynst.storage.files import file_system
from dynst.storage.locks import made_once
from dynst.storage.scratch import scratch_folder

__all__ = ["fetch_store", "publish_store"]


def fetch_store(uri: str, cache: Path, *, memory: Path | None = None) -> Path:
    """The store's folder in the local cache, named by its whole manifest.

    It is downloaded where that manifest is not there yet, and verified before it gets its name.

    Args:
        uri: of the store.
        cache: a folder for stores of addresses.
        memory: as in ``open_store``.

    Raises:
        DataError: the address cannot be reached, holds no store, or one that is damaged.
    """
    cache.mkdir(parents=True, exist_ok=True)
    with _as_data_error(uri), scratch_folder(cache, "fetched") as folder:
        files, root = file_system(uri)
        arriving = folder / "store"
        arriving.mkdir()
        _download(files, root, arriving, MANIFEST)
        content = manifest_bytes(arriving)

        def fetch(target: Path) -> None:
            with _as_of(uri, arriving):
                for name in parse_manifest(content, arriving / MANIFEST).file_names:
                    _download(files, root, arriving, name)
                open_store(arriving, memory=memory, anew=True)
            arriving.rename(target)

        target = cache / hashlib.sha256(content).hexdigest()
        made_once(target, fetch)
        return target


def publish_store(store: Path, uri: str) -> None:
    """Upload a local store; refuses an address that already holds one.

    Raises:
        DataError: the address cannot be written, or is taken.
    """
    with _as_data_error(uri):
        files, root = file_system(uri)
        if files.get_file_info(f"{root}/{MANIFEST}").type != fs.FileType.NotFound:
            raise DataError(
                f"{without_credentials(uri)} holds a sensor store already; remove it or choose "
                f"another address"
            )
        files.create_dir(root, recursive=True)
        for name in (*read_manifest(store).file_names, MANIFEST):  # without it no store opens
            with (
                (store / name).open("rb") as source,
                files.open_output_stream(f"{root}/{name}") as target,
            ):
                shutil.copyfileobj(source, target, 8 * 2**20)


def _download(files: fs.FileSystem, root: str, folder: Path, name: str) -> None:
    with files.open_input_stream(f"{root}/{name}") as source, (folder / name).open("wb") as target:
        shutil.copyfileobj(source, target, 8 * 2**20)


@contextmanager
def _as_of(uri: str, copy: Path) -> Iterator[None]:
    """What is wrong with a copy is wrong at its address."""
    try:
        yield
    except DataError as error:
        raise DataError(str(error).replace(str(copy), without_credentials(uri))) from error


@contextmanager
def _as_data_error(uri: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataError(
            f"{without_credentials(uri)} cannot be used as a sensor store: {problem_with(error)}"
        ) from error
