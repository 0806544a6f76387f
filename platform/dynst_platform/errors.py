"""Failures of a run, as opposed to wrong input (``dynst.errors``): the command line exits with code
1, or 3 where it refused to go on.
"""

__all__ = [
    "BusyError",
    "RefusedError",
    "RunError",
    "StorageError",
    "TrackingError",
    "UnreachableError",
]


class RunError(Exception):
    """A training did not come to its end."""


class TrackingError(RunError):
    """The tracking server or store cannot be reached or refuses to write."""


class UnreachableError(TrackingError):
    """The tracking server does not answer now, and may do so later."""


class BusyError(RunError):
    """Another process works in the run's folder."""


class StorageError(RunError):
    """What keeps runs for other machines, ``DYNST_STORAGE``, cannot be read or written."""


class RefusedError(Exception):
    """What was asked for is possible, and not done before the user agrees to it."""
