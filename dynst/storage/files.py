"""The file system behind an address."""

from pathlib import Path

from pyarrow import fs

from dynst.storage.addresses import is_remote

__all__ = ["file_system"]


def file_system(address: str) -> tuple[fs.FileSystem, str]:
    """File system and path of a local path, or of ``file://``, ``s3://``, ``gs://`` and whatever
    else Arrow reaches.
    """
    if not is_remote(address):
        return fs.LocalFileSystem(), str(Path(address).expanduser().resolve())
    files, root = fs.FileSystem.from_uri(address)
    return files, root
