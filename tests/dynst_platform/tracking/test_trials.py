"""Runs of a sweep's trials on a real tracking store, when the driver dies between two steps."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from dynst.data.decisions import replace_decisions
from dynst.data.store import SensorStore, open_store
from dynst.errors import ConfigError
from dynst_platform.config.locations import artifact_root, tracking_uri
from dynst_platform.tracking.mlflow_runs import Tracker
from tests.conftest import write_network
from tests.dynst_platform.commands.train.test_train import small_job

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow", "ignore::FutureWarning:mlflow"),
    pytest.mark.usefixtures("tracked_home"),
]


def tracker(network: SensorStore) -> Tracker:
    return Tracker(
        tracking_uri(), artifact_root(), small_job(network), network, job_id="20260101-000000-abcd"
    )


def test_a_trial_whose_run_was_opened_and_not_noted_has_one_run(network: SensorStore) -> None:
    """The driver was killed after MLflow had opened the run, and before the trial's record knew of
    it.
    """
    before = tracker(network)
    parent = before.start("sweep", "sweep")
    opened = before.start_trial(2, parent, {"trial": 2}, {})
    resumed = tracker(network)
    resumed.go_on("sweep", parent)
    assert resumed.start_trial(2, parent, {"trial": 2}, {}) == opened
    assert resumed.start_trial(3, parent, {"trial": 3}, {}) != opened
    found = resumed._client.search_runs(
        [resumed.experiment_id], f"tags.`mlflow.parentRunId` = '{parent}'"
    )
    assert sorted(run.data.params["trial"] for run in found) == ["2", "3"]


def test_a_sweep_goes_on_with_its_own_data_and_costs(network: SensorStore, tmp_path: Path) -> None:
    store = open_store(shutil.copytree(network.path, tmp_path / "store"))
    tracker(store).start("sweep", "sweep")
    tracker(store).check_store()
    dearer = replace_decisions(store.path, replace(store.sensors, cost=2 * store.sensors.cost))
    for other in (dearer, write_network(tmp_path / "other", seed=3)):
        with pytest.raises(ConfigError, match="must go on with the data, costs, groups and marks"):
            tracker(other).check_store()
