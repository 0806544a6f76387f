"""What MLflow raises, as one sentence of ours, and whether trying again may help."""

from collections.abc import Iterator
from contextlib import contextmanager

import requests
from mlflow.exceptions import MlflowException

from dynst_platform.errors import TrackingError, UnreachableError

__all__ = ["as_tracking_error"]

PASSING_STATUS = {429, 502, 503, 504}


@contextmanager
def as_tracking_error(uri: str) -> Iterator[None]:
    """Raises UnreachableError where the store does not answer, TrackingError where it refuses."""
    try:
        yield
    except (MlflowException, OSError) as error:
        reason = str(error).splitlines()[0]
        kind = UnreachableError if any(map(_is_passing, _chain(error))) else TrackingError
        raise kind(f"the tracking store {uri} cannot be used ({reason}); check MLFLOW_TRACKING_URI") from error


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
    invalid = (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, requests.exceptions.MissingSchema)
    network = (requests.exceptions.RequestException, ConnectionError, TimeoutError)
    return isinstance(error, network) and not isinstance(error, invalid)
