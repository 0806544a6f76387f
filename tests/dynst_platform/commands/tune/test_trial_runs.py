"""Trials on a real tracking store whose every call fails once, before or after its work, or is the
last that the driver lives to make: nothing is lost, and nothing is there twice.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests
from mlflow.tracking import MlflowClient

from dynst.data.store import SensorStore
from dynst_platform.commands.tune import trial_runs
from dynst_platform.commands.tune.records import Record, Records
from dynst_platform.commands.tune.trial_driver import SweepDriver
from dynst_platform.config.locations import artifact_root, tracking_uri
from dynst_platform.errors import UnreachableError
from dynst_platform.tracking import mlflow_runs
from dynst_platform.tracking.mlflow_runs import Tracker
from tests.dynst_platform.commands.train.test_train import small_job
from tests.dynst_platform.commands.tune.samples import make_sweep
from tests.dynst_platform.commands.tune.test_trial_driver import Killed, figures, result

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow", "ignore::FutureWarning:mlflow"),
    pytest.mark.usefixtures("tracked_home", "quick_tables"),
]
SWEEP = make_sweep(trials=2)


@pytest.fixture
def quick_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without figures, and without a wait between two attempts."""
    monkeypatch.setattr(
        mlflow_runs, "write_sensors", lambda stem, *_: stem.with_suffix(".csv").write_text("a")
    )
    monkeypatch.setattr(trial_runs, "FIRST_WAIT", 0.0)


class Failing:
    """A client one of whose calls fails, and that counts them."""

    def __init__(self, client: MlflowClient, number: int, before: bool, error: BaseException):
        self._client, self._number, self._before, self._error = client, number, before, error
        self.calls = 0

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **more: Any) -> Any:
            self.calls += 1
            if self.calls == self._number and self._before:
                raise self._error
            answer = getattr(self._client, name)(*arguments, **more)
            if self.calls == self._number:
                raise self._error
            return answer

        return call


def conducted(
    network: SensorStore,
    folder: Path,
    number: int = 0,
    before: bool = True,
    error: BaseException | None = None,
) -> int:
    """Trials of a sweep that is begun or gone on with; returns how many calls MLflow got."""
    tracker = Tracker(
        tracking_uri(), artifact_root(), small_job(network), network, job_id=folder.name
    )
    parent = folder / "parent"
    if parent.exists():
        tracker.go_on("sweep", parent.read_text())
    else:
        folder.mkdir()
        parent.write_text(tracker.start("sweep", "sweep"))
    client = Failing(tracker._client, number, before, error or Killed())
    tracker._client = client  # type: ignore[assignment]
    records = Records(folder / "trials")
    driver = SweepDriver(SWEEP, records, tracker, parent.read_text(), lambda record, report: None)
    while (found := driver.next()) is not None:
        driver.started(found.number)
        for epoch in (1, 2):
            driver.reported(found.number, figures(3.0, 0.5, epoch))
        if found.number:
            driver.stopped(found.number, "no longer among the best")
        else:
            driver.finished(found.number, figures(3.0, 0.5, 2), result(3.0, 0.5))
    driver.all_sent()
    return client.calls


def content(job_id: str) -> dict[str, Any]:
    """Of the trials' runs, each as often as it is there."""
    client = MlflowClient(tracking_uri())
    (experiment,) = (found for found in client.search_experiments() if found.name != "Default")
    runs = client.search_runs(
        [experiment.experiment_id],
        f"tags.`dynst.job` = '{job_id}' and tags.`dynst.kind` = 'trial'",
        order_by=["start_time ASC"],
    )
    found: dict[str, Any] = {}
    for run in runs:
        name = (
            f"{run.data.tags['dynst.trial']}{', again' * (run.data.tags['dynst.trial'] in found)}"
        )
        found[name] = {
            "state": run.info.status,
            "reason": run.data.tags.get("dynst.reason"),
            "params": run.data.params,
            "files": sorted(file.path for file in client.list_artifacts(run.info.run_id)),
            "series": {
                key: [
                    (point.step, point.value)
                    for point in client.get_metric_history(run.info.run_id, key)
                ]
                for key in run.data.metrics
            },
        }
    return found


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("killed", [True, False], ids=["killed", "away"])
def test_every_call_may_fail(
    network: SensorStore, tmp_path: Path, before: bool, killed: bool
) -> None:
    total = conducted(network, tmp_path / "whole")
    whole = content("whole")
    assert {name: run["state"] for name, run in whole.items()} == {"0": "FINISHED", "1": "KILLED"}
    assert whole["0"]["series"]["val/mae"] == [(1, 3.0), (2, 3.0)]
    for number in range(1 + before + killed, total + 1, 3):
        folder = tmp_path / f"{number:02}"
        with suppress(Killed):
            error = Killed() if killed else requests.exceptions.ConnectionError("away")
            conducted(network, folder, number, before, error)
        if killed:
            conducted(network, folder)
        assert content(folder.name) == whole, f"call {number}"
        assert all(record.in_mlflow for record in Records(folder / "trials").all())


def test_a_server_that_stays_away_ends_the_sweep_and_loses_nothing(
    network: SensorStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = conducted(network, tmp_path / "whole")

    def away(*_: Any, **__: Any) -> None:
        raise UnreachableError("it does not answer")

    with monkeypatch.context() as patched:
        for name in ("start_trial", "send", "end"):
            patched.setattr(Tracker, name, away)
        patched.setattr(trial_runs.TrialRuns.finish, "__defaults__", (0.0,))
        with pytest.raises(UnreachableError, match="does not answer"):
            conducted(network, tmp_path / "away")
    assert all(record.ended for record in Records(tmp_path / "away" / "trials").all())
    assert content("away") == {}
    assert 0 < conducted(network, tmp_path / "away") < whole + 5
    assert content("away") == content("whole")


def test_a_trial_that_is_tried_again_has_each_epoch_once(tmp_path: Path) -> None:
    from tests.dynst_platform.commands.tune.test_trial_driver import conduct

    driver = conduct(tmp_path, SWEEP)
    assert driver.next() is not None
    for _ in range(2):
        driver.started(0)
        for epoch in (1, 2):
            driver.reported(0, figures(3.0, 0.5, epoch))
    record: Record = driver.trials[0]
    assert [point["epoch"] for point in record.points] == [1, 2]
