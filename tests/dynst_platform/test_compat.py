"""Canaries: what we use of Ray without a promise is still there and does what we use it for."""

import inspect
import signal
from types import SimpleNamespace
from typing import Any

import pytest
from ray._private.node import Node
from ray.air.execution._internal.actor_manager import RayActorManager
from ray.dashboard.modules.dashboard_sdk import SubmissionClient
from ray.exceptions import OutOfMemoryError
from ray.train import ScalingConfig
from ray.train.v2._internal.callbacks import DatasetsCallback
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.train.v2._internal.execution.scaling_policy import (
    ElasticScalingPolicy,
    FixedScalingPolicy,
    create_scaling_policy,
)
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

from dynst_platform.compat.jobs import JobsClient
from dynst_platform.compat.node import UNUSED, few_processes
from dynst_platform.compat.train import FixedGroup, LeanTrainer
from dynst_platform.compat.tune import KilledForMemory, tolerate_oom_kills


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
    original = DataParallelTrainer._register_sigint_handler
    assert list(inspect.signature(original).parameters) == ["self", "controller"]
    before = signal.getsignal(signal.SIGINT)
    LeanTrainer(print)._register_sigint_handler(None)
    assert signal.getsignal(signal.SIGINT) is before


# Ray itself uses a setting of its data sets that it deprecates
quiet = pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")


def actors_of(trainer: DataParallelTrainer) -> set[type]:
    """The callbacks and the policy that start an actor each."""
    started = {DatasetsCallback, PlacementGroupCleanerCallback, FixedScalingPolicy}
    used = [*trainer._create_default_callbacks(), create_scaling_policy(trainer.scaling_config)]
    return {type(part) for part in used} & started


@quiet
def test_ray_train_starts_an_actor_for_what_we_leave_out() -> None:
    scaling = ScalingConfig(num_workers=1)
    everything = {DatasetsCallback, PlacementGroupCleanerCallback, FixedScalingPolicy}
    assert actors_of(DataParallelTrainer(print, scaling_config=scaling)) == everything
    assert DatasetsCallback not in actors_of(LeanTrainer(print, scaling_config=scaling))
    assert actors_of(LeanTrainer(print, scaling_config=scaling, alone=True)) == {FixedScalingPolicy}


@quiet
@pytest.mark.parametrize(
    ("workers", "alone", "policy"),
    [(2, True, FixedGroup), (2, False, FixedScalingPolicy), ((1, 2), True, ElasticScalingPolicy)],
)
def test_no_autoscaler_is_asked_where_no_node_can_come(
    workers: Any, alone: bool, policy: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr(
        DataParallelTrainer,
        "_initialize_and_run_controller",
        lambda self, **named: given.update(named) or SimpleNamespace(error=None),
    )
    scaling = ScalingConfig(num_workers=workers)
    LeanTrainer(print, scaling_config=scaling, alone=alone).fit()
    assert type(given["scaling_policy"]) is policy


def test_a_fixed_group_decides_as_ray_trains_own_and_asks_nobody() -> None:
    group = FixedGroup(ScalingConfig(num_workers=2))
    group.after_controller_start(None)
    decision = group.make_decision_for_non_running_worker_group()
    assert (decision.num_workers, decision.resources_per_worker) == (2, {"CPU": 1})
    group.before_controller_abort()


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


def test_a_node_starts_without_the_processes_that_we_leave_out() -> None:
    """The rest of its start calls them by these names."""
    calls = inspect.getsource(Node)
    for name in UNUSED:
        assert f"self.{name}(" in calls
    before = [getattr(Node, name) for name in UNUSED]
    with few_processes():
        Node.start_monitor(None)
        Node.start_api_server(None, include_dashboard=False, raise_on_failure=False)
    assert [getattr(Node, name) for name in UNUSED] == before
