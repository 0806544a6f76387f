"""What MLflow takes as names and filters: channels, groups and options may be called anything."""

import hashlib
import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from mlflow.entities import Run, ViewType
from mlflow.tracking import MlflowClient

from dynst_platform.text import printable

__all__ = ["MAX_NAME", "MAX_TAG", "dataset_name", "keys_for", "quoted", "runs_tagged"]

REFUSED = r"[^\w/.\- :]"  # in the name of a metric or parameter
MAX_KEY = 250
MAX_NAME = 500  # of a data set
MAX_TAG = 4000
DIGITS = 8
PAGE = 1000


def keys_for(names: Iterable[str]) -> dict[str, str]:
    """By name a key that MLflow takes. Names that differ have keys that differ: where two would
    become one, or a long one is cut, a digest of the name is added.
    """
    known = list(dict.fromkeys(names))
    keys = {name: _key(name) for name in known}
    count = Counter(keys.values())
    return {
        name: key if key == name or (count[key] == 1 and len(name) <= MAX_KEY) else _own(name, key)
        for name, key in keys.items()
    }


def _key(name: str) -> str:
    key = re.sub(REFUSED, "_", name)
    if posixpath.normpath(key) != key or key.startswith(("/", "..")) or key == ".":
        parts = (re.sub(r"^\.{1,2}$", "_", part) or "_" for part in key.split("/"))
        key = "/".join(parts)
    return key[:MAX_KEY]


def _own(name: str, key: str) -> str:
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:DIGITS]
    return f"{key[: MAX_KEY - DIGITS - 1]}-{digest}"


def quoted(value: str) -> str | None:
    """A text in a filter; None where MLflow's filters have no way to write it."""
    mark = next((mark for mark in "'\"" if mark not in value), None)
    return None if mark is None or not value.isprintable() else f"{mark}{value}{mark}"


def runs_tagged(
    client: MlflowClient,
    experiment: str,
    tags: Mapping[str, str],
    view: str = ViewType.ACTIVE_ONLY,
) -> Iterator[Run]:
    """The runs of an experiment that have all these tags."""
    values = {key: quoted(value) for key, value in tags.items()}
    wanted = " and ".join(f"tags.`{key}` = {text}" for key, text in values.items() if text)
    token = None
    while True:
        page = client.search_runs([experiment], wanted, view, max_results=PAGE, page_token=token)
        yield from (run for run in page if tags.items() <= run.data.tags.items())
        token = page.token
        if not token:
            return


def dataset_name(name: str) -> str:
    return printable(name, MAX_NAME)[:MAX_NAME] or "store"
