"""Why MLflow, a database or a storage failed: by their codes, and by their words where there is no
code.
"""

import re
import sqlite3
from collections.abc import Iterator
from enum import StrEnum

import requests
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    NoSuchModuleError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from dynst_platform.errors import NO_PERMISSION, NO_SPACE

__all__ = ["DRIVERS", "Cause", "cause_of", "chain_of", "is_of_s3"]

DRIVERS = {  # by module: what is to be installed
    "boto3": "'dynst[s3]'",
    "botocore": "'dynst[s3]'",
    "psycopg2": "psycopg2-binary",
    "psycopg": "'psycopg[binary]'",
    "MySQLdb": "mysqlclient",
    "pymysql": "pymysql",
    "pyodbc": "pyodbc",
    "pymssql": "pymssql",
}
S3_LIBRARIES = ("boto3", "botocore")
S3_AWAY = (
    "EndpointConnectionError",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "ConnectionClosedError",
)
S3_NOT_LET_IN = ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "403", "401")
S3_FULL = ("XMinioStorageFull", "InsufficientStorage", "QuotaExceeded", "507")


class Cause(StrEnum):
    """What is to be done about it, and by whom."""

    AWAY = "away"
    FULL = "full"
    NOT_LET_IN = "not let in"
    NOT_ALLOWED = "not allowed"
    READ_ONLY = "read-only"
    NOT_FOUND = "not found"
    DELETED = "deleted"
    OTHER_VERSION = "another version"
    NO_DRIVER = "driver missing"
    ADDRESS = "unusable address"
    NO_ENDPOINT = "not MLflow's, or of another version"
    DAMAGED = "damaged"


STATUS = {
    401: Cause.NOT_LET_IN,
    403: Cause.NOT_ALLOWED,
    404: Cause.NOT_FOUND,
    407: Cause.NOT_LET_IN,
    507: Cause.FULL,
}
PASSING_STATUS = {429, 502, 503, 504}
MLFLOW = {
    "UNAUTHENTICATED": Cause.NOT_LET_IN,
    "CUSTOMER_UNAUTHORIZED": Cause.NOT_LET_IN,
    "PERMISSION_DENIED": Cause.NOT_ALLOWED,
    "RESOURCE_DOES_NOT_EXIST": Cause.NOT_FOUND,
    "NOT_FOUND": Cause.NOT_FOUND,
    "ENDPOINT_NOT_FOUND": Cause.NO_ENDPOINT,
    "NOT_IMPLEMENTED": Cause.OTHER_VERSION,
}
SQLITE = {  # primary result codes
    sqlite3.SQLITE_READONLY: Cause.READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: Cause.READ_ONLY,
    sqlite3.SQLITE_PERM: Cause.READ_ONLY,
    sqlite3.SQLITE_FULL: Cause.FULL,
    sqlite3.SQLITE_IOERR: Cause.FULL,
    sqlite3.SQLITE_BUSY: Cause.AWAY,
    sqlite3.SQLITE_LOCKED: Cause.AWAY,
    sqlite3.SQLITE_NOTADB: Cause.ADDRESS,
    sqlite3.SQLITE_CORRUPT: Cause.DAMAGED,
}
DATABASE = {  # SQLSTATE of PostgreSQL, numbers of MySQL
    "28P01": Cause.NOT_LET_IN,
    "28000": Cause.NOT_LET_IN,
    1045: Cause.NOT_LET_IN,
    "42501": Cause.NOT_ALLOWED,
    1044: Cause.NOT_ALLOWED,
    1142: Cause.NOT_ALLOWED,
    "25006": Cause.READ_ONLY,
    1290: Cause.READ_ONLY,
    "53100": Cause.FULL,
    1021: Cause.FULL,
    "3D000": Cause.ADDRESS,
    1049: Cause.ADDRESS,
    "42P01": Cause.DAMAGED,
    "42703": Cause.DAMAGED,
    1146: Cause.DAMAGED,
    1054: Cause.DAMAGED,
    "XX001": Cause.DAMAGED,
    "XX002": Cause.DAMAGED,
}
WORDS = {  # of what comes without a code of its own
    r"must be in the 'active' state|deleted experiment": Cause.DELETED,
    r"for parameter 'run_id'": Cause.NOT_FOUND,
    r"out-of-date database schema|Can't locate revision": Cause.OTHER_VERSION,
    r"error code 507|database or disk is full|No space left on device": Cause.FULL,
    r"readonly database|Read-only file system|PermissionError|Permission denied": Cause.READ_ONLY,
    r"no such (table|column)|has no column|disk image is malformed": Cause.DAMAGED,
    r"authentication failed|no password supplied": Cause.NOT_LET_IN,
    r"database \"[^\"]*\" does not exist": Cause.ADDRESS,
}
NETWORK = (requests.exceptions.RequestException, ConnectionError, TimeoutError)
INVALID = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    requests.exceptions.SSLError,
)


def cause_of(error: Exception) -> Cause | None:
    """None where nothing says it. What led to an error says it before the error that hides it."""
    chain = list(chain_of(error))
    found = next((cause for each in chain if (cause := _exact(each)) is not None), None)
    if found is not None:
        return found
    return Cause.AWAY if any(map(_is_passing, chain)) else None


def is_of_s3(error: BaseException) -> bool:
    return type(error).__module__.partition(".")[0] in S3_LIBRARIES


def chain_of(error: BaseException | None) -> Iterator[BaseException]:
    """The error and all that led to it: MLflow hides what the network said behind its own."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _exact(error: BaseException) -> Cause | None:
    if isinstance(error, ModuleNotFoundError):
        return Cause.NO_DRIVER if error.name in DRIVERS else None
    if is_of_s3(error):
        return _of_s3(error)
    if isinstance(error, MlflowException):
        return MLFLOW.get(error.error_code) or _of_words(error)
    if isinstance(error, sqlite3.Error):
        return SQLITE.get(getattr(error, "sqlite_errorcode", -1) & 0xFF) or _of_words(error)
    if isinstance(error, (*INVALID, ArgumentError, NoSuchModuleError)):
        return Cause.ADDRESS
    if isinstance(error, requests.exceptions.HTTPError):
        return None if error.response is None else STATUS.get(error.response.status_code)
    if isinstance(error, DBAPIError):
        return DATABASE.get(_code(error)) or _of_words(error)
    return _of_files(error) if isinstance(error, OSError) else _of_alembic(error)


def _of_files(error: OSError) -> Cause | None:
    if isinstance(error, IsADirectoryError | NotADirectoryError | FileExistsError):
        return Cause.ADDRESS
    if error.errno in NO_SPACE:
        return Cause.FULL
    return Cause.READ_ONLY if error.errno in NO_PERMISSION else None


def _of_alembic(error: BaseException) -> Cause | None:
    """A database that a later MLflow has written: its migrations are unknown here."""
    return _of_words(error) if type(error).__module__.startswith("alembic") else None


def _of_words(error: BaseException) -> Cause | None:
    said = str(error)
    return next((cause for words, cause in WORDS.items() if re.search(words, said)), None)


def _of_s3(error: BaseException) -> Cause | None:
    said = getattr(error, "response", {}).get("Error", {}).get("Code", type(error).__name__)
    if said in (*S3_NOT_LET_IN, "NoCredentialsError"):
        return Cause.NOT_ALLOWED
    if said in S3_FULL:
        return Cause.FULL
    if said in S3_AWAY:
        return Cause.AWAY
    return Cause.ADDRESS if said == "NoSuchBucket" else None


def _code(error: DBAPIError) -> str | int:
    """Of the driver's own error: PostgreSQL's drivers and MySQL's give it in different places."""
    known = getattr(error.orig, "pgcode", None) or getattr(error.orig, "sqlstate", None)
    arguments = getattr(error.orig, "args", ())
    number = arguments[0] if arguments and isinstance(arguments[0], int) else ""
    return known or number


def _is_passing(error: BaseException) -> bool:
    if isinstance(error, requests.exceptions.HTTPError):
        return error.response is not None and error.response.status_code in PASSING_STATUS
    if isinstance(error, MlflowException):
        return error.get_http_status_code() in PASSING_STATUS
    return isinstance(error, (*NETWORK, OperationalError, InterfaceError, PoolTimeout))
