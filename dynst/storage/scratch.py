"""Folders for what is not finished yet.

Each is locked for as long as its process lives, so that what a killed process left is known and
removed by the next one that works in the same place.
"""

import fcntl
import logging
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dynst.notices import notice

__all__ = ["remove_leftovers", "scratch_folder"]

MARK = "dynst-scratch-"
BIRTH = 60.0  # seconds for which an empty folder may be one that is about to be locked
NAME = re.compile(rf"(?:\..+\.)?{MARK}[a-z0-9_]{{8}}")  # by which no folder of a user's is taken
logger = logging.getLogger(__name__)


@contextmanager
def scratch_folder(place: Path | None = None, name: str = "") -> Iterator[Path]:
    """A new folder that is gone when the block ends, unless it was renamed.

    Leftovers of killed processes are removed from the same place first.

    Args:
        place: the folder above it, which must exist; by default that of temporary files.
        name: of what is made in it, for a hidden folder beside that.
    """
    above = Path(tempfile.gettempdir()) if place is None else place
    remove_leftovers(above)
    folder, lock = _locked(above, f".{name}.{MARK}" if name else MARK)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def remove_leftovers(place: Path) -> None:
    """Remove this user's unfinished folders that no process has locked, and say so."""
    with suppress(OSError), os.scandir(place) as entries:
        found = sorted(entry.name for entry in entries if NAME.fullmatch(entry.name))
        removed = [name for name in found if _removed(place / name)]
        if removed:
            names = ", ".join(removed)
            notice(f"removed from {place.absolute()} what a killed process left: {names}")


def _locked(above: Path, prefix: str) -> tuple[Path, int]:
    """Another process may find the folder before it is locked, and take it for a leftover."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=above))
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue
        with suppress(OSError):  # a file system without locks, on which nobody removes leftovers
            fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.is_dir():
            return folder, lock
        os.close(lock)


def _removed(folder: Path) -> bool:
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:  # of another user, or just gone
        return False
    try:
        if os.fstat(lock).st_uid != os.geteuid():
            return False
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _may_be_new(folder):
            return False
        shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:  # its process lives
        logger.debug("%s is left alone: %s", folder, error)
        return False
    finally:
        os.close(lock)
    return not folder.exists()


def _may_be_new(folder: Path) -> bool:
    """Whether another process may have made it just now; it is locked before it is filled."""
    age = time.time() - folder.stat().st_mtime
    return abs(age) < BIRTH and not any(folder.iterdir())
