"""Failures of a run, as opposed to wrong input (``dynst.errors``), and what both have in common.

RunError               exit code 1: something failed on the way
├── BusyError          another process works there
├── StorageError       the storage of runs fails
└── TrackingError      the tracking store fails
    ├── UnreachableError   it is away: worth trying again
    │   └── FullError      no space is left
    ├── ForbiddenError     exit code 3: it lets nobody in, or nobody write
    └── UnusableError      exit code 2: what the user must change first
        └── NotFoundError      what was named is not there
RefusedError           exit code 3
"""

import errno

from dynst.errors import ConfigError, in_one_line

__all__ = [
    "BusyError",
    "ForbiddenError",
    "FullError",
    "NotFoundError",
    "RefusedError",
    "RunError",
    "StorageError",
    "TrackingError",
    "UnreachableError",
    "UnusableError",
    "of_the_disk",
]

NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
NO_PERMISSION = {errno.EROFS, errno.EACCES, errno.EPERM}


class RunError(Exception):
    """A training did not come to its end."""


class TrackingError(RunError):
    """The tracking server or store cannot be reached or refuses to write."""


class UnreachableError(TrackingError):
    """The tracking server does not answer now, and may do so later."""


class FullError(UnreachableError):
    """No space is left where something must be written; later there may be some."""


class BusyError(RunError):
    """Another process works in the run's folder."""


class StorageError(RunError):
    """What keeps runs for other machines, ``DYNST_STORAGE``, cannot be read or written."""


class RefusedError(Exception):
    """What was asked for is possible, and not done before the user agrees to it, or is permitted
    to do it.
    """


class ForbiddenError(TrackingError, RefusedError):
    """A server, or the permissions of a folder, do not let this user do it."""


class UnusableError(TrackingError, ConfigError):
    """A tracking store that cannot be used before the user changes something."""


class NotFoundError(UnusableError):
    """What was named is not in the tracking store, or was deleted there."""


def of_the_disk(error: OSError) -> FullError | ForbiddenError | None:
    """A disk that is full, or a place that may not be written or read; None for other errors."""
    place = f"{error.filename} " if error.filename else ""
    reason = error.strerror or in_one_line(error)
    if error.errno in NO_SPACE:
        return FullError(
            f"{place or 'a file '}cannot be written ({reason}); make room there, or set DYNST_HOME "
            f"(TMPDIR for temporary files) to another disk"
        )
    if error.errno in NO_PERMISSION:
        return ForbiddenError(
            f"{place or 'a file '}cannot be used ({reason}); change its permissions, or set "
            f"DYNST_HOME to a folder that you may write"
        )
    return None
