"""Canaries: what we use of Ray without a promise is still there and does what we use it for."""

import inspect
import signal
from typing import Any

import pytest
from ray.air.execution._internal.actor_manager import RayActorManager
from ray.dashboard.modules.dashboard_sdk import SubmissionClient
from ray.exceptions import OutOfMemoryError

from dynst_platform.compat import (
    JobsClient,
    KilledForMemory,
    interruptible,
    tolerate_oom_kills,
)


def test_tunes_manager_is_handed_a_death_where_memory_was_short(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handed: list[Exception] = []

    def original(manager: Any, tracked_actor_task: Any, exception: Exception) -> None:
        handed.append(exception)

    names = list(inspect.signature(RayActorManager._actor_task_failed).parameters)
    assert names == ["self", "tracked_actor_task", "exception"]
    monkeypatch.setattr(RayActorManager, "_actor_task_failed", original)
    with tolerate_oom_kills():
        RayActorManager._actor_task_failed(None, None, OutOfMemoryError("out of memory"))
        RayActorManager._actor_task_failed(None, None, ValueError("other"))
    assert [type(error) for error in handed] == [KilledForMemory, ValueError]
    assert RayActorManager._actor_task_failed is original


def test_ray_train_leaves_ctrl_c_alone() -> None:
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

    original = DataParallelTrainer._register_sigint_handler
    assert list(inspect.signature(original).parameters) == ["self", "controller"]
    before = signal.getsignal(signal.SIGINT)
    with interruptible():
        DataParallelTrainer._register_sigint_handler(None, None)
        assert signal.getsignal(signal.SIGINT) is before
    assert DataParallelTrainer._register_sigint_handler is original


def test_a_request_to_the_cluster_has_an_end_and_its_version_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[dict[str, Any]] = []

    class Answer:
        status_code = 200

        def raise_for_status(self) -> None: ...

        def json(self) -> dict[str, str]:
            return {"version": "4", "ray_version": "2.60.0", "ray_commit": ""}

    def request(self: Any, method: str, endpoint: str, **named: Any) -> Answer:
        asked.append(named)
        return Answer()

    monkeypatch.setattr(SubmissionClient, "_do_request", request)
    client = JobsClient("http://127.0.0.1:1")
    assert client.ray_version == "2.60.0"
    assert all(named["timeout"] == 60 for named in asked)
