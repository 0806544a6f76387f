"""Real processes, killed with SIGKILL: a run ends as it would have ended.

Each Ray Train fit costs half a minute.
"""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from mlflow.tracking import MlflowClient
from safetensors.torch import load_file

from dynst.data.store import SensorStore
from dynst_platform.config.job import JobSpec
from dynst_platform.errors import RunError
from dynst_platform.execution.launch import launch
from dynst_platform.reports import Report
from dynst_platform.tracking.report_file import REPORTS
from tests.dynst_platform.command_line import COMMAND, clean_environment, dynst, dynst_here
from tests.dynst_platform.commands.train.test_train import small_job
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.process,
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning:ray", "ignore::DeprecationWarning:mlflow"
    ),
]
JOB = """\
name: {name}
data: {{store: "{store}"}}
model:
  {{window: 6, horizon: 3, hidden: 16, embedding: 4,
   backbone: {{name: morph_graph, options: {{blocks: 1}}}}}}
training: {{epochs: 8, steps_per_epoch: 20, batch_size: 16}}
sparsity: {{final: 0.5, rounds: 4, probe_every: 1}}
cluster: {{num_workers: {workers}}}
"""


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As Ray's workers have: sums of several threads differ in their last bits."""
    before = torch.get_num_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def train_workers(driver: int | None = None) -> list[psutil.Process]:
    """Ray Train's workers among the descendants of a process, by default of this one."""
    found = psutil.Process(driver).children(recursive=True)
    return [
        process for process in found if any("RayTrainWorker" in word for word in process.cmdline())
    ]


def facts(report: Report) -> dict[str, Any]:
    clock = {
        "seconds",
        "windows_per_second",
        "peak_memory_mib",
        "peaks_mib",
        "time",
        "artifact",
        "efficiency",
    }
    return {key: value for key, value in report.model_dump().items() if key not in clock}


def same_models(one: Path, other: Path) -> None:
    for name in ("dense", "dynst", "random-0"):
        weights, same = (
            load_file(folder / "models" / name / "weights.safetensors") for folder in (one, other)
        )
        assert all(torch.equal(value, same[key]) for key, value in weights.items())
        assert (one / "models" / name / "model.json").read_bytes() == (
            other / "models" / name / "model.json"
        ).read_bytes()


def test_a_killed_worker_is_replaced_and_changes_nothing(
    network: SensorStore, tmp_path: Path, ray_head: str
) -> None:
    """Killed while the learned arm trains; the reports are those of one undisturbed process."""
    alone, killed = tmp_path / "alone", tmp_path / "killed"
    undisturbed: list[Report] = []
    reports: list[Report] = []
    victims: list[int] = []

    def kill_at_the_eighth(report: Report) -> None:
        reports.append(report)
        if len(reports) == 8:
            (worker,) = train_workers()
            victims.append(worker.pid)
            worker.kill()

    alone.mkdir()
    killed.mkdir()
    launch(small_job(network), network.path, alone, undisturbed.append)
    launch(
        small_job(network, cluster={"num_workers": 1, "address": ray_head}),
        network.path,
        killed,
        kill_at_the_eighth,
    )
    assert len(victims) == 1
    assert [facts(report) for report in reports] == [facts(report) for report in undisturbed]
    same_models(alone, killed)
    assert "worker 0 was lost" in (killed / "logs" / "controller.log").read_text()
    log = (killed / "logs" / "worker-0.log").read_text()
    assert log.count("worker 0 of 1 on cpu") == 2
    assert "goes on from checkpoint" in log


def test_an_error_of_our_own_is_not_tried_again(
    network: SensorStore, tmp_path: Path, ray_head: str
) -> None:
    job = small_job(network, cluster={"num_workers": 2, "address": ray_head})
    with pytest.raises(RunError, match=r"the training failed: no sensor store at .*absent"):
        launch(job, tmp_path / "absent", tmp_path, lambda report: None)
    assert (tmp_path / "failed.txt").read_text().count("Traceback") == 1


def test_a_killed_driver_and_resume(network: SensorStore, tmp_path: Path) -> None:
    for name, workers in (("killed", 1), ("alone", 0)):
        (tmp_path / f"{name}.yaml").write_text(
            JOB.format(name=name, store="network", workers=workers)
        )
    (tmp_path / "network").symlink_to(network.path)
    (tmp_path / "elsewhere").mkdir()
    assert dynst_here("train", "alone.yaml", cwd=tmp_path).returncode == 0
    folder = kill_driver(tmp_path, reports=11)
    resumed = dynst("train", "--resume", folder, cwd=tmp_path / "elsewhere")
    assert resumed.returncode == 0, resumed.stderr
    (alone,) = (path for path in (tmp_path / "runs" / "alone").iterdir() if path.is_dir())
    same_models(alone, folder)
    client = MlflowClient(f"sqlite:///{tmp_path}/runs/mlflow.db")
    assert histories(client, "killed") == histories(client, "alone")
    again = dynst_here("train", "--resume", folder, cwd=tmp_path)
    assert again.returncode == 2
    assert "is finished" in again.stderr


def kill_driver(cwd: Path, reports: int) -> Path:
    """Start the job and kill its driver once so many reports are written; the folder of the run."""
    command = [*COMMAND, "train", "killed.yaml"]
    with subprocess.Popen(
        command, cwd=cwd, stderr=subprocess.DEVNULL, env=clean_environment()
    ) as process:
        folder: Path = wait_until(f"{reports} reports", lambda: run_with(cwd, reports), process)
        workers = train_workers(process.pid)
        os.kill(process.pid, signal.SIGKILL)
    assert workers
    wait_until(
        "the end of the workers that wrote there",
        lambda: not any(worker.is_running() for worker in workers),
    )
    return folder


def run_with(cwd: Path, reports: int) -> Path | None:
    for path in (cwd / "runs" / "killed").glob(f"*/{REPORTS}"):
        if path.read_bytes().count(b"\n") >= reports:
            return path.parent
    return None


def histories(
    client: MlflowClient, experiment: str
) -> dict[tuple[str, str], list[tuple[int, float]]]:
    runs = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert len(runs) == 3
    return {
        (run.data.tags["dynst.arm"], name): [
            (m.step, m.value) for m in client.get_metric_history(run.info.run_id, name)
        ]
        for run in runs
        for name in ("val/mae", "train/mae", "mask/sparsity", "mask/churn", "test/mae_all")
    }


def test_where_no_cluster_runs_is_one_sentence(network: SensorStore, tmp_path: Path) -> None:
    job: JobSpec = small_job(network, cluster={"num_workers": 1, "address": "127.0.0.1:1"})
    with pytest.raises(
        RunError,
        match=r"cluster\.address must name a Ray cluster that runs, but 127\.0\.0\.1:1 cannot be "
        r"reached",
    ):
        launch(job, network.path, tmp_path, lambda report: None)
