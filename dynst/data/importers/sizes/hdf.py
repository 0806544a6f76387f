"""HDF 5, and so NetCDF 4: sizes as declared, and no bytes of other files."""

import zlib
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import h5py

from dynst.data.importers.sizes.declared import refuse_array, refuse_chunk
from dynst.errors import DataError
from dynst.storage import free_space

__all__ = ["refuse_unsafe_hdf"]

MAX_DEFLATE = 1032  # bytes that one can unpack to
PART = 2**20
FIELD_BYTES = 8  # of a table, which is read field by field


def refuse_unsafe_hdf(path: Path) -> None:
    """Look at every array before any is read.

    Raises:
        DataError: one is kept in another file, or would need more memory than is free.
    """
    with h5py.File(path) as file:
        for name, data in _datasets(path, file):
            _refuse_others(path, name, data)
            what = f"'{name}' of {path}"
            item = FIELD_BYTES if data.dtype.names else data.dtype.itemsize
            refuse_array(what, data.shape or (), item, data.chunks)
            if data.chunks is not None:
                _refuse_chunks(what, data)


def _datasets(path: Path, file: h5py.File) -> Iterator[tuple[str, h5py.Dataset]]:
    """Every array once, however many links there are to it, without following any out of the
    file.
    """
    groups: list[h5py.Group] = [file]
    seen = {_address(file)}
    while groups:
        group = groups.pop()
        for name in group:
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                raise _elsewhere(path, f"{group.name.rstrip('/')}/{name}", link.filename)
            if isinstance(link, h5py.SoftLink):  # to something that is found by itself
                continue
            item = group[name]
            if _address(item) in seen:
                continue
            seen.add(_address(item))
            if isinstance(item, h5py.Group):
                groups.append(item)
            elif isinstance(item, h5py.Dataset):
                yield item.name, item


def _address(item: Any) -> Any:
    return h5py.h5o.get_info(item.id).addr


def _refuse_others(path: Path, name: str, data: h5py.Dataset) -> None:
    if data.external:
        raise _elsewhere(path, name, data.external[0][0])
    if data.is_virtual:
        raise _elsewhere(path, name, data.virtual_sources()[0].file_name)


def _elsewhere(path: Path, name: str, other: str) -> DataError:
    return DataError(
        f"'{name}' of {path} is kept in another file, {other}, which is not read; write all into "
        f"one file, such as with h5repack or xarray"
    )


def _refuse_chunks(what: str, data: h5py.Dataset) -> None:
    """Chunks that unpack to more than they declare."""
    if data.dtype.hasobject:  # texts of any length are kept elsewhere in the file
        return
    declared, free = prod(data.chunks) * data.dtype.itemsize, free_space.free_memory()
    suspects = []

    def look(stored: Any) -> None:
        refuse_chunk(what, stored.size, declared)
        if data.compression == "gzip" and stored.size * MAX_DEFLATE > free:
            suspects.append(stored.chunk_offset)

    data.id.chunk_iter(look)
    for offset in suspects:
        refuse_chunk(what, _unpacked(data.id.read_direct_chunk(offset)[1], 2 * declared), declared)


def _unpacked(packed: bytes, most: int) -> int:
    """The size of what deflate has packed, counted until it is too much."""
    count, stream = 0, zlib.decompressobj()
    while packed and count <= most and not stream.eof:
        count += len(stream.decompress(packed, PART))
        packed = stream.unconsumed_tail
    return count
