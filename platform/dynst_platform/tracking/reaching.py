"""What MLflow raises, as one sentence of ours with the remedy, and by its class with what it means:
the exit code, and whether trying again may help.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from dynst.errors import DynstError
from dynst.storage.addresses import problem_with, without_credentials
from dynst_platform.errors import (
    ForbiddenError,
    FullError,
    NotFoundError,
    RefusedError,
    RunError,
    TrackingError,
    UnreachableError,
    UnusableError,
    of_the_disk,
)
from dynst_platform.tracking.causes import DRIVERS, Cause, cause_of, chain_of, is_of_s3
from dynst_platform.tracking.server_version import other_version

__all__ = ["as_tracking_error"]

OURS = (DynstError, RunError, RefusedError)
KINDS: dict[Cause, type[TrackingError]] = {
    Cause.AWAY: UnreachableError,
    Cause.FULL: FullError,
    Cause.NOT_LET_IN: ForbiddenError,
    Cause.NOT_ALLOWED: ForbiddenError,
    Cause.READ_ONLY: ForbiddenError,
    Cause.NOT_FOUND: NotFoundError,
    Cause.DELETED: NotFoundError,
    Cause.OTHER_VERSION: UnusableError,
    Cause.NO_DRIVER: UnusableError,
    Cause.ADDRESS: UnusableError,
    Cause.NO_ENDPOINT: UnusableError,
    Cause.DAMAGED: UnusableError,
}
CREDENTIALS = "check MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
REMEDIES = {
    Cause.AWAY: "see that it runs and is reached from here, and check MLFLOW_TRACKING_URI",
    Cause.FULL: "make room there, and do it again",
    Cause.NOT_LET_IN: f"{CREDENTIALS}, or the password in MLFLOW_TRACKING_URI",
    Cause.NOT_ALLOWED: f"ask its owner for the permission, or {CREDENTIALS}",
    Cause.READ_ONLY: "get the permission to write there, or set DYNST_HOME or MLFLOW_TRACKING_URI "
    "to another place",
    Cause.NOT_FOUND: "name what dynst compare or dynst ui shows, or set MLFLOW_TRACKING_URI or "
    "DYNST_HOME to where it is",
    Cause.DELETED: "restore it there (mlflow runs restore, mlflow experiments restore), or name "
    "another",
    Cause.OTHER_VERSION: "install the version of MLflow that it is of, or back up a database of "
    "your own and bring it to this one with mlflow db upgrade",
    Cause.DAMAGED: "restore it from a backup, or set DYNST_HOME or MLFLOW_TRACKING_URI to another "
    "one",
    Cause.ADDRESS: "check MLFLOW_TRACKING_URI",
    Cause.NO_ENDPOINT: "see that MLFLOW_TRACKING_URI is the address of MLflow itself, or install "
    "the version of MLflow that the server is of",
}


@contextmanager
def as_tracking_error(uri: str) -> Iterator[None]:
    """Around every call of MLflow.

    Raises:
        UnreachableError: the store does not answer (exit code 1).
        FullError: it has no space left (1).
        ForbiddenError: it lets this user not in, or not write (3).
        NotFoundError: what was named is not there, or deleted (2).
        UnusableError: it is of another version, or its address or driver are not usable (2).
        TrackingError: it refuses for another reason (1).
    """
    try:
        yield
    except OURS:
        raise
    except Exception as error:
        known = _known(without_credentials(uri), error)
        if known is None:
            raise
        raise _with_versions(uri, known) from error


def _with_versions(uri: str, known: TrackingError) -> TrackingError:
    """A refusal names the versions of client and server where they differ."""
    other = None if isinstance(known, UnreachableError) else other_version(uri)
    return type(known)(f"{known}; {other}") if other else known


def _known(uri: str, error: Exception) -> TrackingError | None:
    """None for an error that is neither MLflow's nor that of the storage behind it."""
    cause = cause_of(error)
    if cause is Cause.NO_DRIVER:
        return _no_driver(uri, error)
    if is_of_s3(error):
        kind = TrackingError if cause is None else KINDS[cause]
        return kind(f"the artifacts of {uri} cannot be written or read: {problem_with(error)}")
    if isinstance(error, OSError) and error.filename and (found := of_the_disk(error)) is not None:
        return found
    if isinstance(error, FileNotFoundError):
        cause = Cause.NOT_FOUND
    if cause is None and not isinstance(
        error, MlflowException | OSError | SQLAlchemyError | sqlite3.Error
    ):
        return None
    kind = TrackingError if cause is None else KINDS[cause]
    remedy = REMEDIES[cause or Cause.ADDRESS]
    return kind(f"the tracking store {uri} cannot be used ({_reason(error)}); {remedy}")


def _no_driver(uri: str, error: BaseException) -> UnusableError:
    names = [each.name or "" for each in chain_of(error) if isinstance(each, ModuleNotFoundError)]
    name = next(each for each in names if each in DRIVERS)
    what = "the artifacts of" if "s3" in DRIVERS[name] else "the tracking store"
    lie = " lie in s3://, which" if "s3" in DRIVERS[name] else ""
    return UnusableError(
        f"{what} {uri}{lie} needs {name}; install it with: pip install {DRIVERS[name]}"
    )


def _reason(error: Exception) -> str:
    """The first sentence of what was said; of a network, what the system said."""
    if cause_of(error) is Cause.AWAY:
        of_system = [each.strerror for each in chain_of(error) if isinstance(each, OSError)]
        if known := next(filter(None, of_system), None):
            return known
    said = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return without_credentials(said.partition(". ")[0])
