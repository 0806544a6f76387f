"""A registered model as MLflow has it at one moment: its tags, where the alias stands, what is left
of its versions.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from dynst_platform.errors import RefusedError

__all__ = [
    "CHAMPION",
    "LOCK",
    "MODEL_TAG",
    "Registered",
    "is_absent",
    "is_lock_name",
    "recorded_model_id",
    "refused",
    "registered",
    "what_is_left",
    "with_permission",
]

CHAMPION = "champion"
MODEL_TAG = "dynst.model_id"
LOGGED_MODEL = re.compile(r"(?:^models:/|/models/)(m-[0-9a-f]{32})(?:/|$)")
LOCK = ".promotion-lock"


@dataclass(frozen=True)
class Registered:
    name: str
    tags: dict[str, str]
    champion: int | None


def registered(client: MlflowClient, name: str) -> Registered | None:
    """None where there is no such model, or where this user must not know of it."""
    try:
        model = client.get_registered_model(name)
    except MlflowException as error:
        if is_absent(error) or error.error_code == "PERMISSION_DENIED":
            return None
        raise
    number = dict(model.aliases).get(CHAMPION)
    return Registered(name, dict(model.tags), None if number is None else int(number))


def recorded_model_id(version: ModelVersion) -> str | None:
    """By our tag, or, of a logged model that was registered by hand, by what it was made from."""
    if MODEL_TAG in version.tags:
        return str(version.tags[MODEL_TAG])
    made_from = LOGGED_MODEL.search(str(version.source))
    return made_from[1] if made_from else None


def what_is_left(client: MlflowClient, reference: str) -> str:
    """What to name in place of a champion, or a version, that is gone; empty where there is no
    model of that name.
    """
    name, _, version = reference.removeprefix("models:/").partition("/")
    name, _, alias = name.partition("@")
    model = registered(client, name)
    if model is None:
        return ""
    found = client.search_model_versions(f"name = '{name}'")
    numbers = sorted(int(each.version) for each in found)
    lacks = f"version {version}" if version else f"alias '{alias}'" if alias else "champion"
    has = f"versions {', '.join(map(str, numbers))}" if numbers else "no version"
    way = (
        f"where it had one, go back with: dynst promote --rollback --model {name}"
        if model.champion is None
        else f"its champion is version {model.champion}"
    )
    return f"model '{name}' has no {lacks} now; it has {has} (name one as {name}/NUMBER); {way}"


def is_absent(error: MlflowException) -> bool:
    return bool(error.error_code == "RESOURCE_DOES_NOT_EXIST")


def is_lock_name(name: str) -> bool:
    """Whether it is, or may become, the name of another model's lock."""
    head, _, number = name.rpartition(LOCK)
    return bool(head) and not number.strip(".0123456789")


@contextmanager
def with_permission(name: str) -> Iterator[None]:
    """Raises RefusedError, with the permissions to ask for, where the server denies one."""
    try:
        yield
    except MlflowException as error:
        if error.error_code != "PERMISSION_DENIED":
            raise
        raise refused(name) from error


def refused(name: str) -> RefusedError:
    return RefusedError(
        f"the tracking server does not let this user change the registered model '{name}'; ask "
        f"its creator or an administrator for EDIT on registered_model '{name}', READ on the "
        f"experiment of the run, and USE of the workspace to create '{name}{LOCK}.…'"
    )
