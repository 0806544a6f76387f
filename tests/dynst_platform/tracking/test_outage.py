"""A real MLflow server that is killed in the middle of a training and comes back."""

import time
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from benchmarks.support.tracking_server import TrackingServer
from dynst.data.store import SensorStore
from dynst_platform.commands.train.workflow import train
from dynst_platform.execution import launch
from dynst_platform.reports import Report
from dynst_platform.tracking.report_file import append_report
from tests.dynst_platform.commands.train.test_train import small_job

pytestmark = [
    pytest.mark.process,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]
AWAY_SECONDS = 5


@pytest.mark.nightly
def test_a_server_that_is_away_for_a_while(
    own_home: Path, network: SensorStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = TrackingServer(tmp_path)
    server.start()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
    longest, told = 0.0, []

    def timed(path: Path, report: Report, *more: Any) -> None:
        """The training's side of a report: MLflow comes and goes between two of them."""
        nonlocal longest
        began = time.monotonic()
        append_report(path, report, *more)
        longest = max(longest, time.monotonic() - began)
        told.append((report.arm, report.kind, getattr(report, "epoch", None)))
        if told[-1] == ("dynst", "epoch", 2):
            server.kill()
        if told[-1] == ("dynst", "epoch", 4):
            time.sleep(AWAY_SECONDS)
            server.start()

    monkeypatch.setattr(launch, "append_report", timed)
    try:
        outcome = train(
            small_job(network, references={"dense": False, "random": 0}),
            network,
            lambda report: None,
        )
        client = MlflowClient(server.address)
        assert (outcome.queued, outcome.queued_note) == (0, "")
        run = client.get_run(outcome.run_id)
        assert run.info.status == "FINISHED"
        for name in ("train/mae", "val/mae", "mask/sparsity"):
            points = client.get_metric_history(outcome.run_id, name)
            assert [point.step for point in points] == [6, 12, 18, 24, 30]
            assert sorted(points, key=lambda point: point.timestamp) == points
        assert len(client.get_metric_history(outcome.run_id, "test/mae_all")) == 1
        assert len(client.search_logged_models([run.info.experiment_id])) == 1
        assert longest < 1, "a report must not wait for MLflow"
    finally:
        server.kill()
