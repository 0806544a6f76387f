"""What MLflow raises, as one sentence of ours, and whether trying again may help."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import requests
from mlflow.exceptions import MlflowException

from dynst.storage.addresses import problem_with, without_credentials
from dynst_platform.errors import TrackingError, UnreachableError
from dynst_platform.tracking.server_version import other_version

__all__ = ["as_tracking_error"]

PASSING_STATUS = {429, 502, 503, 504}
NOT_LET_IN = re.compile(r"error code 40[13]\b|not authenticated|PERMISSION_DENIED", re.IGNORECASE)
S3_LIBRARIES = ("boto3", "botocore")  # installed only where artifacts lie there
S3_AWAY = (
    "EndpointConnectionError",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "ConnectionClosedError",
)


@contextmanager
def as_tracking_error(uri: str) -> Iterator[None]:
    """Raises UnreachableError where the store does not answer, TrackingError where it refuses."""
    try:
        yield
    except Exception as error:
        sentence = _sentence(without_credentials(uri), error)
        if sentence is None:
            raise
        if any(map(_is_passing, _chain(error))):
            raise UnreachableError(sentence) from error
        other = other_version(uri)
        raise TrackingError(f"{sentence}; {other}" if other else sentence) from error


def _sentence(uri: str, error: Exception) -> str | None:
    """None for an error that is neither MLflow's nor that of the storage behind it."""
    if isinstance(error, ModuleNotFoundError) and error.name in S3_LIBRARIES:
        return (
            f"the artifacts of {uri} lie in s3://, which needs boto3; install it with: pip "
            f"install 'dynst[s3]'"
        )
    if _is_of_s3(error):
        return f"the artifacts of {uri} cannot be written or read: {problem_with(error)}"
    if isinstance(error, MlflowException | OSError):
        reason = without_credentials((str(error).strip().splitlines() or [type(error).__name__])[0])
        asked = (
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
            if NOT_LET_IN.search(reason)
            else "MLFLOW_TRACKING_URI"
        )
        return f"the tracking store {uri} cannot be used ({reason}); check {asked}"
    return None


def _is_of_s3(error: BaseException) -> bool:
    return type(error).__module__.partition(".")[0] in S3_LIBRARIES


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and all that led to it: MLflow hides what the network said behind its own."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_passing(error: BaseException) -> bool:
    if isinstance(error, requests.exceptions.HTTPError):
        return error.response is not None and error.response.status_code in PASSING_STATUS
    if isinstance(error, MlflowException):
        return error.get_http_status_code() in PASSING_STATUS
    if _is_of_s3(error):
        return type(error).__name__ in S3_AWAY
    invalid = (
        requests.exceptions.InvalidURL,
        requests.exceptions.InvalidSchema,
        requests.exceptions.MissingSchema,
    )
    network = (requests.exceptions.RequestException, ConnectionError, TimeoutError)
    return isinstance(error, network) and not isinstance(error, invalid)
