"""``dynst train`` in one process: what a run leaves behind in MLflow."""

import json
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from dynst.data.store import SensorStore
from dynst_platform.commands.train import workflow as use_case
from dynst_platform.commands.train.table import print_table
from dynst_platform.config.files import check_job
from dynst_platform.config.job import JobSpec
from dynst_platform.errors import RunError
from dynst_platform.tracking.report_tracker import ReportTracker
from tests.conftest import SMALL, with_tracking_store, write_network
from tests.dynst_platform.reports import plain

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:mlflow", "ignore::FutureWarning:mlflow"
)


def small_job(network: SensorStore, **more: object) -> JobSpec:
    return check_job(
        {
            "name": "small",
            "data": {"store": str(network.path)},
            "model": {"window": 6, "horizon": 3, "hidden": 16, "backbone": SMALL, "embedding": 4},
            "training": {"epochs": 5, "steps_per_epoch": 6, "batch_size": 16},
            "sparsity": {"final": 0.5, "rounds": 4, "probe_every": 1},
            "cluster": {"num_workers": 0},
        }
        | more
    )


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, network: SensorStore, tracking_template: Path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(
            "DYNST_HOME",
            str(with_tracking_store(tmp_path_factory.mktemp("home"), tracking_template)),
        )
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        reports: list[dict] = []
        outcome = use_case.train(
            small_job(network), network, lambda report: reports.append(plain(report))
        )
        yield outcome, reports, MlflowClient(outcome.artifacts["tracking_uri"])


def test_three_runs_of_one_job(done) -> None:
    outcome, _, client = done
    runs = client.search_runs([client.get_experiment_by_name("small").experiment_id])
    assert {run.data.tags["dynst.arm"] for run in runs} == {"dynst", "dense", "random-0"}
    assert len({run.data.tags["dynst.job"] for run in runs}) == 1
    assert all(run.info.status == "FINISHED" for run in runs)
    assert outcome.run_id in {run.info.run_id for run in runs}


def test_parameters_tags_and_series(done, network: SensorStore) -> None:
    outcome, _, client = done
    run = client.get_run(outcome.run_id)
    assert run.data.params["training.epochs"] == "5"
    assert run.data.params["sparsity.scheme"] == "dynamic"
    assert run.data.tags["dynst.data_digest"] == network.manifest.digest
    assert len(run.data.tags["mlflow.source.git.commit"]) == 40
    for name in (
        "train/mae",
        "val/mae",
        "mask/sparsity",
        "mask/exchanged",
        "train/windows_per_second",
        "train/peak_memory_mib",
    ):
        assert [metric.step for metric in client.get_metric_history(outcome.run_id, name)] == [
            6,
            12,
            18,
            24,
            30,
        ]
    assert run.data.metrics["test/mae_all"] == pytest.approx(outcome.metrics["test/mae_all"])
    assert run.data.metrics["mask/final_sparsity"] == 0.5


def test_masks_are_tables_and_pictures_after_every_change_of_sparsity(done) -> None:
    outcome, reports, client = done
    changes = [
        update
        for report in reports
        for update in report.get("updates", [])
        if report["arm"] == "dynst" and update["pruned"]
    ]
    names = {item.path for item in client.list_artifacts(outcome.run_id, "masks")}
    assert changes
    rounds = {
        f"masks/round_{n:02d}.{kind}" for n in range(1, len(changes) + 1) for kind in ("csv", "png")
    }
    assert names == rounds | {"masks/history.parquet", "masks/history.png"}
    last = pd.read_csv(
        client.download_artifacts(outcome.run_id, f"masks/round_{len(changes):02d}.csv")
    )
    assert last["active"].sum() == 4
    final = pd.read_csv(client.download_artifacts(outcome.run_id, "sensors.csv"))
    assert final.loc[final["active"], "sensor"].tolist() == outcome.sensors["kept"]
    for name in ("ridge", "seasonal_profile"):
        assert final[f"{name}_mae"].mean() == pytest.approx(
            outcome.metrics[f"{name}/mae_all"], rel=0.05
        ), "all locations have about as many entries"


def test_the_log_lies_in_the_folder_and_beside_the_learned_run(done) -> None:
    outcome, _, client = done
    kept = Path(client.download_artifacts(outcome.run_id, "logs/driver.log")).read_text()
    log = (Path(outcome.artifacts["folder"]) / "logs" / "driver.log").read_text()
    assert log.startswith(kept)
    assert "arm dynst ended" in kept


def test_errors_by_step_are_one_tidy_table_of_all_forecasters(done) -> None:
    outcome, reports, client = done
    names = {item.path for item in client.list_artifacts(outcome.run_id)}
    assert {"errors_by_step.csv", "errors_by_step.parquet", "errors_by_step.png"} <= names
    table = pd.read_parquet(client.download_artifacts(outcome.run_id, "errors_by_step.parquet"))
    pd.testing.assert_frame_equal(
        table, pd.read_csv(client.download_artifacts(outcome.run_id, "errors_by_step.csv"))
    )
    pd.testing.assert_frame_equal(table, pd.DataFrame(outcome.errors_by_step))
    keys = ["forecaster", "group", "channel", "step"]
    assert list(table) == [*keys, "minutes_ahead", "mae", "rmse", "mape", "wape", "count"]
    assert list(table["forecaster"].unique()) == [
        "dynst",
        "dense",
        "persistence",
        "seasonal_naive",
        "ridge",
        "seasonal_profile",
        "random-0",
    ]
    assert len(table) == len(table.drop_duplicates(keys)) == 7 * 3 * 3
    assert set(table["minutes_ahead"]) == {60.0, 120.0, 180.0}
    figures = outcome.metrics | {"random-0/mae_all": outcome.metrics["random/mae_all"]}
    for (forecaster, group), rows in table.groupby(["forecaster", "group"]):
        name = f"{'test' if forecaster == 'dynst' else forecaster}/mae_{group}"
        if name in figures:
            assert np.average(rows["mae"], weights=rows["count"]) == pytest.approx(figures[name])
    assert (table["rmse"] >= table["mae"]).all()
    own = next(
        report for report in reports if report["kind"] == "arm" and report["arm"] == "random-0"
    )
    assert (
        own["metrics"]["test/mae_all_h02"]
        == table.query("forecaster == 'random-0' and group == 'all' and step == 2")["mae"].item()
    )


def test_the_history_of_the_mask_is_a_table_and_a_series(done, network: SensorStore) -> None:
    outcome, reports, client = done
    updates = [
        update
        for report in reports
        for update in report.get("updates", [])
        if report["arm"] == "dynst"
    ]
    table = pd.read_parquet(client.download_artifacts(outcome.run_id, "masks/history.parquet"))
    assert table["update"].tolist() == np.repeat(np.arange(len(updates)) + 1, 8).tolist()
    assert table["step"].tolist() == [update["step"] for update in updates for _ in range(8)]
    assert table["sensor"].tolist() == list(network.sensors.ids) * len(updates)
    assert table["active"].tolist() == [on for update in updates for on in update["active"]]
    assert table["importance"].tolist() == pytest.approx(
        [score for update in updates for score in update["importance"]]
    )
    for name in ("mask/overlap", "mask/churn", "mask/ever_active"):
        assert [metric.step for metric in client.get_metric_history(outcome.run_id, name)] == [
            update["step"] for update in updates
        ]
    tried = np.array([update["active"] for update in updates]).any(0).mean()
    assert client.get_run(outcome.run_id).data.metrics["mask/ever_active"] == pytest.approx(tried)


def test_the_model_loads_without_pickle_and_forecasts_everyone(
    done, monkeypatch: pytest.MonkeyPatch, network: SensorStore
) -> None:
    outcome, _, _client = done
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    mlflow.set_tracking_uri(outcome.artifacts["tracking_uri"])
    model = mlflow.pyfunc.load_model(outcome.artifacts["model"])
    example = model.input_example
    assert list(example.columns) == ["time", *outcome.sensors["kept"]]
    forecast = model.predict(example)
    assert list(forecast.columns) == ["time", *network.sensors.ids]
    assert len(forecast) == 3
    assert np.isfinite(forecast.drop(columns="time").to_numpy()).all()
    assert model.metadata.signature is not None


def test_the_outcome_is_json_and_consistent(done) -> None:
    outcome, _, client = done
    text = json.dumps(vars(outcome), allow_nan=False)
    assert json.loads(text)["sparsity"] == 0.5
    metrics = outcome.metrics
    active, inactive = metrics["test/mae_active"], metrics["test/mae_inactive"]
    assert min(active, inactive) < metrics["test/mae_all"] < max(active, inactive)
    dense = client.get_run(outcome.references["dense"]["run_id"]).data.metrics["test/mae_all"]
    assert metrics["dense/mae_all"] == pytest.approx(dense)


@pytest.mark.usefixtures("tracked_home", "quick_pictures")
def test_same_seed_same_figures(done, network: SensorStore) -> None:
    again = use_case.train(small_job(network), network, lambda report: None)
    assert again.metrics == done[0].metrics
    assert again.sensors == done[0].sensors


@pytest.mark.usefixtures("tracked_home", "quick_pictures")
def test_a_long_horizon_is_sound_at_every_step(network: SensorStore) -> None:
    job = small_job(
        network,
        model={"window": 12, "horizon": 48, "hidden": 16, "backbone": SMALL, "embedding": 4},
    )
    outcome = use_case.train(job, network, lambda report: None)
    names = [name for name in outcome.metrics if name.startswith("test/mae_all_h")]
    assert sorted(names) == names == [f"test/mae_all_h{step:02d}" for step in range(1, 49)]
    table = (
        pd.DataFrame(outcome.errors_by_step)
        .query("group == 'all'")
        .pivot(index="step", columns="forecaster", values="mae")
    )
    assert len(table) == 48
    assert table["persistence"].idxmin() == 1, (
        "the next hour is the easiest for who repeats the last reading"
    )
    assert table.loc[24, "persistence"] < 0.7 * table.loc[12, "persistence"], (
        "the day's cycle comes back after 24 hours"
    )
    assert (table["dense"] < table["persistence"]).loc[6:18].all(), (
        "where the last reading is a bad guess"
    )
    assert table["dynst"].max() < 1.5 * table["dense"].max()


@pytest.mark.usefixtures("tracked_home", "quick_pictures")
def test_virtual_readings_are_measured_at_every_location(
    network: SensorStore, capsys: pytest.CaptureFixture[str]
) -> None:
    model = {"window": 6, "horizon": 3, "hidden": 16, "backbone": SMALL, "embedding": 4}
    job = small_job(network, model=model | {"present": True})
    outcome = use_case.train(job, network, lambda report: None)
    metrics = outcome.metrics
    off, on = metrics["present/mae_inactive"], metrics["present/mae_active"]
    sensors = pd.read_csv(
        mlflow.artifacts.download_artifacts(
            run_id=outcome.run_id,
            artifact_path="sensors.csv",
            tracking_uri=outcome.artifacts["tracking_uri"],
        )
    )
    active = sensors.active.astype(bool)
    assert sensors.present_mae[~active].mean() == pytest.approx(off, rel=0.05)
    assert sensors.present_mae[active].mean() == pytest.approx(on, rel=0.05)
    print_table(outcome)
    said = " ".join(capsys.readouterr().out.split())
    assert f"mean absolute error {off:.2f} veh/h at INACTIVE locations; {on:.2f} veh/h at" in said


@pytest.mark.usefixtures("tracked_home", "quick_pictures")
def test_several_targets_are_told_apart(tmp_path: Path) -> None:
    """The second channel is twice the first, so its errors are twice as large, and weigh the same
    in the overall figures.
    """
    store = write_network(tmp_path / "two", channels=2)
    job = small_job(
        store,
        data={"store": str(store.path), "targets": ["flow", "flow1"]},
        references={"random": 0},
    )
    outcome = use_case.train(job, store, lambda report: None)
    figures = outcome.metrics
    assert outcome.targets == {"flow": "veh/h", "flow1": "veh/h"}
    for name in ("persistence", "seasonal_naive", "dense", "test"):
        first, second = figures[f"{name}/mae_all.flow"], figures[f"{name}/mae_all.flow1"]
        assert second == pytest.approx(2 * first, rel=0.2)
        assert figures[f"{name}/mae_all"] == pytest.approx((first + second / 2) / 2, rel=0.02)
    assert {row["channel"] for row in outcome.errors_by_step} == {"flow", "flow1"}
    run = MlflowClient(outcome.artifacts["tracking_uri"]).get_run(outcome.run_id)
    assert run.data.metrics["test/mae_all.flow1"] == figures["test/mae_all.flow1"]


@pytest.mark.usefixtures("tracked_home")
def test_a_failed_training_is_marked_with_its_reason(
    network: SensorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RunError("the training failed: out of memory")

    monkeypatch.setattr(use_case, "launch", broken)
    trackers: list[ReportTracker] = []
    monkeypatch.setattr(
        use_case,
        "ReportTracker",
        lambda *args: trackers.append(ReportTracker(*args)) or trackers[-1],
    )
    with pytest.raises(RunError):
        use_case.train(small_job(network), network, lambda report: None)
    run = MlflowClient(trackers[0].uri).get_run(trackers[0].runs["dynst"])
    assert run.info.status == "FAILED"
    assert run.data.tags["dynst.reason"] == "the training failed: out of memory"
