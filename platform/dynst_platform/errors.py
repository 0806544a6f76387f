"""Failures of a run, as opposed to wrong input (``dynst.errors``): the command line exits with code 1."""

__all__ = ["BusyError", "RunError", "TrackingError"]


class RunError(Exception):
    """A training did not come to its end."""


class TrackingError(RunError):
    """The tracking server or store cannot be reached or refuses to write."""


class BusyError(RunError):
    """Another process works in the run's folder."""
