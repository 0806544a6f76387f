"""What the machine lacks, as one sentence: room on a disk, a folder for temporary files, names that
can be written.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

from dynst.errors import ConfigError
from dynst.storage.room import is_full
from dynst_platform.config.locations import home

__all__ = ["check_names", "sentence_of"]

NO_TEMPORARY = "No usable temporary directory"
LITTLE = 64 * 2**20  # bytes, below which a disk is named as full where an error names no file


def sentence_of(error: BaseException) -> str | None:
    """For an error that comes of the machine and of no code; None for any other."""
    file = getattr(error, "filename", None)
    place = os.fsdecode(file) if isinstance(file, str | bytes) else ""
    if is_full(error):
        return (
            f"{place or 'a file'} cannot be written, since no space is left ({_free(place)}); free "
            f"some there, and give the same command again"
        )
    if NO_TEMPORARY in str(error):
        return (
            "temporary files need a folder that can be written, but there is none; make room in "
            "that of TMPDIR or in /tmp, or set TMPDIR to another folder"
        )
    if isinstance(error, MemoryError):
        return "no memory is left; free some, or make the job smaller, and give the command again"
    if isinstance(error, OSError) and error.strerror:
        return (
            f"{place or 'a file'} cannot be used ({error.strerror}); check that it is there and "
            f"that you may read and write it, and give the same command again"
        )
    return None


def check_names() -> None:
    """Refuse names that libraries would write otherwise than Python, or not at all.

    Raises:
        ConfigError: a word of the command line is no text in the encoding of file names, or a
            folder that DynST works in is not ASCII where that encoding is not UTF-8.
    """
    encoding = sys.getfilesystemencoding()
    remedy = "rename it, or set PYTHONUTF8=1 where it is UTF-8"
    for word in sys.argv[1:]:
        if any("\ud800" <= character <= "\udfff" for character in word):
            raise ConfigError(f"names must be text in {encoding}, but '{word}' is none; {remedy}")
    if encoding.lower().replace("-", "") == "utf8":
        return
    for folder in (os.getcwd(), str(home()), tempfile.gettempdir()):
        if not folder.isascii():
            raise ConfigError(
                f"where file names are in {encoding}, folders must have ASCII names, but {folder} "
                f"has not; {remedy}"
            )


def _free(place: str) -> str:
    """Of the disk that an error names, else of those on which DynST writes."""
    from dynst.storage.free_space import size_text

    known = [Path(place).parent] if place else [home(), Path(tempfile.gettempdir()), Path.cwd()]
    there = {str(_existing(folder)): shutil.disk_usage(_existing(folder)).free for folder in known}
    full = {folder: free for folder, free in there.items() if free < LITTLE} or there
    return ", ".join(f"{size_text(free)} free at {folder}" for folder, free in full.items())


def _existing(folder: Path) -> Path:
    whole = folder.absolute()
    return next(above for above in (whole, *whole.parents) if above.exists())
