"""Real Ray Train workers. Each fit costs about half a minute, so there are few."""

import os
from pathlib import Path

import pytest

from dynst.data.store import SensorStore
from dynst_platform.config.job import JobSpec
from dynst_platform.execution.launch import launch, usable_workers
from dynst_platform.execution.worker_group import GroupShape
from tests.dynst_platform.commands.train.test_train import small_job
from tests.dynst_platform.reports import plain

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")


def collect(job: JobSpec, network: SensorStore, folder: Path) -> list[dict]:
    reports: list[dict] = []
    folder.mkdir()
    launch(job, network.path, folder, lambda report: reports.append(plain(report)))
    return reports


def test_a_group_is_of_a_number_or_grows_from_its_fewest() -> None:
    assert GroupShape(3).num_workers == 3
    assert GroupShape(3, fewest=3).num_workers == 3
    assert GroupShape(3, fewest=1).num_workers == (1, 3)


def test_no_more_workers_than_this_process_may_use_cores(network: SensorStore) -> None:
    """Whatever the machine has: a container or ``taskset`` may leave it one."""
    job, allowed = small_job(network, cluster={"num_workers": 3}), os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert usable_workers(job) == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert (
        usable_workers(small_job(network, cluster={"num_workers": 3, "address": "cluster:6379"}))
        == 3
    )


@pytest.mark.process
def test_two_ray_workers_train_as_one_process_does(
    network: SensorStore, tmp_path: Path, ray_head: str
) -> None:
    here = collect(small_job(network), network, tmp_path / "here")
    there = collect(
        small_job(network, cluster={"num_workers": 2, "address": ray_head}),
        network,
        tmp_path / "there",
    )
    assert [(report["kind"], report["arm"], report.get("epoch")) for report in here] == [
        (report["kind"], report["arm"], report.get("epoch")) for report in there
    ]
    for one, two in zip(here, there, strict=True):
        if one["kind"] == "arm":
            assert one["active"] == two["active"]
            assert one["metrics"]["test/mae_all"] == pytest.approx(
                two["metrics"]["test/mae_all"], rel=1e-3
            )
            assert Path(two["artifact"], "weights.safetensors").is_file()
        else:
            assert one["train_loss"] == pytest.approx(two["train_loss"], rel=1e-4)
            assert [update["active"] for update in one["updates"]] == [
                update["active"] for update in two["updates"]
            ]
