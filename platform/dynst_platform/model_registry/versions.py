"""Versions of a registered model: which of them is the champion, and how another takes its place.

What moves the alias runs alone (``lock.py``) and leaves an event (``events.py``).
"""

from dataclasses import dataclass

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from dynst.errors import ConfigError
from dynst_platform.forms import todays
from dynst_platform.model_registry.events import (
    FORM,
    PROMOTED,
    Event,
    History,
    history_in,
    key_of,
    new_event,
    write_event,
)
from dynst_platform.model_registry.lock import Alone
from dynst_platform.model_registry.registered import (
    CHAMPION,
    MODEL_TAG,
    Registered,
    is_absent,
    recorded_model_id,
    registered,
)

__all__ = [
    "Version",
    "champion_of",
    "history_of",
    "history_with_unfinished",
    "move",
    "register",
    "version_of",
    "versions_of",
]


@dataclass(frozen=True)
class Version:
    name: str
    number: int
    run_id: str
    model_id: str | None  # None where another program registered something else
    previous: int | None  # the champion when it was promoted
    tags: dict[str, str]


def champion_of(client: MlflowClient, name: str) -> Version | None:
    model = registered(client, name)
    return None if model is None or model.champion is None else _there(client, name, model.champion)


def version_of(client: MlflowClient, name: str, number: int) -> Version | None:
    """None for one that was deleted."""
    return _there(client, name, number)


def versions_of(client: MlflowClient, name: str) -> list[Version]:
    """Those that are left."""
    return [_version(found) for found in client.search_model_versions(f"name = '{name}'")]


def register(alone: Alone, run_id: str, model_id: str, tags: dict[str, str], why: str) -> Version:
    """A version that is the champion from now on."""
    model = alone.check()
    before = model.champion
    known = {FORM: "1", MODEL_TAG: model_id, "dynst.run_id": run_id} | tags
    known |= {} if before is None else {"dynst.previous": str(before)}
    version = _unused(alone, model, model_id, known) or _version(
        alone.client.create_model_version(
            alone.name, f"models:/{model_id}", run_id, tags=known, model_id=model_id
        )
    )
    move(alone, version.number, PROMOTED, why)
    return version


def move(alone: Alone, to: int, what: str, why: str) -> None:
    """The alias and its event: whoever finds the event pending sees where the alias is."""
    event = new_event(what, to, alone.check().champion, why)
    key = key_of(alone.turn, 2)
    write_event(alone.client, alone.name, key, event, pending=True)
    alone.check()
    alone.client.set_registered_model_alias(alone.name, CHAMPION, str(to))
    write_event(alone.client, alone.name, key, event)


def history_of(client: MlflowClient, name: str) -> list[Event]:
    """Raises ConfigError where there is no such model."""
    return history_with_unfinished(client, name).events


def history_with_unfinished(client: MlflowClient, name: str) -> History:
    """With what was interrupted.

    Raises:
        ConfigError: there is no such model.
    """
    model = registered(client, name)
    if model is None:
        raise ConfigError(f"the registry has no model '{name}' to be seen; promote one first")
    return history_in(model)


def _unused(alone: Alone, model: Registered, model_id: str, tags: dict[str, str]) -> Version | None:
    """A version of this model that an interrupted promotion left and that never served."""
    served = {event.version for event in history_in(model).events}
    left = [
        version
        for version in versions_of(alone.client, alone.name)
        if version.tags.get(MODEL_TAG) == model_id and version.number not in served
    ]
    if not left:
        return None
    version = min(left, key=lambda each: each.number)
    for key, value in tags.items():
        if version.tags.get(key) != value:
            alone.client.set_model_version_tag(alone.name, str(version.number), key, value)
    return version


def _there(client: MlflowClient, name: str, number: int) -> Version | None:
    try:
        return _version(client.get_model_version(name, str(number)))
    except MlflowException as error:
        if is_absent(error):
            return None
        raise


def _version(made: ModelVersion) -> Version:
    where = f"version {made.version} of '{made.name}'"
    form = made.tags.get(FORM, "1")
    known = {FORM: int(form) if form.isdecimal() else form}
    todays(known, f"the tags of {where}", key=FORM)
    previous = made.tags.get("dynst.previous", "")
    return Version(
        name=made.name,
        number=int(made.version),
        run_id=made.run_id or "",
        model_id=recorded_model_id(made),
        previous=int(previous) if previous.isdecimal() else None,
        tags=dict(made.tags),
    )
