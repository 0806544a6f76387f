"""The file system behind an address, and files that are replaced whole."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyarrow import fs

from dynst.storage.addresses import is_remote
from dynst.storage.room import names_what_is_full

__all__ = ["file_system", "replace_object", "replace_text", "written_whole"]


def file_system(address: str) -> tuple[fs.FileSystem, str]:
    """File system and path of a local path, or of ``file://``, ``s3://``, ``gs://`` and whatever
    else Arrow reaches.
    """
    if not is_remote(address):
        return fs.LocalFileSystem(), str(Path(address).expanduser().resolve())
    files, root = fs.FileSystem.from_uri(address)
    return files, root


def replace_object(files: fs.FileSystem, path: str, content: bytes) -> None:
    """Write a file of any file system whole or not at all, through a draft beside it.

    Its folder must be there.
    """
    folder, _, name = path.rpartition("/")
    draft = f"{folder}/.{name}.draft"
    with files.open_output_stream(draft) as file:
        file.write(content)
    files.move(draft, path)


def replace_text(path: Path, text: str) -> None:
    """Write a local file whole or not at all, through a draft beside it."""
    draft = path.with_name(f".{path.name}.draft")
    try:
        with names_what_is_full(path):
            draft.write_text(text, encoding="utf-8")
    except OSError:
        draft.unlink(missing_ok=True)  # on a full disk half of it is there
        raise
    os.replace(draft, path)


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """What to write for ``path``: a draft beside it that gets its name when the block ends well.

    A device, and a file in a folder that cannot be written, are written at once.
    """
    target = path.resolve()
    if (target.exists() and not target.is_file()) or not os.access(target.parent, os.W_OK):
        with names_what_is_full(path):
            yield path
        return
    draft = target.with_name(f".draft-{os.getpid()}-{target.name}")  # with the suffix of the form
    try:
        with names_what_is_full(path):
            yield draft
        os.replace(draft, target)
    finally:
        draft.unlink(missing_ok=True)
