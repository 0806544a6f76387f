"""A Ray cluster whose only shared storage is a bucket, and whose disk is wiped between two jobs."""

import io
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from types import ModuleType
from typing import Any

import psutil
import pytest
import torch
import yaml
from mlflow.tracking import MlflowClient

from dynst.data.remote import publish_store
from dynst.data.store import SensorStore
from dynst_platform.reports import read_report
from tests.dynst_platform.command_line import COMMAND, JOB
from tests.dynst_platform.commands.submit.test_local_cluster import script
from tests.dynst_platform.commands.tune.samples import JOB as BASE
from tests.dynst_platform.execution.test_interrupted import facts, told_once, whole
from tests.dynst_platform.reports import plain
from tests.storage.conftest import BUCKET, ObjectStore
from tests.waiting import wait_until

__all__ = ["script"]
pytestmark = [
    pytest.mark.process,
    pytest.mark.nightly,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
STORE = f"s3://{BUCKET}/stores/net"
LONGER = ("training.epochs=12", "references.random=1")
PATIENCE = 600.0  # seconds for a command


class Cluster:
    """One node, whose home is a disk of its own."""

    def __init__(self, folder: Path, bucket: ObjectStore, state: Any) -> None:
        self.home, self.here, self.bucket = folder / "home", folder / "here", bucket
        self.state = state
        self.here.mkdir()
        self.tracking = f"sqlite:///{folder / 'mlflow.db'}"
        self.environment = {
            **os.environ,
            "DYNST_CONFIG": str(folder / "config.toml"),
            "DYNST_ARTIFACTS": str(folder / "artifacts"),
            "DYNST_HOME": str(folder / "nothing-here"),
        }
        lines = {
            "address": state.dashboard,
            "token_file": str(folder / "token"),
            "tracking_uri": self.tracking,
            "home": str(self.home),
            "storage": f"s3://{BUCKET}/runs",
        }
        profile = "\n".join(f"{key} = {json.dumps(value)}" for key, value in lines.items())
        (folder / "config.toml").write_text(
            f'default = "x"\n[profiles.x]\n{profile}\nenv = ["DYNST_ARTIFACTS"]\n'
        )

    def dynst(self, *words: str) -> str:
        """What it says; in a folder that is empty."""
        done = subprocess.run(
            [*COMMAND, *words],
            cwd=self.here,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout + done.stderr

    def kill(self, job: str) -> None:
        """The job's driver at a stroke, and the disk of its node."""
        (head, *_) = self.state.parts["head"]
        (driver,) = [
            process
            for process in psutil.Process(head[0]).children(recursive=True)
            if "dynst_platform.main" in words_of(process) and "python" in words_of(process)[0]
        ]
        driver.send_signal(signal.SIGKILL)
        wait_until("the job's end", lambda: "FAILED" in self.dynst("jobs", "status", job))
        shutil.rmtree(self.home)

    def objects(self, prefix: str) -> dict[str, bytes]:
        """Without drafts, which come and go."""
        get = self.bucket.client.get_object
        return {
            key.removeprefix("runs/"): get(Bucket=BUCKET, Key=key)["Body"].read()
            for key in self.bucket.keys(f"runs/{prefix}")
            if not key.rpartition("/")[2].startswith(".")
        }

    def reports(self, place: str) -> list[dict[str, Any]]:
        parts = self.objects(f"{place}/reports.jsonl.parts/")
        lines = b"".join(parts[name] for name in sorted(parts)).split(b"\n")[:-1]
        return told_once([plain(read_report(line)) for line in lines])


def words_of(process: psutil.Process) -> list[str]:
    with suppress(psutil.Error):
        return process.cmdline() or [""]
    return [""]


@pytest.fixture
def cluster(
    script: ModuleType,
    object_store: ObjectStore,
    tmp_path: Path,
    tracking_template: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Cluster]:
    start, started = script.start, list[psutil.Popen]()

    def noted(*arguments: Any) -> psutil.Popen:
        started.append(start(*arguments))
        return started[-1]

    monkeypatch.setattr(script, "start", noted)
    for name in ("logs", "home"):
        (tmp_path / name).mkdir()
    shutil.copy(tracking_template, tmp_path / "mlflow.db")
    script.write_privately(tmp_path / "token", secrets.token_hex(32))
    state = script.State(temporary=mkdtemp(prefix="dy", dir="/tmp"), database=str(tmp_path / "db"))
    script.save(state, tmp_path)
    try:
        script.start_head(state, tmp_path, 2)
        yield Cluster(tmp_path, object_store, state)
    finally:
        script.down(tmp_path)
        for process in started:
            process.poll()


def job_id_of(said: str, name: str) -> str:
    found = re.search(rf"Started {name}-(\S+) on", said)
    assert found is not None, said
    return found[1]


def weights_in(packed: bytes) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        file = archive.extractfile("weights.safetensors") or archive.extractfile(
            "./weights.safetensors"
        )
        assert file is not None
        return file.read()


def test_a_training_and_a_sweep_go_on_though_the_disk_was_wiped(
    cluster: Cluster, network: SensorStore, tmp_path: Path
) -> None:
    publish_store(network.path, STORE)
    trains_to_the_same_end(cluster, network, tmp_path)
    tries_the_trials_that_were_left(cluster)


def trains_to_the_same_end(cluster: Cluster, network: SensorStore, tmp_path: Path) -> None:
    from dynst_platform.config.files import load_job

    path = tmp_path / "job.yaml"
    path.write_text(JOB.format(store=STORE))
    settings = [word for setting in LONGER for word in ("--set", setting)]
    job_id = job_id_of(cluster.dynst("submit", str(path), *settings, "--detach"), "small")
    place = f"small/{job_id}"
    wait_until("an epoch of the learned arm", lambda: len(cluster.reports(place)) > 15)
    cluster.kill(job_id)
    said = cluster.dynst("submit", "--resume", f"small-{job_id}")
    assert f"Started small-{job_id}-2" in said
    assert "SUCCEEDED" in said
    with one_thread():
        undisturbed = whole(load_job(path, LONGER), network, tmp_path / "whole")
    assert same_everywhere(cluster.reports(place)) == same_everywhere(undisturbed)
    for folder in (tmp_path / "whole" / "models").iterdir():
        packed = cluster.objects(f"{place}/models/{folder.name}.tar")
        (content,) = packed.values()
        assert weights_in(content) == (folder / "weights.safetensors").read_bytes(), folder.name
    runs = runs_of(cluster, "small")
    assert [run.info.status for run in runs] == ["FINISHED"] * 3
    refused = subprocess.run(
        [*COMMAND, "submit", "--resume", runs[0].info.run_id],
        env=cluster.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (refused.returncode, "is finished; see dynst ui" in refused.stderr) == (2, True)


def same_everywhere(reports: list[dict[str, Any]]) -> list[dict[str, Any]]:
    own = {"workers", "peaks_mib", "artifact", "efficiency"}
    return [
        {key: value for key, value in report.items() if key not in own} for report in facts(reports)
    ]


@contextmanager
def one_thread() -> Iterator[None]:
    """As a worker has: with more, sums are added in another order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def tries_the_trials_that_were_left(cluster: Cluster) -> None:
    job = BASE | {"data": {"store": STORE}}
    sweep = {
        "name": "sweep",
        "job": job,
        "space": {"sparsity.final": {"uniform": [0.2, 0.7]}},
        "searcher": "random",
        "trials": 4,
        "at_once": 1,
        "within": 99,
    }
    (cluster.here / "sweep.yaml").write_text(yaml.safe_dump(sweep))
    job_id = job_id_of(cluster.dynst("submit", "sweep.yaml", "--detach"), "sweep")
    (cluster.here / "sweep.yaml").unlink()
    place = f"sweep/sweep-{job_id}"
    wait_until("the first trial's end", lambda: "finished" in states(cluster, place))
    cluster.kill(job_id)
    before = records(cluster, place)
    (parent,) = [run for run in runs_of(cluster, "sweep") if run.data.tags["dynst.kind"] == "sweep"]
    assert "SUCCEEDED" in cluster.dynst("submit", "--resume", parent.info.run_id)
    after = records(cluster, place)
    assert states(cluster, place) == ["finished"] * 4
    kept = {name for name, record in before.items() if record["state"] == "finished"}
    assert kept
    same = ("attempts", "overrides", "objectives", "metrics", "points", "run_id")
    assert all(after[name][key] == before[name][key] for name in kept for key in same)
    kinds = [run.data.tags["dynst.kind"] for run in runs_of(cluster, "sweep")]
    assert sorted(kinds) == ["sweep", *["trial"] * 4], "each trial has one run"


def records(cluster: Cluster, place: str) -> dict[str, dict[str, Any]]:
    found = cluster.objects(f"{place}/trials/")
    return {name: json.loads(text) for name, text in found.items() if name.endswith(".json")}


def states(cluster: Cluster, place: str) -> list[str]:
    return [record["state"] for record in records(cluster, place).values()]


def runs_of(cluster: Cluster, experiment: str) -> list[Any]:
    client = MlflowClient(cluster.tracking)
    found = client.get_experiment_by_name(experiment)
    return [] if found is None else list(client.search_runs([found.experiment_id]))
