"""Ray Tune: a trial that was killed for memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ray.air.execution._internal.actor_manager import RayActorManager
from ray.exceptions import OutOfMemoryError, RayActorError

__all__ = ["KilledForMemory", "tolerate_oom_kills"]


class KilledForMemory(RayActorError):  # type: ignore[misc]
    """In place of Ray's ``OutOfMemoryError``."""


@contextmanager
def tolerate_oom_kills() -> Iterator[None]:
    """Inside, a trial that was killed for memory fails, and Tune goes on.

    Tune knows an actor that died and a task that raised, but not ``OutOfMemoryError``: it takes
    that for an error of its own and ends the whole experiment.
    """
    original = RayActorManager._actor_task_failed

    def failed(manager: Any, tracked_actor_task: Any, exception: Exception) -> None:
        original(
            manager,
            tracked_actor_task,
            KilledForMemory() if isinstance(exception, OutOfMemoryError) else exception,
        )

    RayActorManager._actor_task_failed = failed
    try:
        yield
    finally:
        RayActorManager._actor_task_failed = original
