"""Real Ray Train workers. Each fit costs about half a minute, so there are few."""

from pathlib import Path

import pytest

from dynst.data.store import SensorStore
from dynst_platform.spec import JobSpec
from dynst_platform.workers.launch import launch
from tests.dynst_platform.test_train import small_job

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")


def collect(job: JobSpec, network: SensorStore, folder: Path) -> list[dict]:
    reports: list[dict] = []
    folder.mkdir()
    launch(job, network.path, folder, reports.append)
    return reports


@pytest.mark.cluster
def test_two_ray_workers_train_as_one_process_does(network: SensorStore, tmp_path: Path) -> None:
    here = collect(small_job(network), network, tmp_path / "here")
    there = collect(small_job(network, cluster={"num_workers": 2}), network, tmp_path / "there")
    assert [(report["kind"], report["arm"], report.get("epoch")) for report in here] == [
        (report["kind"], report["arm"], report.get("epoch")) for report in there
    ]
    for one, two in zip(here, there, strict=True):
        if one["kind"] == "arm":
            assert one["active"] == two["active"]
            assert one["metrics"]["test/mae_all"] == pytest.approx(two["metrics"]["test/mae_all"], rel=1e-3)
            assert Path(two["artifact"], "weights.safetensors").is_file()
        else:
            assert one["train_loss"] == pytest.approx(two["train_loss"], rel=1e-4)
            assert [update["active"] for update in one["updates"]] == [update["active"] for update in two["updates"]]
