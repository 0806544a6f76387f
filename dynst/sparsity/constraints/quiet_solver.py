"""Keeps a solver's own prints off standard output, which belongs to results."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quiet_stdout"]


@contextmanager
def quiet_stdout() -> Iterator[None]:
    """HiGHS (in scipy 1.17) prints a line past its own options and past ``sys.stdout`` wherever it
    repairs a solution, so the file descriptor itself is turned away. Whatever else the process
    prints meanwhile is lost too.
    """
    libc = ctypes.CDLL(None)
    sys.stdout.flush()
    libc.fflush(None)
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        libc.fflush(None)
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)
