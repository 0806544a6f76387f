"""The champion before this one again: the nearest of those that are left."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlflow.entities import LoggedModel
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from dynst.errors import ConfigError
from dynst_platform.model_registry.events import (
    ROLLED_BACK,
    Event,
    History,
    history_in,
)
from dynst_platform.model_registry.lock import alone_with
from dynst_platform.model_registry.registered import is_absent, registered
from dynst_platform.model_registry.versions import (
    Version,
    history_with_unfinished,
    move,
    version_of,
)
from dynst_platform.tracking.artifact_places import local_path, present_path

__all__ = ["RolledBack", "roll_back"]

MLMODEL = "MLmodel"


@dataclass(frozen=True)
class RolledBack:
    now: Version
    before: int | None  # None where the champion had been removed by hand
    passed_over: tuple[str, ...]  # versions in between, each with the reason


def roll_back(client: MlflowClient, name: str) -> RolledBack:
    """The champion before this one serves again; versions that are gone are passed over.

    Raises:
        ConfigError: there was no champion, or none before it is left.
        RefusedError: this user may not change the model.
    """
    _target(client, name, _history(client, name))
    with alone_with(client, name) as alone:
        model = alone.check()
        target, passed_over = _target(client, name, history_in(model))
        withdrawn = f"version {model.champion} was withdrawn"
        why = "the champion had been removed" if model.champion is None else withdrawn
        move(alone, target.number, ROLLED_BACK, "; ".join((why, *passed_over)))
    return RolledBack(target, model.champion, passed_over)


def _history(client: MlflowClient, name: str) -> History:
    if registered(client, name) is None:
        raise ConfigError(_nothing(name))
    return history_with_unfinished(client, name)


def _nothing(name: str) -> str:
    return f"model '{name}' has no champion, so nothing can be rolled back; see dynst promote"


def _target(client: MlflowClient, name: str, history: History) -> tuple[Version, tuple[str, ...]]:
    if not history.events:
        raise ConfigError(_nothing(name))
    now = history.events[-1].version
    seen, passed_over = {now}, list[str]()
    number = _before(client, name, history.events, now)
    while number is not None and number not in seen:
        version = version_of(client, name, number)
        reason = _gone(client, version)
        if version is not None and reason is None:
            return version, tuple(passed_over)
        passed_over.append(f"version {number} is passed over, since {reason}")
        seen.add(number)
        number = _before(client, name, history.events, number)
    raise ConfigError(_nowhere(name, now, passed_over))


def _nowhere(name: str, now: int | None, passed_over: list[str]) -> str:
    if not passed_over:
        return f"version {now} of '{name}' is its first champion, so there is none to go back to"
    return (
        f"no earlier champion of '{name}' is left to go back to: {'; '.join(passed_over)}; promote "
        f"another training"
    )


def _before(
    client: MlflowClient, name: str, events: Sequence[Event], number: int | None
) -> int | None:
    """The champion whose place this one took; where no event is left, as its own tag has it."""
    for event in reversed(events):
        if event.version == number and event.what != ROLLED_BACK:
            return event.before
    version = None if number is None else version_of(client, name, number)
    return None if version is None else version.previous


def _gone(client: MlflowClient, version: Version | None) -> str | None:
    """None where it can serve, or where its files are another program's affair."""
    if version is None:
        return "it was deleted"
    if version.model_id is None:
        return None
    try:
        model = client.get_logged_model(version.model_id)
        there = _has_files(client, model)
    except MlflowException as error:
        if is_absent(error):
            return f"its model {version.model_id} was deleted"
        raise
    return None if there else f"the files of its model {version.model_id} are gone"


def _has_files(client: MlflowClient, model: LoggedModel) -> bool:
    if local_path(model.artifact_location) is None:
        files = client.list_logged_model_artifacts(model.model_id)
        return any(file.path == MLMODEL for file in files)
    folder = present_path(model.artifact_location)
    return folder is not None and (folder / MLMODEL).is_file()
