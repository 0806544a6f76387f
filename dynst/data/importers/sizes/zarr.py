"""Zarr in a folder or a zip: sizes as declared, known codecs, and no bytes of other files."""

import json
import zipfile
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from dynst.data.importers.sizes.declared import refuse_array, refuse_chunk
from dynst.errors import DataError

__all__ = ["refuse_unsafe_zarr"]

METADATA = {".zarray", ".zgroup", ".zattrs", ".zmetadata", "zarr.json"}
MOST_BYTES = 16 * 2**20  # of a description
CODECS = {
    "adler32", "astype", "bitround", "blosc", "bytes", "bz2", "crc32", "crc32c", "delta",
    "fixedscaleoffset", "fletcher32", "gzip", "jenkins_lookup3", "lz4", "lzma", "packbits",
    "quantize", "sharding_indexed", "shuffle", "transpose", "vlen-bytes", "vlen-utf8", "zlib",
    "zstd",
}  # fmt: skip


def refuse_unsafe_zarr(path: Path) -> None:
    """Look at the descriptions of all arrays, and at the sizes of their chunks.

    Raises:
        DataError: a file lies outside of the folder, a codec is unknown, or an array would need
            more memory than is free.
    """
    sizes = dict(_in_zip(path) if path.is_file() else _in_folder(path))
    chunks: dict[str, int] = {}
    for name in sizes:
        folder, _, file = name.rpartition("/")
        if file in (".zarray", "zarr.json"):
            declared = _refuse_array(path, name, _description(path, name, sizes[name]))
            if declared is not None:
                chunks[folder] = declared
    for name, size in sizes.items():
        above = next((place for place in _above(name) if place in chunks), None)
        if above is not None and name.rpartition("/")[2] not in METADATA:
            refuse_chunk(f"'{above}' of {path}", size, chunks[above])


def _above(name: str) -> Iterator[str]:
    while name:
        name = name.rpartition("/")[0]
        yield name


def _in_folder(path: Path) -> Iterator[tuple[str, int]]:
    root = path.resolve()
    for file in path.rglob("*"):
        if file.is_symlink() and not file.resolve().is_relative_to(root):
            raise DataError(
                f"'{file.relative_to(path)}' of {path} is a link to {file.resolve()}, outside of "
                f"the folder, which is not read; copy the files into the folder"
            )
        if file.is_file():
            yield file.relative_to(path).as_posix(), file.stat().st_size


def _in_zip(path: Path) -> Iterator[tuple[str, int]]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            yield member.filename, member.file_size


def _description(path: Path, name: str, size: int) -> Any:
    if size > MOST_BYTES:
        raise DataError(f"'{name}' of {path} is too large to describe an array; write it again")
    try:
        if path.is_dir():
            return json.loads((path / name).read_bytes())
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read(name))
    except (ValueError, RecursionError) as error:
        raise DataError(f"'{name}' of {path} is no JSON; write the data again") from error


def _refuse_array(path: Path, name: str, about: Any) -> int | None:
    """The bytes of a chunk; None where entries have no one size, or there is no array."""
    if not isinstance(about, dict) or about.get("node_type", "array") != "array":
        return None
    try:
        codecs, shape, chunk, kind = _facts(about)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"'{name}' of {path} must describe an array, but does not; write the data again"
        ) from error
    strange = [codec for codec in codecs if codec.removeprefix("numcodecs.") not in CODECS]
    if strange:
        raise DataError(
            f"'{name}' of {path} names the codec '{strange[0]}', which is not read; write the data "
            f"again with blosc, zstd or gzip"
        )
    what = f"'{name.rpartition('/')[0]}' of {path}"
    refuse_array(what, shape, 8 if kind is None else kind.itemsize, chunk)
    return None if kind is None or kind.hasobject else prod(chunk) * kind.itemsize


def _facts(about: dict[str, Any]) -> tuple[list[str], list[int], list[int], np.dtype | None]:
    """Codecs, shape, chunk and type of an array, of version 2 or 3 of Zarr."""
    if about.get("zarr_format") == 3:
        grid = about["chunk_grid"]["configuration"]["chunk_shape"]
        codecs = [
            each["name"] if isinstance(each, dict) else each for each in _all(about["codecs"])
        ]
        kind = about["data_type"]
    else:
        grid, kind = about["chunks"], about["dtype"]
        parts = [about.get("compressor"), *(about.get("filters") or ())]
        codecs = [each["id"] for each in parts if each is not None]
    shape, chunk = list(map(int, about["shape"])), list(map(int, grid))
    try:
        return codecs, shape, chunk, np.dtype(kind)
    except (TypeError, ValueError):
        return codecs, shape, chunk, None


def _all(codecs: Any) -> Iterator[Any]:
    """Codecs, and those within a shard."""
    for each in codecs:
        yield each
        if isinstance(each, dict) and isinstance(each.get("configuration"), dict):
            inner = each["configuration"]
            yield from _all([*inner.get("codecs", ()), *inner.get("index_codecs", ())])
