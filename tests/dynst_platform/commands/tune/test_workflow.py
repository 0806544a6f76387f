"""``dynst tune`` whole, on real Ray: what it leaves behind, and what happens when its driver is
killed.
"""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from dynst.data.store import SensorStore
from tests.dynst_platform.command_line import COMMAND, clean_environment
from tests.dynst_platform.commands.tune.samples import JOB, write_sweep
from tests.waiting import wait_until

pytestmark = pytest.mark.process
TRIALS = 4


def sweep_file(folder: Path, network: SensorStore, **cluster: Any) -> Path:
    """Errors of a network this small mean nothing, so every trial is within the margin."""
    own = {
        "data": {"store": os.path.relpath(network.path, folder)},
        "cluster": JOB["cluster"] | cluster,
    }
    space = {"sparsity.final": {"uniform": [0.2, 0.7]}}
    changes = {"searcher": "random", "trials": TRIALS, "within": 99}
    return write_sweep(folder, job=JOB | own, space=space, **changes)


def command(*words: str) -> list[str]:
    return [*COMMAND, "tune", *words, "--format", "json"]


def environment(folder: Path) -> dict[str, str]:
    return clean_environment(DYNST_HOME=str(folder))


def run(folder: Path, *words: str, cwd: Path | None = None) -> dict[str, Any]:
    """``folder`` is the home of its runs."""
    done = subprocess.run(
        command(*words),
        env=environment(folder),
        cwd=cwd or folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    outcome: dict[str, Any] = json.loads(done.stdout)
    return outcome


def client_of(folder: Path) -> MlflowClient:
    return MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")


def children(client: MlflowClient, parent: str) -> list[Any]:
    experiment = client.get_run(parent).info.experiment_id
    return list(client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent}'"))


@pytest.fixture(scope="module")
def done(
    tmp_path_factory: pytest.TempPathFactory, network: SensorStore, ray_head: str
) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("home")
    return folder, run(folder, str(sweep_file(folder, network, address=ray_head)))


def test_a_sweep_ends_with_its_front_in_mlflow(done: tuple[Path, dict[str, Any]]) -> None:
    folder, outcome = done
    assert [trial["state"] for trial in outcome["trials"]] == ["finished"] * TRIALS
    assert outcome["front"]
    assert outcome["chosen"] == max(
        outcome["front"], key=lambda number: outcome["trials"][number]["objectives"]["sparsity"]
    )
    client = client_of(folder)
    parent = client.get_run(outcome["run_id"])
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics["sweep/hypervolume"] == pytest.approx(outcome["hypervolume"][-1][1])
    assert {file.path for file in client.list_artifacts(outcome["run_id"])} >= {
        "front.png",
        "trials.csv",
        "sweep.yaml",
    }
    runs = children(client, outcome["run_id"])
    assert {int(child.data.params["trial"]) for child in runs} == set(range(TRIALS))
    assert {child.info.status for child in runs} == {"FINISHED"}
    assert all(
        "sparsity.final" in child.data.params and "test/mae_all" in child.data.metrics
        for child in runs
    )
    assert len(client.get_metric_history(runs[0].info.run_id, "val/mae")) == 3, (
        "the epochs after the shared warm-up"
    )
    assert len(list(folder.rglob("state.pt"))) == 1


def test_a_finished_sweep_can_be_extended(done: tuple[Path, dict[str, Any]]) -> None:
    folder, outcome = done
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    more = run(folder, "--resume", outcome["run_id"], "--extend", "2", cwd=elsewhere)
    assert more["run_id"] == outcome["run_id"]
    assert len(more["trials"]) == TRIALS + 2
    assert [trial["objectives"] for trial in more["trials"][:TRIALS]] == [
        trial["objectives"] for trial in outcome["trials"]
    ]
    assert len(children(client_of(folder), outcome["run_id"])) == TRIALS + 2


@pytest.mark.nightly
def test_a_killed_driver_loses_nothing(
    done: tuple[Path, dict[str, Any]], tmp_path: Path, network: SensorStore, ray_head: str
) -> None:
    """SIGKILL when the first trial has ended.

    The same trials as in the sweep that nobody killed.
    """
    process = subprocess.Popen(
        command(str(sweep_file(tmp_path, network, address=ray_head))),
        env=environment(tmp_path),
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_until(
            "the first trial's end",
            lambda: any(has_finished(file) for file in tmp_path.rglob("trials/*.json")),
            process,
        )
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    client = client_of(tmp_path)
    (parent,) = [
        run
        for run in client.search_runs([client.get_experiment_by_name("sweep").experiment_id])
        if run.data.tags["dynst.kind"] == "sweep"
    ]
    outcome = run(tmp_path, "--resume", parent.info.run_id)
    whole = done[1]["trials"][:TRIALS]
    assert [trial["overrides"] for trial in outcome["trials"]] == [
        trial["overrides"] for trial in whole
    ]
    assert [trial["objectives"]["mae_all"] for trial in outcome["trials"]] == [
        trial["objectives"]["mae_all"] for trial in whole
    ]
    runs = children(client, parent.info.run_id)
    assert sorted(int(child.data.params["trial"]) for child in runs) == list(range(TRIALS)), (
        "none lost, none twice"
    )
    assert {child.info.status for child in runs} == {"FINISHED"}


def has_finished(record: Path) -> bool:
    return '"finished"' in record.read_text()


@pytest.mark.nightly
def test_trials_of_several_workers_take_turns(
    done: tuple[Path, dict[str, Any]], tmp_path: Path, network: SensorStore
) -> None:
    """Two trials of two workers each on a cluster that has room for one.

    The same choices as with one worker.
    """
    path = sweep_file(tmp_path, network)
    outcome = run(tmp_path, str(path), "--set", "trials=2", "--set", "resources.workers=2")
    assert [trial["state"] for trial in outcome["trials"]] == ["finished"] * 2, [
        trial["reason"] for trial in outcome["trials"]
    ]
    alone = done[1]["trials"][:2]
    for trial, other in zip(outcome["trials"], alone, strict=True):
        assert trial["overrides"] == other["overrides"]
        assert trial["objectives"]["mae_all"] == pytest.approx(
            other["objectives"]["mae_all"], rel=1e-3
        )
        assert trial["steps"] == other["steps"]
    assert not list(tmp_path.rglob("*.train-*")), "what Ray Train kept is gone"
