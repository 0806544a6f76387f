"""Whether a tracking server is of another MLflow than the one that is installed here."""

from functools import cache

import requests
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request
from mlflow.version import VERSION

__all__ = ["other_version"]

SECONDS = 3  # for an answer to a small question


@cache
def other_version(uri: str) -> str:
    """Both versions as a part of a sentence, where a server has another one; empty where not, and
    where it does not say.
    """
    if not uri.startswith(("http://", "https://")):
        return ""
    server = _version_of(uri)
    if not server or server == VERSION:
        return ""
    return (
        f"the server is MLflow {server} and this is MLflow {VERSION}, which may be why: "
        f"install the same on both"
    )


def _version_of(uri: str) -> str:
    try:
        answer = http_request(
            get_default_host_creds(uri),
            "/version",
            "GET",
            timeout=SECONDS,
            max_retries=0,
            retry_timeout_seconds=1,
        )
    except Exception:  # whatever happens here is not what went wrong first
        return ""
    text: str = answer.text.strip()
    known = answer.status_code == requests.codes.ok and text[:1].isdecimal() and len(text) < 40
    return text if known else ""
