"""Addresses of stores and servers: how they are shown, which is without credentials, and why one
cannot be used.
"""

import re
from urllib.parse import urlsplit

from dynst.storage.credentials import without_credentials

__all__ = [
    "has_credentials",
    "is_of_a_server",
    "is_remote",
    "problem_with",
    "without_credentials",
]

PROBLEMS = {  # what Arrow, MLflow's clients and the system say of it, and our words with the remedy
    r"bucket.* (not found|does not exist)|NO_?SUCH_?BUCKET": "there is no such bucket; create it, "
    "or name another",
    r"Path does not exist|No such file": "nothing is there; check bucket and path",
    r"No space left|quota.?exceeded|StorageFull|InsufficientStorage|\b507\b": (
        "no space is left there; free some, or name another place"
    ),
    r"ACCESS_?DENIED|INVALID_?ACCESS_?KEY|SIGNATURE_?DOES_?NOT_?MATCH|credentials|Forbidden|"
    r"\b403\b|Permission denied": (
        "permission is denied; give credentials that may list, read, write and delete there (for "
        "s3:// AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a role of the machine)"
    ),
    r"NETWORK_CONNECTION|connect to|resolve host|timed? ?out": (
        "nobody answers; check the network, and for a store of your own AWS_ENDPOINT_URL"
    ),
}


def is_remote(name: str) -> bool:
    return "://" in name


def is_of_a_server(address: str) -> bool:
    """Whether it is ``http`` or ``https`` with a host, and a port that can be one.

    Example:
        >>> is_of_a_server("http://host:5000"), is_of_a_server("http://[::1")
        (True, False)
    """
    try:
        parts = urlsplit(address)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, a bracket that is not closed, no IP address
        return False


def has_credentials(address: str) -> bool:
    return without_credentials(address) != address


def problem_with(error: BaseException) -> str:
    """What storage says, as a reason and a remedy in one part of a sentence."""
    reason = " ".join(without_credentials(str(error)).split())
    for pattern, words in PROBLEMS.items():
        if re.search(pattern, reason, re.IGNORECASE):
            return words
    return f"{reason or type(error).__name__}; check address, space and credentials"
