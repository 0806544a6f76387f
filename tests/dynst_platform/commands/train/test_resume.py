"""``dynst train --resume``: the same runs in MLflow, every figure once; and what it refuses."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from dynst.data.decisions import replace_decisions
from dynst.data.store import SensorStore, open_store
from dynst.errors import ConfigError
from dynst_platform.commands.train import workflow as use_case
from dynst_platform.commands.train.workflow import Outcome, train
from dynst_platform.config.files import check_job, load_job, with_overrides
from dynst_platform.config.job import JobSpec
from dynst_platform.config.locations import home, tracking_uri
from dynst_platform.errors import BusyError
from dynst_platform.execution import worker
from dynst_platform.tracking import folders
from dynst_platform.tracking.cursor import Cursor, folder_lock
from dynst_platform.tracking.report_file import REPORTS
from dynst_platform.tracking.report_tracker import ReportTracker
from dynst_platform.tracking.run_folder import find_run, resumed_cursor, resumed_job
from dynst_platform.tracking.sync import sync
from tests.conftest import with_tracking_store, write_network
from tests.dynst_platform.commands.train.test_train import small_job

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow", "ignore::FutureWarning:mlflow"),
    pytest.mark.usefixtures("quick_pictures"),
]
SERIES = (
    "train/mae",
    "val/mae",
    "mask/sparsity",
    "mask/exchanged",
    "mask/churn",
    "mask/overlap",
    "test/mae_all",
)


class Lost(Exception):
    """Something outside of our code fails here."""


@pytest.fixture(scope="module", autouse=True)
def one_home(tmp_path_factory: pytest.TempPathFactory, tracking_template: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(
            "DYNST_HOME",
            str(with_tracking_store(tmp_path_factory.mktemp("home"), tracking_template)),
        )
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setattr(worker, "time_inference", lambda *_: type("Timing", (), {"speed_up": 1.0})())
        yield


@pytest.fixture
def job(network: SensorStore, tmp_path: Path) -> JobSpec:
    """An experiment of the test's own."""
    training = {"epochs": 4, "steps_per_epoch": 4, "batch_size": 16}
    return small_job(network, name=f"small-{tmp_path.name}", training=training)


def interrupted(
    job: JobSpec, network: SensorStore, after: int, error: type[BaseException] = Lost
) -> pytest.ExceptionInfo:
    """A run that ended after so many checkpoints."""
    save, saved = worker.ResumableRun._save, list[bool]()

    def save_and_end(run: worker.ResumableRun, best: bool = False) -> None:
        save(run, best)
        saved.append(best)
        if len(saved) == after:
            raise error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker.ResumableRun, "_save", save_and_end)
        with pytest.raises(error) as raised:
            train(job, network, lambda report: None)
    return raised


def folder_of(job: JobSpec) -> Path:
    (folder,) = (path for path in (home() / job.name).iterdir() if path.is_dir())
    return folder


def go_on(folder: Path, network: SensorStore) -> Outcome:
    return train(resumed_job(find_run(str(folder))), network, lambda report: None, resume=folder)


def histories(
    client: MlflowClient, experiment: str
) -> dict[tuple[str, str], list[tuple[int, float]]]:
    runs = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    return {
        (run.data.tags["dynst.arm"], name): [
            (m.step, m.value) for m in client.get_metric_history(run.info.run_id, name)
        ]
        for run in runs
        for name in SERIES
    }


@pytest.mark.parametrize("after", [3, 7, 11])
def test_a_resumed_run_is_the_run_that_was_not_interrupted(
    job: JobSpec, network: SensorStore, after: int
) -> None:
    interrupted(job, network, after)
    folder = folder_of(job)
    client = MlflowClient(tracking_uri())
    resumed = go_on(folder, network)
    undisturbed = train(
        job.model_copy(update={"name": f"{job.name}-whole"}), network, lambda report: None
    )
    assert histories(client, job.name) == histories(client, f"{job.name}-whole")
    assert resumed.metrics == undisturbed.metrics
    assert resumed.sensors == undisturbed.sensors
    assert (resumed.mask_updates, resumed.exchanged) == (
        undisturbed.mask_updates,
        undisturbed.exchanged,
    )
    runs = client.search_runs([client.get_experiment_by_name(job.name).experiment_id])
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert len(runs) == 3
    assert not any("dynst.reason" in run.data.tags for run in runs)
    artifacts = {item.path for item in client.list_artifacts(resumed.run_id, "masks")}
    assert artifacts == {item.path for item in client.list_artifacts(undisturbed.run_id, "masks")}


def test_the_run_of_any_arm_names_the_job(job: JobSpec, network: SensorStore) -> None:
    interrupted(job, network, 6)
    folder = folder_of(job)
    client = MlflowClient(tracking_uri())
    runs = client.search_runs([client.get_experiment_by_name(job.name).experiment_id])
    assert {run.data.tags["dynst.arm"] for run in runs} == {"dense", "dynst"}
    assert {find_run(run.info.run_id) for run in runs} == {folder}


def test_a_line_that_was_being_written_is_no_harm(job: JobSpec, network: SensorStore) -> None:
    interrupted(job, network, 4)
    folder = folder_of(job)
    with (folder / REPORTS).open("a") as file:
        file.write('{"kind": "epoch", "arm": "de')
    assert go_on(folder, network).metrics["test/mae_all"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, Lost])
def test_ctrl_c_and_failures_say_how_to_go_on(
    job: JobSpec, network: SensorStore, error: type[BaseException]
) -> None:
    raised = interrupted(job, network, 2, error)
    assert raised.value.__notes__ == [f"go on with: dynst train --resume {folder_of(job)}"]
    run = MlflowClient(tracking_uri()).search_runs(
        [MlflowClient().get_experiment_by_name(job.name).experiment_id]
    )[0]
    assert run.info.status == ("KILLED" if error is KeyboardInterrupt else "FAILED")


def test_a_run_that_nobody_noted_is_found_again(
    job: JobSpec, network: SensorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process died after MLflow had opened the run and before the cursor had its id."""

    def die(*_: object, **changes: object) -> None:
        if "runs" in changes:
            raise Lost
        move(*_, **changes)

    move = Cursor.move
    with monkeypatch.context() as patch:
        patch.setattr(Cursor, "move", die)
        patch.setattr(folders, "_remove", lambda *_: None)  # which a dead process does not
        patch.setattr(ReportTracker, "close", lambda *_: None)
        with pytest.raises(Lost):
            train(job, network, lambda report: None)
    go_on(folder_of(job), network)
    client = MlflowClient(tracking_uri())
    runs = client.search_runs([client.get_experiment_by_name(job.name).experiment_id])
    assert sorted(run.data.tags["dynst.arm"] for run in runs) == ["dense", "dynst", "random-0"]


def test_resumed_offline_and_sent_later_it_is_finished_and_not_killed(
    job: JobSpec, network: SensorStore
) -> None:
    interrupted(job, network, 2, KeyboardInterrupt)
    folder = folder_of(job)
    train(resumed_job(folder), network, lambda report: None, offline=True, resume=folder)
    sync(folder)
    client = MlflowClient(tracking_uri())
    runs = client.search_runs([client.get_experiment_by_name(job.name).experiment_id])
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert not any("dynst.reason" in run.data.tags for run in runs)


def test_a_name_that_is_nothing_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DYNST_HOME", str(tmp_path / "fresh"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(ConfigError, match="neither here nor in sqlite"):
        find_run("deadbeef")
    assert not (tmp_path / "fresh").exists()


def test_a_users_mistake_is_not_worth_resuming(
    job: JobSpec, network: SensorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise ConfigError("wrong")

    monkeypatch.setattr(use_case, "launch", refused)
    with pytest.raises(ConfigError) as raised:
        train(job, network, lambda report: None)
    assert not hasattr(raised.value, "__notes__")


def test_a_finished_run_is_refused(job: JobSpec, network: SensorStore) -> None:
    outcome = train(job, network, lambda report: None)
    for name in (outcome.artifacts["folder"], outcome.run_id):
        with pytest.raises(
            ConfigError,
            match=r"must name a run that was interrupted, but the one in .* is finished",
        ):
            find_run(name)


def test_unknown_runs_and_runs_of_other_kinds_are_refused(
    job: JobSpec, network: SensorStore
) -> None:
    interrupted(job, network, 1)
    with pytest.raises(ConfigError, match=r"neither here nor in sqlite:.*; see dynst ui"):
        find_run("deadbeef")
    client = MlflowClient(tracking_uri())
    experiment = client.get_experiment_by_name(job.name).experiment_id
    sweep = client.create_run(
        experiment, tags={"dynst.kind": "sweep", "dynst.job": "x"}
    ).info.run_id
    with pytest.raises(ConfigError, match="is of kind 'sweep'; resume it with its own command"):
        find_run(sweep)
    moved = client.create_run(
        experiment, tags={"dynst.kind": "learned", "dynst.job": "x"}
    ).info.run_id
    with pytest.raises(ConfigError, match=r"has no folder at .*; set DYNST_HOME"):
        find_run(moved)


def test_a_run_that_is_still_going_is_refused(job: JobSpec, network: SensorStore) -> None:
    interrupted(job, network, 1)
    folder = folder_of(job)
    with (
        folder_lock(folder),
        pytest.raises(BusyError, match=r"belongs to process \d+, which still works in it"),
    ):
        go_on(folder, network)


def test_settings_cannot_be_changed_on_the_way(job: JobSpec, network: SensorStore) -> None:
    interrupted(job, network, 1)
    folder = folder_of(job)
    assert resumed_job(folder, ["training.epochs=4"]) == load_job(folder / "job.yaml")
    with pytest.raises(
        ConfigError, match=r"training\.epochs: 4 in the run, 9 with --set\); leave --set out"
    ):
        resumed_job(folder, ["training.epochs=9"])


def test_where_it_runs_may_change_on_the_way(job: JobSpec, network: SensorStore) -> None:
    interrupted(job, network, 1)
    folder = folder_of(job)
    assignments = ["cluster.num_workers=[1,3]", "cluster.address=auto", "cluster.max_failures=9"]
    changed = resumed_job(folder, assignments)
    assert (changed.cluster.num_workers, changed.cluster.address, changed.cluster.max_failures) == (
        (1, 3),
        "auto",
        9,
    )
    assert load_job(folder / "job.yaml") == job, (
        "the next one to resume it begins from what was started"
    )
    with pytest.raises(
        ConfigError,
        match=r'cluster\.checkpoints: null in the run, ".*elsewhere" with --set\); leave --set out',
    ):
        resumed_job(folder, ["cluster.checkpoints=elsewhere"])


def test_as_many_workers_may_go_on_as_a_step_has_shares(job: JobSpec, network: SensorStore) -> None:
    by_time = check_job(
        with_overrides(
            job.model_dump(mode="json"),
            {"training.sharding": "time", "training.parts_per_step": 2},
        )
    )
    interrupted(by_time, network, 1)
    assert resumed_job(folder_of(job), ["cluster.num_workers=2"]).cluster.num_workers == 2
    assert resumed_job(folder_of(job), ["cluster.num_workers=[1,2]"]).cluster.most_workers == 2
    assert resumed_job(folder_of(job), ["cluster.max_failures=9"]).cluster.max_failures == 9
    with pytest.raises(ConfigError, match=r"at least cluster\.num_workers, but got 2 and 3"):
        resumed_job(folder_of(job), ["cluster.num_workers=3"])


def test_a_run_of_an_earlier_dynst_keeps_its_number_of_workers(
    job: JobSpec, network: SensorStore
) -> None:
    """Its job does not say how many shares a step has: as many as there were workers."""
    training = job.training.model_copy(update={"sharding": "time"})
    interrupted(job.model_copy(update={"training": training}), network, 1)
    with pytest.raises(ConfigError, match=r"parts_per_step: 1 in the run, 2 with --set"):
        resumed_job(folder_of(job), ["cluster.num_workers=2"])


def test_other_data_are_refused(job: JobSpec, network: SensorStore, tmp_path: Path) -> None:
    interrupted(job, network, 1)
    folder = folder_of(job)
    other = write_network(tmp_path / "other", seed=3)
    with pytest.raises(ConfigError, match=r"must go on with the data it was started with \(digest"):
        resumed_cursor(folder, other)


def test_other_costs_are_refused(job: JobSpec, network: SensorStore, tmp_path: Path) -> None:
    store = open_store(shutil.copytree(network.path, tmp_path / "store"))
    interrupted(job, store, 1)
    folder = folder_of(job)
    assert resumed_cursor(folder, store).state.digest == store.manifest.digest
    dearer = replace(store.sensors, cost=2 * store.sensors.cost)
    with pytest.raises(ConfigError, match="must go on with the costs, groups and marks that"):
        resumed_cursor(folder, replace_decisions(store.path, dearer))
    assert resumed_cursor(folder, replace_decisions(store.path, store.sensors))
