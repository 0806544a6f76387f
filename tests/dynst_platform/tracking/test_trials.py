"""Runs of a sweep's trials on a real tracking store, when the driver dies between two steps."""

import pytest

from dynst.data.store import SensorStore
from dynst_platform.config.locations import artifact_root, tracking_uri
from dynst_platform.tracking.mlflow_runs import Tracker
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
