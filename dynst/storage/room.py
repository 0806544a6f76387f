"""Whether an error says that a disk is full, whoever says it: the system, or a library in words of
its own; and which file it is about.
"""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dynst.errors import DynstError

__all__ = ["is_full", "names_what_is_full"]

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
SAID = re.compile(  # the system, SQLite, NumPy, PyTorch, Ray
    r"No space left on device|Disk quota exceeded|database or disk is full|File too large|"
    r"\d+ requested and \d+ written|unexpected pos \d+ vs \d+|OutOfDiskError",
    re.IGNORECASE,
)


def is_full(error: BaseException) -> bool:
    """Whether the error, or one that led to it, comes of a full disk, quota or largest file.

    Example:
        >>> is_full(OSError(28, "No space left on device"))
        True
    """
    return any(_says_so(each) for each in _chain(error))


@contextmanager
def names_what_is_full(path: Path) -> Iterator[None]:
    """Around what writes ``path``: the system names a file that it cannot open, and none that it
    cannot write to the end.

    Raises:
        OSError: of a full disk, with the path.
    """
    try:
        yield
    except DynstError:
        raise
    except Exception as error:
        if is_full(error) and not getattr(error, "filename", None):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
        raise


def _says_so(error: BaseException) -> bool:
    return (isinstance(error, OSError) and error.errno in FULL) or bool(SAID.search(str(error)))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        hidden = error.__suppress_context__
        error = error.__cause__ or (None if hidden else error.__context__)
