"""What MLflow, databases, storage and disks say, and what becomes of it."""

import errno
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests
from mlflow.exceptions import MlflowException, RestException
from mlflow.protos import databricks_pb2 as codes
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import OperationalError

from dynst.errors import ConfigError, DataError
from dynst_platform.config.locations import tracking_uri
from dynst_platform.errors import (
    ForbiddenError,
    FullError,
    NotFoundError,
    RefusedError,
    TrackingError,
    UnreachableError,
    UnusableError,
)
from dynst_platform.tracking.clients import reader_of
from dynst_platform.tracking.reaching import as_tracking_error

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning:mlflow", "ignore::ResourceWarning"
)


def of_database(code: str | int, said: str = "whatever") -> MlflowException:
    """As MLflow's session hides what a driver raised."""
    driver = Exception(code, said) if isinstance(code, int) else Exception(said)
    driver.pgcode = code if isinstance(code, str) else None  # type: ignore[attr-defined]
    hidden = MlflowException("(hidden)", codes.TEMPORARILY_UNAVAILABLE)
    hidden.__cause__ = OperationalError("SELECT 1", {}, driver)
    return hidden


def of_http(status: int) -> requests.HTTPError:
    response = requests.Response()
    response.status_code = status
    return requests.HTTPError(f"{status} of an artifact", response=response)


def hidden(cause: Exception) -> MlflowException:
    error = MlflowException(f"API request failed with exception {cause}")
    error.__context__ = cause
    return error


def away(said: str) -> requests.exceptions.ConnectionError:
    """As requests hides what the system said."""
    error = requests.exceptions.ConnectionError(said)
    error.__context__ = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
    return error


def rest(code: str, said: str = "whatever") -> RestException:
    return RestException({"error_code": code, "message": said})


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (rest("UNAUTHENTICATED"), ForbiddenError, "MLFLOW_TRACKING_PASSWORD"),
        (rest("PERMISSION_DENIED"), ForbiddenError, "ask its owner for the permission"),
        (rest("RESOURCE_DOES_NOT_EXIST", "Run with id=x not found"), NotFoundError, "id=x not"),
        (rest("ENDPOINT_NOT_FOUND"), UnusableError, "the address of MLflow itself, or install"),
        (rest("INTERNAL_ERROR", "no such table: tags"), UnusableError, "from a backup"),
        (rest("INTERNAL_ERROR", "disk image is malformed"), UnusableError, "from a backup"),
        (of_database("42P01"), UnusableError, "from a backup"),
        (rest("TEMPORARILY_UNAVAILABLE"), UnreachableError, "see that it runs"),
        (
            rest("INVALID_PARAMETER_VALUE", "The run 7 must be in the 'active' state. Current"),
            NotFoundError,
            "mlflow runs restore",
        ),
        (rest("INVALID_PARAMETER_VALUE", "something else"), TrackingError, "something else"),
        (rest("INTERNAL_ERROR", "database or disk is full"), FullError, "make room"),
        (of_http(401), ForbiddenError, "MLFLOW_TRACKING_USERNAME"),
        (of_http(404), NotFoundError, "dynst compare"),
        (of_http(507), FullError, "make room"),
        (of_http(503), UnreachableError, "see that it runs"),
        (hidden(requests.exceptions.ConnectionError("refused")), UnreachableError, "refused"),
        (hidden(requests.exceptions.SSLError("self-signed")), UnusableError, "self-signed"),
        (of_database("28P01"), ForbiddenError, "PASSWORD"),
        (of_database("53100"), FullError, "make room"),
        (of_database("25006"), ForbiddenError, "permission to write"),
        (of_database(1049), UnusableError, "check MLFLOW_TRACKING_URI"),
        (of_database("57P03"), UnreachableError, "see that it runs"),
        (OSError(errno.EROFS, "Read-only file system", "/a/b"), ForbiddenError, "^/a/b cannot"),
        (OSError(errno.ENOSPC, "No space left on device", "/a/b"), FullError, "make room there"),
        (FileNotFoundError(errno.ENOENT, "No such file", "/a/job.yaml"), NotFoundError, "job.yaml"),
        (ModuleNotFoundError("no", name="MySQLdb"), UnusableError, "pip install mysqlclient"),
        (ConnectionResetError("reset"), UnreachableError, "reset"),
        (hidden(away("Max retries exceeded")), UnreachableError, r"used \(Connection refused\)"),
    ],
    ids=lambda value: str(value)[:30] if isinstance(value, Exception) else "",
)
def test_a_cause_has_its_class_and_its_remedy(
    error: Exception, kind: type[TrackingError], words: str
) -> None:
    with pytest.raises(TrackingError, match=words) as raised, as_tracking_error("http://u:p@host"):
        raise error
    assert type(raised.value) is kind
    assert "\n" not in str(raised.value)
    assert "u:p" not in str(raised.value)


def test_exit_codes_follow_from_the_classes() -> None:
    assert issubclass(UnusableError, ConfigError)
    assert issubclass(ForbiddenError, RefusedError)
    assert issubclass(FullError, UnreachableError), "a delivery tries it again until there is room"
    assert not issubclass(UnreachableError, ConfigError | RefusedError)


def test_our_own_errors_pass_whatever_led_to_them() -> None:
    error = DataError("ours")
    error.__cause__ = rest("UNAUTHENTICATED")
    with pytest.raises(DataError, match="ours"), as_tracking_error("http://host"):
        raise error


@pytest.mark.parametrize(
    ("pragma", "kind"),
    [("query_only = 1", ForbiddenError), ("max_page_count = 1", FullError)],
    ids=["read-only", "full"],
)
def test_what_sqlite_really_says(tmp_path: Path, pragma: str, kind: type[TrackingError]) -> None:
    with closing(sqlite3.connect(tmp_path / "x.db")) as connection:
        connection.execute("CREATE TABLE t (x)")
        connection.execute(f"PRAGMA {pragma}")
        with pytest.raises(kind), as_tracking_error("sqlite:///x.db"):
            connection.execute("INSERT INTO t VALUES (?)", ["x" * 100_000])


@pytest.mark.usefixtures("tracked_home")
@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda client, run: client.log_metric(run, "x", 1.0), "mlflow runs restore"),
        (lambda client, run: client.get_run("0" * 32), "0000 not found"),
        (lambda client, run: client.get_run("no/run"), "no/run"),
        (lambda client, run: client.get_logged_model("m-1"), "m-1"),
        (lambda client, run: client.get_model_version("m", "1"), "name=m"),
    ],
    ids=["deleted", "unknown run", "no id", "unknown model", "unknown version"],
)
def test_what_is_not_in_a_real_store(ask: Callable[[MlflowClient, str], Any], words: str) -> None:
    client = reader_of(tracking_uri())
    run = client.create_run("0").info.run_id
    client.delete_run(run)
    with pytest.raises(NotFoundError, match=words), as_tracking_error(tracking_uri()):
        ask(client, run)
