"""Versions of a registered model, which of them is the champion, and everything that ever moved it.

MLflow's registry has no transactions. What must be done alone is done while holding a lock: a
registered model of a name that can exist only once, in whatever database the tracking server has.
Each move of the alias is kept as a tag of the registered model.
"""

import getpass
import json
import random
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from dynst.errors import ConfigError
from dynst_platform.errors import RunError
from dynst_platform.forms import todays
from dynst_platform.model_registry.references import CHAMPION, model_id_in

__all__ = [
    "Event",
    "Version",
    "alone_with",
    "champion_of",
    "history_of",
    "register",
    "roll_back",
    "unlock",
]

LOCK = ".promotion-lock"
EVENT = "dynst.event."
FORM = "dynst.form"  # the version of the other tags, and of an event
WAIT_SECONDS = 120.0


@dataclass(frozen=True)
class Version:
    name: str
    number: int
    run_id: str
    model_id: str
    previous: int | None  # the champion when it was promoted
    tags: dict[str, str]


@dataclass(frozen=True)
class Event:
    """A move of the alias."""

    number: int
    at: str  # ISO 8601, UTC
    what: str  # promoted, rolled back
    version: int
    before: int | None
    by: str
    why: str


def champion_of(client: MlflowClient, name: str) -> Version | None:
    try:
        return _version(client.get_model_version_by_alias(name, CHAMPION))
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def register(
    client: MlflowClient, name: str, run_id: str, model_id: str, tags: dict[str, str], why: str
) -> Version:
    """A new version that is the champion from now on; to be called while alone with the model."""
    before = champion_of(client, name)
    previous = {} if before is None else {"dynst.previous": str(before.number)}
    _ensure(client, name)
    known = {FORM: "1", "dynst.model_id": model_id, "dynst.run_id": run_id} | previous | tags
    made = client.create_model_version(
        name, f"models:/{model_id}", run_id, tags=known, model_id=model_id
    )
    version = _version(made)
    _move(client, version, before, "promoted", why)
    return version


def roll_back(client: MlflowClient, name: str) -> tuple[Version, Version]:
    """The champion before this one serves again; returns it, and the one that served until now.

    Raises:
        ConfigError: there is no champion, or it is the first.
    """
    with alone_with(client, name):
        now = champion_of(client, name)
        if now is None:
            raise ConfigError(
                f"model '{name}' has no champion, so nothing can be rolled back; see dynst promote"
            )
        if now.previous is None:
            raise ConfigError(
                f"version {now.number} of '{name}' is its first champion, so there is none to go "
                f"back to"
            )
        before = _version(client.get_model_version(name, str(now.previous)))
        _move(client, before, now, "rolled back", f"version {now.number} was withdrawn")
    return before, now


def history_of(client: MlflowClient, name: str) -> list[Event]:
    """Raises ConfigError where there is no such model."""
    try:
        tags = client.get_registered_model(name).tags
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            raise ConfigError(f"the registry has no model '{name}'; promote one first") from error
        raise
    return [
        Event(**todays(json.loads(value), f"tag {key} of model '{name}'", key=FORM))
        for key, value in sorted(tags.items())
        if key.startswith(EVENT)
    ]


@contextmanager
def alone_with(client: MlflowClient, name: str, wait: float = WAIT_SECONDS) -> Iterator[None]:
    """No other process moves the alias of ``name`` inside.

    Raises:
        RunError: another process holds the lock for longer than ``wait`` seconds.
    """
    holder = {"dynst.by": _by(), "dynst.at": _now()}
    deadline = time.monotonic() + wait
    while not _taken(client, name, holder):
        if time.monotonic() > deadline:
            raise RunError(
                f"another promotion of '{name}' has been under way for {wait:g} "
                f"s{_who(client, name)}; wait for it, or, if it "
                f"died, free the model with: dynst registry unlock {name}"
            )
        time.sleep(random.uniform(0.1, 0.5))
    try:
        yield
    finally:
        unlock(client, name)


def unlock(client: MlflowClient, name: str) -> None:
    client.delete_registered_model(name + LOCK)


def _taken(client: MlflowClient, name: str, tags: dict[str, str]) -> bool:
    try:
        client.create_registered_model(
            name + LOCK, tags, description="exists while a promotion is under way"
        )
    except MlflowException as error:
        # "Does not exist": MLflow's insert met another's lock, which was gone again when it went to
        # look at it.
        if error.error_code in ("RESOURCE_ALREADY_EXISTS", "RESOURCE_DOES_NOT_EXIST"):
            return False
        raise
    return True


def _who(client: MlflowClient, name: str) -> str:
    try:
        tags = client.get_registered_model(name + LOCK).tags
    except MlflowException:
        return ""
    return f" (by {tags.get('dynst.by')}, since {tags.get('dynst.at')})"


def _ensure(client: MlflowClient, name: str) -> None:
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _move(client: MlflowClient, to: Version, before: Version | None, what: str, why: str) -> None:
    client.set_registered_model_alias(to.name, CHAMPION, str(to.number))
    number = len(history_of(client, to.name)) + 1
    event = Event(
        number, _now(), what, to.number, None if before is None else before.number, _by(), why
    )
    client.set_registered_model_tag(
        to.name, f"{EVENT}{number:06d}", json.dumps({FORM: 1, **asdict(event)})
    )


def _version(made: ModelVersion) -> Version:
    where = f"version {made.version} of '{made.name}'"
    form = made.tags.get(FORM, "1")
    known = {FORM: int(form) if form.isdecimal() else form}
    todays(known, f"the tags of {where}", key=FORM)
    previous = made.tags.get("dynst.previous")
    return Version(
        name=made.name,
        number=int(made.version),
        run_id=made.run_id,
        model_id=model_id_in(made),
        previous=None if previous is None else int(previous),
        tags=dict(made.tags),
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _by() -> str:
    return f"{getpass.getuser()}@{socket.gethostname()}"
