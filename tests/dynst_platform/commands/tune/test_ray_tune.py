"""Real Ray: trials that raise, die, hang or diverge are reported by name, and the others finish."""

import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import RLock
from typing import Any

import pytest

from dynst_platform.commands.tune.ray_tune import run_trials
from dynst_platform.commands.tune.records import Record, Records
from dynst_platform.commands.tune.reports import TrialReport, TrialResult
from dynst_platform.commands.tune.trial_driver import SweepDriver
from dynst_platform.commands.tune.trial_process import Setting
from dynst_platform.config.job import JobSpec
from dynst_platform.config.sweep import SweepSpec
from dynst_platform.errors import RunError
from tests.dynst_platform.commands.tune.samples import make_sweep
from tests.dynst_platform.commands.tune.test_trial_driver import NoTracker

pytestmark = pytest.mark.process
GOOD, RAISES, DIES, HANGS, DIVERGES, RECOVERS = 0.1, 0.2, 0.3, 0.4, 0.5, 0.6
EPOCHS = 6  # as many as the base job has


class Faulty:
    """Stands in for a trial; what it does depends on the share of sensors that is off."""

    def __init__(
        self,
        jobs: Sequence[JobSpec],
        store_path: str,
        warm_root: Path | None,
        beat: object,
        states: object,
    ) -> None:
        self.final = jobs[0].sparsity.final or 0.0
        self.marker = Path(store_path) / "was-here"

    def epochs(self) -> Iterator[TrialReport]:
        for epoch in range(1, EPOCHS + 1):
            if epoch == 2:
                self.misbehave()
            known = {"epoch": epoch, "settled": epoch, "steps": epoch}
            yield TrialReport(
                mae_all=self.final + 1 / epoch, sparsity=self.final, train_mae=1.0, **known
            )

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

    def result(self, model_folder: Path) -> TrialResult:
        objectives = {"mae_all": self.final, "sparsity": self.final, "cost": 1.0, "latency_ms": 1.0}
        return TrialResult(
            objectives=objectives,
            metrics={"test/mae_all": 1.0},
            active=(True,),
            importance=(0.0,),
            seconds=1.0,
        )


def run(folder: Path, address: str, shares: list[float], **changes: Any) -> dict[float, Record]:
    sweep = make_sweep(
        space={"sparsity.final": {"grid": shares}}, searcher="grid", trials=len(shares), **changes
    )
    return {
        record.overrides["sparsity.final"]: record
        for record in conducted(folder, sweep, Faulty, address)
    }


def conducted(
    folder: Path,
    sweep: SweepSpec,
    make_trial: Any,
    address: str | None = None,
    hung_after: float = 6.0,
) -> list[Record]:
    from ray import cloudpickle  # after dynst_platform, which sets what Ray reads at its import

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    records = Records(folder / "trials")
    screen = RLock()  # what a real callback holds cannot be pickled, and need not be

    def listen(record: Record, report: TrialReport | None) -> None:
        with screen:
            assert record.number >= 0

    driver = SweepDriver(sweep, records, NoTracker(), "parent", listen)  # type: ignore[arg-type]
    state_every = sweep.perturb_every if sweep.scheduler == "pbt" else None
    setting = Setting(
        str(folder),
        None,
        str(records.folder),
        hung_after,
        state_every=state_every,
        make_trial=make_trial,
    )
    run_trials(sweep, setting, driver.left, folder / "ray", driver, address)
    return records.all()


@pytest.mark.nightly
def test_one_bad_trial_never_ends_the_sweep(tmp_path: Path, ray_head: str) -> None:
    found = run(tmp_path, ray_head, [GOOD, RAISES, DIES, HANGS, DIVERGES, RECOVERS, 0.7])
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


def test_trials_that_fall_behind_are_stopped(tmp_path: Path, ray_head: str) -> None:
    found = run(
        tmp_path,
        ray_head,
        [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8],
        scheduler="asha",
        objectives=["mae_all"],
        seed=1,
    )
    states = {share: record.state for share, record in found.items()}
    assert states[0.1] == "finished", "the best"
    assert "stopped" in states.values()
    assert all(
        record.reason == "no longer among the best when it was compared"
        for record in found.values()
        if record.state == "stopped"
    )
    assert all(record.steps < EPOCHS for record in found.values() if record.state == "stopped")


ROOM = 6 * 2**30  # bytes


class Eater(Faulty):
    """Takes memory, a little at a time, until another process ends it."""

    def misbehave(self) -> None:
        if self.final == RAISES:
            hoard = []
            for _ in range(200):
                hoard.append(b"1" * (100 * 2**20))
                time.sleep(0.02)


@pytest.mark.nightly
def test_a_trial_that_eats_all_memory_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray's own guard, set to act at far more GiB than are taken now.

    Other tests' needs then do not matter.
    """
    from ray._common.utils import get_system_memory
    from ray._private.utils import get_used_memory

    limit = (get_used_memory() + ROOM) / get_system_memory()
    if limit > 0.9:
        pytest.skip("too little memory is free")
    monkeypatch.setenv("RAY_memory_usage_threshold", f"{limit:.3f}")
    sweep = make_sweep(
        space={"sparsity.final": {"grid": [GOOD, RAISES, 0.7]}},
        searcher="grid",
        trials=3,
        at_once=1,
    )
    good, eater, other = conducted(tmp_path, sweep, Eater, hung_after=120.0)
    assert (good.state, eater.state, other.state) == ("finished", "failed", "finished")
    assert eater.reason == "memory was short and Ray ended it; give it more, or run fewer at once"
    assert eater.attempts == 2


class Member:
    """Of a population: each epoch takes its rate off the error.

    Its state then shows which rates it has had.
    """

    def __init__(
        self,
        jobs: Sequence[JobSpec],
        store_path: str,
        warm_root: Path | None,
        beat: object,
        states: Any,
    ) -> None:
        self.rate = jobs[0].sparsity.drop_fraction
        self.rates: list[float] = states[0]["rates"] if states else []
        self.broken = Path(store_path) / "broken"

    def epochs(self) -> Iterator[TrialReport]:
        for epoch in range(len(self.rates) + 1, EPOCHS + 1):
            if epoch == 3 and self.rate == LAZY:
                raise ValueError("no luck")
            self.rates = [*self.rates, self.rate]
            yield TrialReport(
                epoch=epoch, mae_all=9 - sum(self.rates), train_mae=1.0, sparsity=0.5, steps=epoch
            )

    def state_dict(self) -> Any:
        return [{"rates": self.rates}]

    def result(self, model_folder: Path) -> TrialResult:
        objectives = {
            "mae_all": 9 - sum(self.rates),
            "sparsity": 0.5,
            "cost": 1.0,
            "latency_ms": 1.0,
        }
        metrics = {f"rate_{epoch}": rate for epoch, rate in enumerate(self.rates, start=1)}
        return TrialResult(
            objectives=objectives, metrics=metrics, active=(True,), importance=(0.0,), seconds=1.0
        )


LAZY = 0.2  # fails for good in the middle, while all others wait for it


@pytest.mark.nightly
def test_a_population_goes_on_from_its_best_and_waits_for_no_failed_one(
    tmp_path: Path, ray_head: str
) -> None:
    rates = [0.1, 0.15, LAZY, 0.3, 0.35, 0.4]
    space = {"sparsity.drop_fraction": {"grid": rates}}
    population = {"scheduler": "pbt", "perturb_every": 2, "objectives": ["mae_all"]}
    sweep = make_sweep(space=space, searcher="grid", trials=len(rates), retries=0, **population)
    found = conducted(tmp_path, sweep, Member, ray_head)
    states = {record.number: record.state for record in found}
    assert states[2] == "failed"
    assert "no luck" in found[2].reason
    finished = [record for record in found if record.state == "finished"]
    assert len(finished) >= 4
    assert any(record.history for record in finished)
    for record in finished:
        lived = [record.metrics[f"rate_{epoch}"] for epoch in range(1, EPOCHS + 1)]
        assert lived[-1] == rate_in(record, EPOCHS)
        if record.history:
            last = record.history[-1]
            assert lived[last["until"] - 1] == rate_in(found[last["then_from"]], last["until"]), (
                "its leader's past is its own"
            )
            assert lived[last["until"]] == lived[-1]
    assert {record.attempts for record in found} == {1}, "waiting is no attempt"
    assert [path.name for path in (tmp_path / "trials").glob("*.state*")] == [
        f"{number:05d}.state" for number, state in states.items() if state == "failed"
    ]


def rate_in(record: Record, epoch: int) -> float:
    """What the trial itself trained with in an epoch."""
    past = [entry["overrides"] for entry in record.history if entry["until"] >= epoch]
    rate: float = (past[0] if past else record.overrides)["sparsity.drop_fraction"]
    return rate
