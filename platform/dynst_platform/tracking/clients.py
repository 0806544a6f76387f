"""The one place where clients of MLflow are made."""

import mlflow
from mlflow.tracking import MlflowClient

from dynst_platform.config.tracking_address import sqlite_file
from dynst_platform.errors import NotFoundError
from dynst_platform.log import quiet_libraries
from dynst_platform.tracking.database import is_there, made_whole, refuse_unfinished
from dynst_platform.tracking.reaching import as_tracking_error

__all__ = ["client_of", "reader_of"]


def client_of(uri: str) -> MlflowClient:
    """A client that writes. A SQLite database that is not there is created, whole or not at all.

    Raises:
        TrackingError: the store cannot be reached, or refuses.
        UnusableError: the store is not what this MLflow can use.
    """
    file = sqlite_file(uri)
    quiet_libraries()
    with as_tracking_error(uri):
        if file is not None:
            made_whole(file)
        return _client(uri)


def reader_of(uri: str) -> MlflowClient:
    """A client of a store that is there; creates nothing.

    Raises:
        TrackingError: the store cannot be reached, or refuses.
        NotFoundError: there is none.
        UnusableError: it is not what this MLflow can use.
    """
    file = sqlite_file(uri)
    quiet_libraries()
    with as_tracking_error(uri):
        if file is not None and not is_there(file):
            what = "is empty" if file.is_file() else "does not exist"
            raise NotFoundError(
                f"no runs in {file}, which {what}; train a job first, or set DYNST_HOME to where "
                f"yours are"
            )
        if file is not None:
            refuse_unfinished(file)
        return _client(uri)


def _client(uri: str) -> MlflowClient:
    mlflow.set_tracking_uri(uri)
    if not uri.startswith("http"):
        _ask_once()
    return MlflowClient(uri)


def _ask_once() -> None:
    """MLflow asks a database that does not answer ten times, for 102 s; here once is enough."""
    from mlflow.store.db import utils  # noqa: PLC0415  (SQLAlchemy, which a server does not need)

    utils.MAX_RETRY_COUNT = 1
