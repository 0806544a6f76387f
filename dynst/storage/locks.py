"""A file that one process at a time may hold."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["locked"]


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Wait until no other process is inside; a process that dies leaves.

    Raises:
        OSError: the file cannot be made.
    """
    with file.open("a", encoding="utf-8") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
