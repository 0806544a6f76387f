"""``dynst train`` in one process: what a run leaves behind in MLflow."""

import json
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from dynst.data.store import SensorStore
from dynst_platform import train as use_case
from dynst_platform.errors import RunError
from dynst_platform.jobfile import check_job
from dynst_platform.spec import JobSpec
from dynst_platform.tracking import Tracker

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow", "ignore::FutureWarning:mlflow")


def small_job(network: SensorStore, **more: object) -> JobSpec:
    return check_job(
        {
            "name": "small",
            "data": {"store": str(network.path)},
            "model": {"window": 6, "horizon": 3, "hidden": 16, "blocks": 1, "embedding": 4},
            "training": {"epochs": 5, "steps_per_epoch": 6, "batch_size": 16},
            "sparsity": {"final": 0.5, "rounds": 4, "probe_every": 1},
            "cluster": {"num_workers": 0},
        }
        | more
    )


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, network: SensorStore):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DYNST_HOME", str(tmp_path_factory.mktemp("home")))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        reports: list[dict] = []
        outcome = use_case.train(small_job(network), network, reports.append)
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
    for name in ("train/mae", "val/mae", "mask/sparsity", "mask/exchanged"):
        assert [metric.step for metric in client.get_metric_history(outcome.run_id, name)] == [6, 12, 18, 24, 30]
    assert run.data.metrics["test/mae_all"] == pytest.approx(outcome.metrics["test/mae_all"])
    assert run.data.metrics["mask/final_sparsity"] == 0.5


def test_masks_are_tables_and_pictures_after_every_change_of_sparsity(done) -> None:
    outcome, reports, client = done
    changes = [
        update for report in reports for update in report.get("updates", []) if report["arm"] == "dynst" and update["pruned"]
    ]
    names = {item.path for item in client.list_artifacts(outcome.run_id, "masks")}
    assert changes
    assert names == {f"masks/round_{n:02d}.{kind}" for n in range(1, len(changes) + 1) for kind in ("csv", "png")}
    last = pd.read_csv(client.download_artifacts(outcome.run_id, f"masks/round_{len(changes):02d}.csv"))
    assert last["active"].sum() == 4
    final = pd.read_csv(client.download_artifacts(outcome.run_id, "sensors.csv"))
    assert final.loc[final["active"], "sensor"].tolist() == outcome.sensors["kept"]


def test_the_model_loads_without_pickle_and_forecasts_everyone(done, monkeypatch: pytest.MonkeyPatch, network: SensorStore) -> None:
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


def test_same_seed_same_figures(done, own_home: Path, network: SensorStore) -> None:
    again = use_case.train(small_job(network), network, lambda report: None)
    assert again.metrics == done[0].metrics
    assert again.sensors == done[0].sensors


def test_a_failed_training_is_marked_with_its_reason(own_home: Path, network: SensorStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RunError("the training failed: out of memory")

    monkeypatch.setattr(use_case, "launch", broken)
    trackers: list[Tracker] = []
    monkeypatch.setattr(use_case, "Tracker", lambda *args: trackers.append(Tracker(*args)) or trackers[-1])
    with pytest.raises(RunError):
        use_case.train(small_job(network), network, lambda report: None)
    run = MlflowClient(trackers[0].uri).get_run(trackers[0].runs["dynst"])
    assert run.info.status == "FAILED"
    assert run.data.tags["dynst.reason"] == "the training failed: out of memory"
