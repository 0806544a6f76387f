"""A job and a sweep are written down in many places: files, checkpoints, MLflow. No text of theirs
may hold credentials, whichever setting it is.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from dynst.storage.addresses import has_credentials, without_credentials

__all__ = ["redacted", "refuse_credentials"]


def refuse_credentials(document: Any) -> Any:
    """The document as it is. The sentence does not repeat what was found.

    Raises:
        ValueError: a text in it, keys included, holds credentials.
    """
    for key, text in _texts(document):
        if has_credentials(text):
            raise ValueError(
                f"{without_credentials(key)} must be an address without credentials, but has some; "
                f"take them out and give them in the environment, for s3:// as AWS_ACCESS_KEY_ID "
                f"and AWS_SECRET_ACCESS_KEY"
            )
    return document


def redacted(document: Any) -> Any:
    """A copy of plain data whose texts are without credentials: of a job that an earlier DynST,
    which did not refuse them, has written down.
    """
    if isinstance(document, str):
        return without_credentials(document)
    if isinstance(document, Mapping):
        return {redacted(key): redacted(value) for key, value in document.items()}
    if isinstance(document, list | tuple):
        return [redacted(value) for value in document]
    return document


def _texts(document: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Every text with its dotted key."""
    if isinstance(document, str):
        yield place, document
    elif isinstance(document, Mapping):
        for key, value in document.items():
            inner = f"{place}.{key}".removeprefix(".")
            yield inner, str(key)
            yield from _texts(value, inner)
    elif isinstance(document, list | tuple):
        for value in document:
            yield from _texts(value, place)
