"""What one process at a time may do."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["locked", "made_once"]


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Wait until no other process is inside; a process that dies leaves. The file goes at the end.

    Raises:
        OSError: the file cannot be made.
    """
    while True:
        with file.open("a", encoding="utf-8") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            if _is_at(file, held.fileno()):  # else who held it before has removed it
                try:
                    yield
                finally:
                    file.unlink(missing_ok=True)
                return


def _is_at(file: Path, held: int) -> bool:
    try:
        return os.path.samestat(file.stat(), os.fstat(held))
    except FileNotFoundError:
        return False


def made_once(
    path: Path,
    make: Callable[[Path], object],
    is_there: Callable[[Path], bool] = Path.exists,
) -> None:
    """Have what is not there made by one process, while others that want it wait.

    Args:
        path: of a file or folder.
        make: makes it there, whole or not at all.
        is_there: whether it was made.

    Raises:
        OSError: it cannot be written there.
    """
    if is_there(path):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path.with_name(f".{path.name}.lock")):
        if not is_there(path):  # another process was faster
            make(path)
