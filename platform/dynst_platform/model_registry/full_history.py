"""The history of a registered model with what it cannot say by itself: what was interrupted, what
was deleted, what never served.
"""

from dataclasses import dataclass

from mlflow.tracking import MlflowClient

from dynst_platform.model_registry.events import Event, History
from dynst_platform.model_registry.versions import Version, history_with_unfinished, versions_of

__all__ = ["FullHistory", "full_history_of"]


@dataclass(frozen=True)
class FullHistory:
    events: list[Event]
    notes: list[str]


def full_history_of(client: MlflowClient, name: str) -> FullHistory:
    """Reads alone; what is to be settled is settled by the next promotion or rollback.

    Raises:
        ConfigError: there is no such model.
    """
    history = history_with_unfinished(client, name)
    left = versions_of(client, name)
    return FullHistory(history.events, [*_interrupted(history), *_versions(history, left)])


def _interrupted(history: History) -> list[str]:
    return [
        f"{event.at}  not {event.what}: version {event.version}, by {event.by}; this was "
        f"interrupted before the alias moved, or is under way"
        for event in history.unfinished
    ]


def _versions(history: History, left: list[Version]) -> list[str]:
    served = {event.version for event in history.events if event.version is not None}
    begun = {event.version for event in history.unfinished}
    there = {version.number for version in left}
    deleted = [f"version {number} was deleted since" for number in sorted(served - there)]
    foreign = [
        f"version {version.number} was registered by another program, and is no model of DynST"
        for version in left
        if version.model_id is None
    ]
    idle = [
        f"version {number} was registered, and has never been the champion"
        for number in sorted(there - served - begun)
    ]
    return [*deleted, *foreign, *idle]
