"""``dynst submit --resume`` from a machine that has nothing of the run; clusters are fakes."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from mlflow.tracking import MlflowClient

from dynst.errors import ConfigError
from dynst_platform.commands.submit.stored_runs import StoredRun, find_stored
from dynst_platform.commands.submit.workflow import SubmitOptions, resume
from dynst_platform.config.cluster_profile import Profile, find_profile
from dynst_platform.errors import BusyError
from dynst_platform.execution.ray_jobs import Cluster, RemoteJob
from dynst_platform.main import cli
from tests.dynst_platform.commands.submit.test_submit import FakeRay, details

JOB_ID = "20260101-000000-ab12"
ENDED = RemoteJob(f"small-{JOB_ID}", "small", "train", "dynst-ab12", "FAILED", "", None, None, 1)


class Elsewhere(FakeRay):
    """Notes what the package of a resumed job holds."""

    files: tuple[str, ...] = ()

    def submit_job(self, **sent: Any) -> str:
        self.sent = sent
        folder = Path(sent["runtime_env"]["working_dir"])
        self.files = tuple(sorted(path.name for path in folder.iterdir()))
        return str(sent["submission_id"])


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    run, sweep = (tmp_path / "small" / name for name in (JOB_ID, f"sweep-{JOB_ID}"))
    for folder in (run, sweep):
        folder.mkdir(parents=True)
    (run / "delivered.json").touch()
    return tmp_path


def profile_of(storage: Path, **more: Any) -> Profile:
    return Profile(address="http://host:8265", storage=str(storage), **more)


def found(word: str, storage: Path, *jobs: RemoteJob, **more: Any) -> StoredRun:
    return find_stored(word, jobs, profile_of(storage, **more))


def sent(run: StoredRun, storage: Path, *assignments: str, **wishes: Any) -> Elsewhere:
    ray = Elsewhere()
    options = SubmitOptions({}, **wishes)
    resume(Cluster("http://host:8265", ray), profile_of(storage), run, assignments, options)
    return ray


@pytest.mark.parametrize(
    "word", [ENDED.id, ENDED.run, JOB_ID, "small", f"small/{JOB_ID}", f"small-{JOB_ID}"]
)
def test_a_run_is_found_by_every_name_of_its_job(word: str, storage: Path) -> None:
    run = found(word, storage, ENDED)
    assert (run.kind, run.place, run.lives) == ("train", f"small/{JOB_ID}", 1)


def test_a_cluster_that_has_forgotten_the_job_takes_its_id(storage: Path) -> None:
    assert found(f"small-{JOB_ID}", storage).lives == 0
    (storage / "small" / JOB_ID / "delivered.json").unlink()
    (storage / "small" / f"sweep-{JOB_ID}" / "sweep.yaml").touch()
    run = found(f"small-{JOB_ID}", storage)
    assert (run.kind, run.place) == ("tune", f"small/sweep-{JOB_ID}")


def test_the_job_goes_on_under_the_same_identity(storage: Path) -> None:
    code = storage / "small" / JOB_ID / "code"
    code.mkdir()
    (code / "own_net.py").write_text("import torch")
    from dynst_platform.tracking.shared_folder import SharedFolder

    SharedFolder(code.parent, str(code.parent)).put(code)
    ray = sent(found(ENDED.id, storage, ENDED), storage, "cluster.num_workers=1", num_gpus=0)
    assert ray.sent["entrypoint"] == (
        f"exec python -m dynst_platform.main train --resume small/{JOB_ID} "
        f"--set cluster.num_workers=1 --set cluster.use_gpu=false"
    )
    assert ray.sent["submission_id"] == f"small-{JOB_ID}-2"
    facts = ray.sent["metadata"]
    assert (facts["run"], facts["resumes"]) == ("dynst-ab12", JOB_ID)
    again = Cluster("http://host", ray).job(ray.sent["submission_id"])
    assert again.job_id == JOB_ID
    assert "own_net.py" in ray.files, "the user's own network comes from the storage"
    assert {"dynst", "dynst_platform"} < set(ray.files)
    assert "job.yaml" not in ray.files


def test_a_sweep_goes_on_as_it_was_started(storage: Path) -> None:
    (storage / "small" / f"sweep-{JOB_ID}" / "sweep.yaml").touch()
    ended = RemoteJob(f"small-{JOB_ID}", "small", "tune", "sweep-ab12", "STOPPED", "", *[None] * 3)
    run = found(ended.id, storage, ended)
    assert sent(run, storage).sent["entrypoint"].endswith(f"tune --resume small/sweep-{JOB_ID}")
    with pytest.raises(ConfigError, match="a sweep goes on as it was started"):
        sent(run, storage, "trials=9")


@pytest.mark.parametrize(
    ("kind", "place"),
    [("dense", JOB_ID), ("sweep", f"sweep-{JOB_ID}"), ("trial", f"sweep-{JOB_ID}")],
)
def test_any_mlflow_run_of_it_will_do(
    kind: str, place: str, storage: Path, tracking: MlflowClient
) -> None:
    (storage / "small" / f"sweep-{JOB_ID}" / "sweep.yaml").touch()
    run_id = run_of(tracking, kind)
    assert found(run_id, storage, tracking_uri=tracking.tracking_uri).place == f"small/{place}"


@pytest.fixture
def tracking(
    tmp_path: Path, tracking_template: Path, monkeypatch: pytest.MonkeyPatch
) -> MlflowClient:
    import shutil

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return MlflowClient(f"sqlite:///{shutil.copy(tracking_template, tmp_path / 'mlflow.db')}")


def run_of(client: MlflowClient, kind: str) -> str:
    known = client.get_experiment_by_name("small")
    experiment = client.create_experiment("small") if known is None else known.experiment_id
    tags = {"dynst.kind": kind, "dynst.job": JOB_ID}
    return str(client.create_run(experiment, tags=tags).info.run_id)


def test_what_cannot_go_on_is_one_sentence_each(storage: Path, tracking: MlflowClient) -> None:
    with pytest.raises(ConfigError, match="no storage is known; name the one that"):
        find_stored(ENDED.id, [ENDED], Profile())
    with pytest.raises(ConfigError, match="must name a job or an MLflow run, but 'nothing' is nei"):
        found("nothing", storage)
    with pytest.raises(ConfigError, match=r"has no copy of other-.*begun without that storage"):
        found(f"other-{JOB_ID}", storage)
    with pytest.raises(ConfigError, match="no MLflow is known here; set MLFLOW_TRACKING_URI"):
        found("0" * 32, storage)
    uri = tracking.tracking_uri
    with pytest.raises(ConfigError, match=r"must have a run 0000.*, but has none"):
        found("0" * 32, storage, tracking_uri=uri)
    with pytest.raises(ConfigError, match="is of kind 'curve'; start its command again"):
        found(run_of(tracking, "curve"), storage, tracking_uri=uri)
    (storage / "small" / JOB_ID / "finished").touch()
    with pytest.raises(ConfigError, match=rf"but small/{JOB_ID} is finished; see dynst ui"):
        found(ENDED.id, storage, ENDED)


def test_a_run_at_work_is_left_alone(storage: Path) -> None:
    again = details(
        f"small-{JOB_ID}-2",
        metadata={"started_by": "dynst", "name": "small", "kind": "train", "resumes": JOB_ID},
    )
    ray = FakeRay()
    ray.list_jobs = lambda: [again, details("foreign")]  # type: ignore[attr-defined]
    jobs = [*Cluster("http://host", ray).jobs(), ENDED]
    with pytest.raises(BusyError, match=rf"still at work in job small-{JOB_ID}-2; follow it with"):
        find_stored(JOB_ID, jobs, profile_of(storage))


def test_the_storage_is_named_like_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYNST_CONFIG", "/nowhere.toml")
    monkeypatch.setenv("DYNST_STORAGE", "s3://bucket/runs")
    assert find_profile({}).storage == "s3://bucket/runs"
    assert find_profile({"storage": "/mnt/runs"}).storage == "/mnt/runs"
    for wrong, words in {"runs": "absolute", "s3://key:secret@bucket": "no credentials"}.items():
        with pytest.raises(ConfigError, match=words) as caught:
            find_profile({"storage": wrong})
        assert "secret" not in str(caught.value)


def test_the_command_takes_a_job_or_a_run() -> None:
    for words in (["submit"], ["submit", "job.yaml", "--resume", "x"]):
        done = CliRunner().invoke(cli, words)
        assert (done.exit_code, "name a job or sweep file, or with --resume" in done.output) == (
            2,
            True,
        )
    assert (
        "--plan is for a job"
        in CliRunner().invoke(cli, ["submit", "--resume", "x", "--plan"]).output
    )
