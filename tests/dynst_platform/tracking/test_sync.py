"""What MLflow holds after ``dynst sync`` is what it would hold had it been there all the time."""

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import pytest
import requests
from click.testing import CliRunner
from mlflow.tracking import MlflowClient

from dynst.data.decisions import replace_decisions
from dynst.data.store import SensorStore, open_store
from dynst.errors import ConfigError, DataError
from dynst_platform.commands.sync import sync as sync_command
from dynst_platform.commands.train.workflow import Outcome, train
from dynst_platform.config.job import JobSpec
from dynst_platform.config.locations import artifact_root, shown, tracking_uri
from dynst_platform.errors import BusyError, UnreachableError
from dynst_platform.tracking import mlflow_runs, report_tracker
from dynst_platform.tracking.cursor import Cursor, Ending, folder_lock, queued
from dynst_platform.tracking.delivery import Outbox
from dynst_platform.tracking.lacking import note_waiting
from dynst_platform.tracking.report_file import REPORTS
from dynst_platform.tracking.report_tracker import ReportTracker
from dynst_platform.tracking.sync import sync, waiting_folders
from tests.damage import CONTENT
from tests.dynst_platform.commands.train.test_train import small_job

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow", "ignore::FutureWarning:mlflow"),
    pytest.mark.usefixtures("quick_pictures"),
]
TIMED = (
    "train/seconds",
    "train/total_seconds",
    "train/windows_per_second",
    "train/peak_memory_mib",
    "efficiency/",
)  # no two trainings have them alike
OWN = ("mlflow.runName", "dynst.job", "mlflow.user")  # of one job, whatever process sends it


def short_job(network: SensorStore) -> JobSpec:
    training = {"epochs": 3, "steps_per_epoch": 4, "batch_size": 16}
    return small_job(network, training=training, references={"dense": False, "random": 1})


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory, network: SensorStore) -> tuple[Path, Outcome]:
    """The run folder of a training that sent nothing to MLflow; tests work on copies."""
    home = tmp_path_factory.mktemp("offline")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DYNST_HOME", str(home))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        outcome = train(short_job(network), network, lambda report: None, offline=True)
    return home, outcome


@pytest.fixture
def folder(offline: tuple[Path, Outcome], tracked_home: Path) -> Path:
    return copied(offline[1], tracked_home)


def copied(outcome: Outcome, home: Path) -> Path:
    source = Path(outcome.artifacts["folder"])
    return Path(shutil.copytree(source, home / "small" / source.name))


def elsewhere(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another home with a tracking store of its own.

    MLflow keeps the last one in the environment.
    """
    monkeypatch.setenv("DYNST_HOME", str(home))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def content() -> dict[str, dict[str, Any]]:
    """All that MLflow has of the experiment, by arm."""
    client = MlflowClient(tracking_uri())
    runs = client.search_runs([client.get_experiment_by_name("small").experiment_id])
    assert len(runs) == len({run.data.tags["dynst.arm"] for run in runs}), "an arm has two runs"
    return {run.data.tags["dynst.arm"]: _of_run(client, run) for run in runs}


def _of_run(client: MlflowClient, run: Any) -> dict[str, Any]:
    run_id = run.info.run_id
    models = client.search_logged_models([run.info.experiment_id], f"source_run_id = '{run_id}'")
    return {
        "status": (run.info.status, run.info.end_time),
        "params": run.data.params,
        "tags": {key: value for key, value in run.data.tags.items() if key not in OWN},
        "metrics": {
            key: [
                (metric.step, metric.value, metric.timestamp)
                for metric in client.get_metric_history(run_id, key)
            ]
            for key in run.data.metrics
        },
        "artifacts": sorted(
            name for name in _files(client, run_id, "") if not name.startswith("logs/")
        ),
        "inputs": [entry.dataset.name for entry in run.inputs.dataset_inputs],
        "models": [
            (str(model.status), model.tags["dynst.digest"], _figures(model)) for model in models
        ],
        "outputs": len(run.outputs.model_outputs),
    }


def _figures(model: Any) -> list[tuple[str, int, float]]:
    return sorted((metric.key, metric.step, metric.value) for metric in model.metrics)


def _files(client: MlflowClient, run_id: str, path: str) -> Iterator[str]:
    for item in client.list_artifacts(run_id, path):
        yield from _files(client, run_id, item.path) if item.is_dir else [item.path]


def untimed(arms: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What two trainings of the same job have in common."""
    return {
        arm: what
        | {
            "status": what["status"][0],
            "metrics": {
                key: [point[:2] for point in points]
                for key, points in what["metrics"].items()
                if not key.startswith(TIMED)
            },
            "models": [
                (status, digest, [figure for figure in figures if not figure[0].startswith(TIMED)])
                for status, digest, figures in what["models"]
            ],
        }
        for arm, what in arms.items()
    }


def test_offline_touches_no_store_and_says_how_to_go_on(offline: tuple[Path, Outcome]) -> None:
    home, outcome = offline
    assert not (home / "mlflow.db").exists()
    assert (outcome.run_id, outcome.queued) == (None, 7)
    assert outcome.queued_note.startswith(
        "7 reports are not in MLflow yet (trained with --offline)"
    )
    assert outcome.queued_note.endswith(f"dynst sync {outcome.artifacts['folder']}")
    assert Path(outcome.artifacts["model"], "weights.safetensors").is_file()


def test_synced_is_online_and_twice_is_once(
    folder: Path, network: SensorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert waiting_folders() == [folder]
    assert sync(folder) == 7
    synced = content()
    assert all(
        len(points) == len({step for step, *_ in points})
        for arm in synced.values()
        for points in arm["metrics"].values()
    )
    assert waiting_folders() == []
    assert sync(folder) == 0
    assert content() == synced
    elsewhere(folder / "another", monkeypatch)
    outcome = train(short_job(network), network, lambda report: None)
    assert (outcome.queued, outcome.queued_note) == (0, "")
    assert untimed(content()) == untimed(synced)


class Lossy:
    """A client whose every method does its work, and the first time loses the answer."""

    def __init__(self, client: MlflowClient) -> None:
        self._client, self.lost = client, set[str]()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **more: Any) -> Any:
            answer = getattr(self._client, name)(*arguments, **more)
            if name not in self.lost:
                self.lost.add(name)
                raise requests.exceptions.ConnectionError(f"no answer to {name}")
            return answer

        return call


def without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which take most of the time and are written over whenever a report is given again."""
    monkeypatch.setattr(
        report_tracker,
        "write_sensors",
        lambda stem, *_: stem.with_suffix(".csv").write_text("sensors"),
    )
    monkeypatch.setattr(
        report_tracker, "write_history", lambda folder, *_: (folder / "history").write_text("masks")
    )
    monkeypatch.setattr(
        report_tracker, "write_errors", lambda folder, *_: (folder / "errors").write_text("errors")
    )


def lossy_tracker(cursor: Cursor, network: SensorStore) -> ReportTracker:
    tracker = ReportTracker(
        tracking_uri(),
        artifact_root(),
        short_job(network),
        network,
        cursor.folder.name,
        cursor.state.origin,
    )
    tracker.resume(cursor.state.runs)
    tracker._client = Lossy(tracker._client)
    return tracker


def take_one(cursor: Cursor, tracker: ReportTracker) -> None:
    """As a process does that dies after one report."""
    first = iter([True])

    def attempt(action: Callable[[], None]) -> None:
        if not next(first, False):
            raise KeyboardInterrupt
        for _ in range(50):
            with contextlib.suppress(UnreachableError):
                action()
                return
        raise AssertionError("the report is never taken")

    with contextlib.suppress(KeyboardInterrupt):
        Outbox(cursor, tracker).hand_over(attempt)


def test_answers_that_are_lost_double_nothing(
    folder: Path, network: SensorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every answer of MLflow is lost once, a model is left half written, and after each report
    another process goes on.
    """
    without_pictures(monkeypatch)
    original, models = mlflow_runs.log_model, iter(range(10**6))

    def half_written_then_lost(*arguments: Any) -> str:
        if next(models) % 2 == 0:
            mlflow.initialize_logged_model(name="model")
            raise requests.exceptions.ReadTimeout("half written")
        original(*arguments)
        raise requests.exceptions.ReadTimeout("no answer to the model")

    monkeypatch.setattr(mlflow_runs, "log_model", half_written_then_lost)
    cursor = Cursor.open(folder)
    while queued(cursor):
        take_one(cursor, lossy_tracker(cursor, network))
        cursor = Cursor.open(folder)
    got = content()
    monkeypatch.setattr(mlflow_runs, "log_model", original)
    elsewhere(folder / "another", monkeypatch)
    clean = folder / "another" / "small" / folder.name
    shutil.copytree(folder, clean, ignore=shutil.ignore_patterns("another", "delivered.json"))
    Cursor.begin(clean, network, cursor.state.origin).move(began=cursor.state.began)
    sync(clean)
    wanted = content()
    assert got == wanted


def test_a_clock_that_goes_back_changes_no_order(folder: Path) -> None:
    """An hour with every report, and into another century; the last figure is the last step's."""
    file = folder / REPORTS
    reports = [json.loads(line) for line in file.read_bytes().splitlines()]
    for number, report in enumerate(reports):
        report["time"] = 10**12 - 3_600_000 * number
    file.write_text("".join(f"{json.dumps(report)}\n" for report in reports))
    assert sync(folder) == len(reports)
    client = MlflowClient(tracking_uri())
    experiment = client.get_experiment_by_name("small")
    assert experiment is not None
    for run in client.search_runs([experiment.experiment_id]):
        epochs = [
            each
            for each in reports
            if each["kind"] == "epoch" and each["arm"] == run.data.tags["dynst.arm"]
        ]
        assert run.info.status == "FINISHED"
        assert run.data.metrics["val/mae"] == epochs[-1]["val_mae"]
        history = client.get_metric_history(run.info.run_id, "val/mae")
        assert sorted((metric.step, metric.value) for metric in history) == [
            (each["step"], each["val_mae"]) for each in epochs
        ]


def test_what_waits_is_said_where_trainings_are_looked_at(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not while the training goes on, since it sends its reports itself."""
    said: list[str] = []
    monkeypatch.setattr("dynst_platform.tracking.lacking.notice", said.append)
    with folder_lock(folder):
        note_waiting("small")
    assert said == []
    note_waiting("another")
    note_waiting("small")
    assert [f"dynst sync {shown(folder)}" in each for each in said] == [True]
    sync(folder)
    note_waiting("small")
    assert len(said) == 1


def test_a_run_that_failed_while_nobody_could_be_told(folder: Path) -> None:
    (folder / REPORTS).write_text((folder / REPORTS).read_text().split("\n")[0] + "\n")
    Cursor.open(folder).move(ending=Ending("FAILED", "out of memory", 1_700_000_000_000))
    assert sync(folder) == 1
    run = content()["dynst"]
    assert run["status"] == ("FAILED", 1_700_000_000_000)
    assert run["tags"]["dynst.reason"] == "out of memory"
    assert waiting_folders() == []


@pytest.mark.parametrize("named", [True, False])
def test_a_run_that_cannot_be_read_does_not_stop_the_others(
    folder: Path, own_home: Path, named: bool
) -> None:
    broken = own_home / "small" / "0-comes-first"
    broken.mkdir()
    (broken / "delivered.json").write_text("{")
    done = CliRunner().invoke(sync_command, [str(broken), str(folder)] if named else [])
    assert isinstance(done.exception, ConfigError)
    assert f"must hold delivered.json, but {broken} has none that can be read" in str(
        done.exception
    )
    assert done.stdout == f"{shown(folder)}: 7 reports sent\n"
    assert not queued(Cursor.open(folder))


def test_a_run_that_goes_on_is_left_alone(folder: Path) -> None:
    with folder_lock(folder), pytest.raises(BusyError, match="wait for its end"):
        sync(folder)


def test_other_data_in_the_store_are_refused(folder: Path) -> None:
    Cursor.open(folder).move(digest="another")
    with pytest.raises(ConfigError, match="must hold the data"):
        sync(folder)


def test_a_run_has_the_costs_that_it_was_trained_with(
    folder: Path, network: SensorStore, tmp_path: Path
) -> None:
    store = open_store(shutil.copytree(network.path, tmp_path / "store"))
    Cursor.open(folder).move(store=str(store.path))
    trained_with = store.decisions_digest
    replace_decisions(store.path, replace(store.sensors, cost=5 * store.sensors.cost))
    sync(folder)
    learned = content()["dynst"]
    assert [value for _, value, _ in learned["metrics"]["mask/cost"]] == [4.0]
    assert learned["tags"]["dynst.decisions_digest"] == trained_with


def test_a_damaged_store_is_refused(folder: Path, network: SensorStore, tmp_path: Path) -> None:
    store = Path(shutil.copytree(network.path, tmp_path / "store"))
    Cursor.open(folder).move(store=str(store))
    CONTENT["reversed sensors"](store)
    with pytest.raises(DataError, match="does not hold what the import wrote"):
        sync(folder)


def test_a_server_that_is_away(
    folder: Path, network: SensorStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(UnreachableError, match="cannot be used"):
        sync(folder)
    monkeypatch.setenv("DYNST_HOME", str(tmp_path / "fresh"))
    with pytest.raises(UnreachableError, match="or train with --offline"):
        train(short_job(network), network, lambda report: None)
    assert not (tmp_path / "fresh").exists()


def refusing(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """MLflow takes no report of this epoch."""
    original = ReportTracker.on_report

    def on_report(tracker: ReportTracker, report: Any) -> None:
        if getattr(report, "epoch", None) == number and report.arm == "dynst":
            raise ValueError("whatever a library thinks of s3://key:secret@bucket")
        original(tracker, report)

    monkeypatch.setattr(ReportTracker, "on_report", on_report)


def test_a_report_that_is_refused_is_named_with_the_way_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch, offline: tuple[Path, Outcome]
) -> None:
    without_pictures(monkeypatch)
    refusing(monkeypatch, 2)
    other = Path(shutil.copytree(folder, folder.parent / "zz-after-it"))
    done = CliRunner().invoke(sync_command, [])
    assert str(done.exception) == (
        f"{shown(folder)} cannot be sent (whatever a library thinks of s3://bucket); MLflow "
        f"refuses report 2, epoch 2 of dynst; where that cannot be mended, leave it out with: "
        f"dynst sync {shown(folder)} --skip 2"
    )
    assert len(done.exception.__notes__) == 1  # the other one, which was tried all the same
    assert Cursor.open(other).state.lines == Cursor.open(folder).state.lines == 1
    left_out = CliRunner().invoke(sync_command, [str(folder), "--skip", "2"])
    assert left_out.exception is None
    assert waiting_folders() == [other]
    run = MlflowClient(tracking_uri()).get_run(Cursor.open(folder).state.runs["dynst"])
    assert run.data.tags["dynst.left_out.2"] == "epoch"
    assert run.info.status == "FINISHED"


def test_figures_that_cannot_be_drawn_hold_up_no_delivery(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("no font")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", broken)
    assert sync(folder) == 7
    client = MlflowClient(tracking_uri())
    run = client.search_runs([client.get_experiment_by_name("small").experiment_id])[-1]
    files = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert {"sensors.csv", "sensors-not-drawn.txt"} <= files
    assert "sensors.png" not in files


def test_a_fault_of_any_kind_in_one_run_does_not_stop_the_others(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_pictures(monkeypatch)
    broken = folder.parent / "0-comes-first"
    shutil.copytree(folder, broken)
    (broken / "lock").unlink(missing_ok=True)
    (broken / "lock").mkdir()
    done = CliRunner().invoke(sync_command, [])
    assert f"{shown(broken)} cannot be sent" in str(done.exception)
    assert done.stdout == f"{shown(folder)}: 7 reports sent\n"


def test_a_recorded_job_with_credentials_is_sent_without_them(folder: Path) -> None:
    job = folder / "job.yaml"
    text = job.read_text()
    assert "  given: null\n" in text
    job.write_text(text.replace("  given: null\n", "  given: s3://key:hunter2@bucket/choice\n"))
    assert sync(folder) == 7
    params = content()["dynst"]["params"]
    assert params["curve.given"] == "s3://bucket/choice"
    assert "hunter2" not in str(content())
