"""What was verified before, so that opening a large store again costs no reading of it."""

import hashlib
import os
import time
from contextlib import suppress
from pathlib import Path

__all__ = ["Verified", "file_key"]

RECENT = 2.0  # seconds in which a file may change without a new time of change
_IN_THIS_PROCESS = set[str]()


def file_key(state: os.stat_result, content: str = "") -> str:
    """Of a file as it lies on disk: another key once it is replaced or written to.

    Args:
        state: what ``stat`` says of it.
        content: what it was verified to hold.
    """
    facts = (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
    return hashlib.sha256(repr((content, *facts)).encode()).hexdigest()


class Verified:
    """Keys of what was verified, in this process and in a folder.

    Args:
        folder: an empty file for each key, where the folder above it exists; None keeps them in
            this process alone.
        anew: whether nothing counts as verified before.
    """

    def __init__(self, folder: Path | None = None, anew: bool = False) -> None:
        self.folder, self.anew = folder, anew

    def __contains__(self, key: str) -> bool:
        if self.anew:
            return False
        return key in _IN_THIS_PROCESS or (
            self.folder is not None and (self.folder / key).is_file()
        )

    def add(self, key: str, *states: os.stat_result) -> None:
        """Note a key, unless a file that it stands for has only just changed.

        A folder that cannot be written costs the next process another reading, and no more.
        """
        changed = max((max(state.st_mtime, state.st_ctime) for state in states), default=0.0)
        if time.time() - changed < RECENT:
            return
        _IN_THIS_PROCESS.add(key)
        if self.folder is not None:
            with suppress(OSError):
                self.folder.mkdir(exist_ok=True)
                (self.folder / key).touch()
