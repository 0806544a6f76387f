"""Real Ray: trials that raise, die, hang or diverge are reported by name, and the others finish."""

import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from dynst_platform.errors import RunError
from dynst_platform.spec import JobSpec
from dynst_platform.sweep.conductor import SweepConductor
from dynst_platform.sweep.ray_tune import Setting, run_trials
from dynst_platform.sweep.records import Record, Records
from tests.dynst_platform.sweep.samples import make_sweep
from tests.dynst_platform.sweep.test_conductor import NoTracker

pytestmark = pytest.mark.cluster
GOOD, RAISES, DIES, HANGS, DIVERGES, RECOVERS = 0.1, 0.2, 0.3, 0.4, 0.5, 0.6
EPOCHS = 6  # as many as the base job has


class Faulty:
    """Stands in for a trial; what it does depends on the share of sensors that is off."""

    def __init__(self, jobs: Sequence[JobSpec], store_path: str, warm_root: Path | None, beat: object) -> None:
        self.final = jobs[0].sparsity.final or 0.0
        self.marker = Path(store_path) / "was-here"

    def epochs(self) -> Iterator[dict[str, Any]]:
        for epoch in range(1, EPOCHS + 1):
            if epoch == 2:
                self.misbehave()
            steps = {"steps": epoch, "exchanged": 0, "train_mae": 1.0}
            yield {"epoch": epoch, "settled": epoch, "mae_all": self.final + 1 / epoch, "sparsity": self.final} | steps

    def misbehave(self) -> None:
        if self.final == RAISES:
            raise ValueError("no luck")
        if self.final == DIES:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.final == HANGS:
            time.sleep(600)
        if self.final == DIVERGES:
            raise RunError("the error is not a number")
        if self.final == RECOVERS and not self.marker.exists():
            self.marker.touch()
            raise OSError("only once")

    def result(self, model_folder: Path) -> dict[str, Any]:
        objectives = {"mae_all": self.final, "sparsity": self.final, "cost": 1.0, "latency_ms": 1.0}
        return {"objectives": objectives, "metrics": {"test/mae_all": 1.0}, "active": [True], "importance": [0.0], "seconds": 1.0}


def run(folder: Path, shares: list[float], **changes: Any) -> dict[float, Record]:
    from ray import cloudpickle  # after dynst_platform, which sets what Ray reads at its import

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    space = {"sparsity.final": {"grid": shares}}
    sweep = make_sweep(space=space, searcher="grid", trials=len(shares), hung_after_minutes=0.1, **changes)
    records = Records(folder / "trials")
    conductor = SweepConductor(sweep, records, NoTracker(), "parent", lambda record, figures: None)  # type: ignore[arg-type]
    setting = Setting(str(folder), None, str(records.folder), 6.0, make_trial=Faulty)  # type: ignore[arg-type]
    run_trials(sweep, setting, conductor.left, folder / "ray", conductor)
    return {record.overrides["sparsity.final"]: record for record in records.all()}


def test_one_bad_trial_never_ends_the_sweep(tmp_path: Path) -> None:
    found = run(tmp_path, [GOOD, RAISES, DIES, HANGS, DIVERGES, RECOVERS, 0.7])
    assert {share: record.state for share, record in found.items()} == {
        GOOD: "finished",
        RAISES: "failed",
        DIES: "failed",
        HANGS: "failed",
        DIVERGES: "failed",
        RECOVERS: "finished",
        0.7: "finished",
    }
    assert "no luck" in found[RAISES].reason
    assert found[DIES].reason.startswith("its process died")
    assert found[HANGS].reason == "no sign of life for 0.1 minutes"
    assert found[DIVERGES].reason == "the error is not a number"
    attempts = {share: record.attempts for share, record in found.items()}
    assert attempts == {GOOD: 1, RAISES: 2, DIES: 2, HANGS: 2, DIVERGES: 1, RECOVERS: 2, 0.7: 1}
    assert found[GOOD].objectives["mae_all"] == GOOD


def test_trials_that_fall_behind_are_stopped(tmp_path: Path) -> None:
    found = run(tmp_path, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8], scheduler="asha", objectives=["mae_all"], seed=1)
    states = {share: record.state for share, record in found.items()}
    assert states[0.1] == "finished", "the best"
    assert "stopped" in states.values()
    assert all(
        record.reason == "no longer among the best when it was compared" for record in found.values() if record.state == "stopped"
    )
    assert all(record.steps < EPOCHS for record in found.values() if record.state == "stopped")
