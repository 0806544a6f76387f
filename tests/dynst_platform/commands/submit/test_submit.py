"""The same job on a cluster, with fakes in place of one."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dynst.data.store import SensorStore
from dynst.errors import ConfigError, DataError
from dynst_platform.commands.submit.finding import find_job
from dynst_platform.commands.submit.workflow import (
    SubmitOptions,
    check_here,
    on_cluster,
    submit,
)
from dynst_platform.config.cluster_profile import Profile
from dynst_platform.config.files import load_job
from dynst_platform.config.job import JobSpec
from dynst_platform.errors import RunError, UnreachableError
from dynst_platform.execution.ray_jobs import Cluster, RemoteJob, connect
from dynst_platform.execution.submission import variables_to_carry
from dynst_platform.execution.versions import installed
from tests.dynst_platform.commands.train.test_train import small_job
from tests.dynst_platform.commands.tune.samples import make_sweep

PROFILE = Profile(address="http://host:8265", tracking_uri="http://mlflow:5000", home="/shared")


class FakeRay:
    """In place of Ray's own client."""

    def __init__(self, version: str = installed()["ray"]) -> None:
        self.ray_version = version
        self.sent: dict[str, Any] = {}
        self.package: dict[str, Any] = {}

    def submit_job(self, **sent: Any) -> str:
        self.sent = sent
        folder = Path(sent["runtime_env"]["working_dir"])
        self.package = json.loads((folder / ".dynst-carried.json").read_text()) | {
            "job": load_job(folder / "job.yaml")
        }
        return str(sent["submission_id"])

    def get_job_info(self, job_id: str) -> SimpleNamespace:
        return details(job_id, metadata=self.sent["metadata"])


def details(job_id: str, **more: Any) -> SimpleNamespace:
    known = {
        "submission_id": job_id,
        "status": "RUNNING",
        "message": None,
        "start_time": None,
        "end_time": None,
    }
    return SimpleNamespace(**known | {"driver_exit_code": None, "metadata": {}} | more)


def sent(ray: FakeRay, job: JobSpec, variables: Mapping[str, str] = {}, **wishes: Any) -> RemoteJob:
    return submit(
        Cluster("http://host:8265", ray), PROFILE, job, SubmitOptions(variables, **wishes)
    )


def test_job_variables_and_versions_travel_and_nothing_secret_is_shown(
    network: SensorStore,
) -> None:
    ray = FakeRay()
    job = sent(ray, small_job(network), {"PLANTED": "s3cret"})
    assert ray.package["environment"] == {
        "MLFLOW_TRACKING_URI": "http://mlflow:5000",
        "DYNST_HOME": "/shared",
        "PLANTED": "s3cret",
    }
    assert ray.package["versions"] == installed()
    assert ray.package["job"].cluster.address == "auto"
    assert job.id == f"small-{ray.package['job_id']}"
    assert job.job_id == ray.package["job_id"]
    assert job.run == f"dynst-{job.id[-4:]}"
    assert ray.sent["entrypoint"] == "exec python -m dynst_platform.main train job.yaml"
    assert "s3cret" not in str(ray.sent)
    assert "MLFLOW_TRACKING_URI" not in ray.sent["runtime_env"]["env_vars"]


def test_another_ray_is_refused_unless_one_says_so(network: SensorStore) -> None:
    with pytest.raises(RunError, match=r"has ray 2\.1\.0 instead of .*--any-versions"):
        sent(FakeRay("2.1.0"), small_job(network))
    other = FakeRay("2.1.0")
    sent(other, small_job(network), any_versions=True)
    assert other.package["versions"] == {}


def test_versions_are_pinned_where_one_asks_for_it(network: SensorStore) -> None:
    ray = FakeRay()
    sent(ray, small_job(network), install=True)
    pins = ray.sent["runtime_env"]["pip"]["packages"]
    assert f"torch=={installed()['torch']}" in pins
    assert not [pin for pin in pins if pin.startswith(("ray==", "python=="))], (
        "those a node must have already"
    )
    sent(ray, small_job(network))
    assert "pip" not in ray.sent["runtime_env"]


@pytest.mark.parametrize(
    ("num_gpus", "workers", "use_gpu"), [(None, 1, "auto"), (0, 1, False), (4, 4, True)]
)
def test_gpus_that_are_asked_for(
    network: SensorStore, num_gpus: int | None, workers: int, use_gpu: object
) -> None:
    found = on_cluster(small_job(network), num_gpus)
    assert isinstance(found, JobSpec)
    assert (found.cluster.num_workers, found.cluster.use_gpu) == (workers, use_gpu)


def test_a_sweep_goes_with_its_base_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = on_cluster(make_sweep(), None)
    assert not isinstance(found, JobSpec)
    assert found.job["cluster"]["address"] == "auto"
    assert found.job["data"]["store"] == str(tmp_path / "somewhere"), "under the same path there"
    with pytest.raises(ConfigError, match=r"--num-gpus is for trainings"):
        on_cluster(make_sweep(), 2)


def test_data_that_are_here_are_checked_here(network: SensorStore, tmp_path: Path) -> None:
    assert check_here(small_job(network))
    assert not check_here(small_job(network, data={"store": str(tmp_path / "elsewhere")}))
    assert not check_here(small_job(network, data={"store": "s3://bucket/store"}))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError):
        check_here(small_job(network, data={"store": str(tmp_path / "empty")}))


def test_variables_by_value_by_name_and_by_profile() -> None:
    here = {"AWS_PROFILE": "team", "KEY": "k"}
    profile = Profile(env=("AWS_PROFILE",))
    assert variables_to_carry(profile, ("A=b=c", "KEY"), here) == {
        "AWS_PROFILE": "team",
        "A": "b=c",
        "KEY": "k",
    }
    with pytest.raises(
        ConfigError, match="the variable ABSENT shall go along with the job, but is not set here"
    ):
        variables_to_carry(profile, ("ABSENT",), here)
    with pytest.raises(
        ConfigError, match=r"none of RAY_AUTH_TOKEN.*but got 'RAY_AUTH_TOKEN'"
    ) as caught:
        variables_to_carry(profile, ("RAY_AUTH_TOKEN=s3cret",), here)
    assert "s3cret" not in str(caught.value)


def job(name: str, job_id: str, hour: int) -> RemoteJob:
    began = datetime(2026, 1, 1, hour, tzinfo=UTC)
    return RemoteJob(
        f"{name}-{job_id}", name, "train", f"dynst-{job_id[-4:]}", "RUNNING", "", began, None, None
    )


def test_jobs_are_found_by_id_run_and_file() -> None:
    jobs = [
        job("one", "20260101-020000-cccc", 2),
        job("two", "20260101-010000-bbbb", 1),
        job("one", "20260101-000000-aaaa", 0),
    ]
    for word in ("one-20260101-000000-aaaa", "20260101-000000-aaaa", "dynst-aaaa"):
        assert find_job(jobs, word) is jobs[2]
    assert find_job(jobs, "one") is jobs[0], "the newest"
    with pytest.raises(
        ConfigError, match=r"must have a job 'three', but its newest are one-20260101-020000-cccc"
    ):
        find_job(jobs, "three")


@pytest.mark.parametrize(
    ("state", "exit_code", "code"),
    [("SUCCEEDED", 0, 0), ("FAILED", 2, 2), ("FAILED", None, 1), ("STOPPED", None, 130)],
)
def test_the_exit_code_is_the_jobs_own(state: str, exit_code: int | None, code: int) -> None:
    ended = RemoteJob("id", "name", "train", "run", state, "", None, None, exit_code)
    assert ended.over
    assert ended.code == code


def test_an_address_where_nobody_listens_is_one_sentence() -> None:
    with pytest.raises(
        UnreachableError,
        match=r"no cluster answers at http://127\.0\.0\.1:1 \(.*\); check the address",
    ):
        connect(Profile(address="http://127.0.0.1:1"))


class Tailed(FakeRay):
    """A connection that breaks after each chunk; what was sent before is sent again."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces, self.connections = (
            ["first\n", "second\n    [state-dump] NodeManager\n    [state-dump] \n", "third\n"],
            0,
        )

    async def tail_job_logs(self, job_id: str) -> Any:
        self.connections += 1
        yield (
            "2026 INFO job_manager.py:581 -- Runtime env is setting up.\nRunning entrypoint for "
            "job x: exec python\n"
        )
        for piece in self.pieces[: self.connections]:
            yield piece
        if self.connections < len(self.pieces):
            raise RuntimeError("WebSocket connection closed unexpectedly with close code 1006")

    def get_job_info(self, job_id: str) -> SimpleNamespace:
        return details(
            job_id, status="RUNNING" if self.connections < len(self.pieces) else "SUCCEEDED"
        )


class Away(Tailed):
    def get_job_info(self, job_id: str) -> SimpleNamespace:
        if self.connections:
            raise RuntimeError("Request failed with status code 502")
        return details(job_id)


def test_following_goes_on_after_a_lost_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dynst_platform.execution.ray_jobs.sleep", lambda seconds: None)
    ray = Tailed()
    assert "".join(Cluster("http://host", ray).follow("x")) == "first\nsecond\nthird\n"
    assert ray.connections == 3


def test_a_cluster_that_stays_away_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dynst_platform.execution.ray_jobs.sleep", lambda seconds: None)
    monkeypatch.setattr("dynst_platform.execution.ray_jobs.LOST_AFTER", -1.0)
    with pytest.raises(
        UnreachableError, match=r"http://host does not answer any more; the job may go on there"
    ):
        list(Cluster("http://host", Away()).follow("x"))
