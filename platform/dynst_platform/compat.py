"""Where we lean on what Ray 2.60 does not promise, each with the reason and a test that fails when
a new Ray has it otherwise (``tests/dynst_platform/test_compat.py``).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ray.air.execution._internal.actor_manager import RayActorManager
from ray.exceptions import OutOfMemoryError, RayActorError
from ray.job_submission import JobSubmissionClient

__all__ = ["JobsClient", "KilledForMemory", "interruptible", "tolerate_oom_kills"]

ANSWER_SECONDS = 60.0


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


@contextmanager
def interruptible() -> Iterator[None]:
    """Inside, Ctrl-C ends a training as every other signal does.

    Ray Train's own handler waits for its controller without end, and exits the process.
    """
    from ray.train.v2.api.data_parallel_trainer import (  # noqa: PLC0415 (seconds, for trainings alone)
        DataParallelTrainer,
    )

    original = DataParallelTrainer._register_sigint_handler
    DataParallelTrainer._register_sigint_handler = lambda trainer, controller: None
    try:
        yield
    finally:
        DataParallelTrainer._register_sigint_handler = original


class JobsClient(JobSubmissionClient):  # type: ignore[misc]  # ray has no types
    """Ray's client gives up on no server that accepts and does not answer; this one does."""

    @property
    def ray_version(self) -> str:
        """Of the cluster, asked for when the connection was made; there is no public way."""
        return str(self._server_ray_version)

    def _do_request(self, *arguments: Any, **named: Any) -> Any:
        return super()._do_request(*arguments, **{"timeout": ANSWER_SECONDS, **named})
