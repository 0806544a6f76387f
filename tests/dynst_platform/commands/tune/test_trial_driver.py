"""The driver of a sweep, killed anywhere: nothing lost, nothing twice, the same trials."""

from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest
from mlflow.entities import Metric

from dynst_platform.commands.tune.records import Records
from dynst_platform.commands.tune.reports import TrialConfig, TrialReport, TrialResult
from dynst_platform.commands.tune.trial_driver import SweepDriver, jobs_of
from dynst_platform.commands.tune.workflow import SWEEP_FILE, _way_on
from dynst_platform.config.files import dump_spec
from dynst_platform.config.sweep import SweepSpec
from tests.dynst_platform.commands.tune.samples import make_sweep

NOBODY = TrialConfig(9, ())


class NoTracker:
    """Remembers which runs were opened and how they ended."""

    def __init__(self) -> None:
        self.opened: list[int] = []
        self.runs: dict[str, str] = {}
        self.deleted: set[str] = set()
        self.ended: dict[str, tuple[str, str]] = {}

    def start_trial(
        self, number: int, parent: str, params: dict[str, Any], job: dict[str, Any]
    ) -> str:
        self.opened.append(number)
        self.runs[f"trial-{number}"] = f"run-{number}"
        return f"run-{number}"

    def go_on(self, name: str, run_id: str) -> bool:
        if run_id in self.deleted:
            return False
        self.runs[name] = run_id
        return True

    def end(self, run_id: str, status: str, reason: str = "") -> None:
        self.ended[run_id] = (status, reason)

    def send(self, run_id: str, metrics: list[Metric], maybe_there: bool) -> None: ...

    def doubt(self) -> None: ...

    def log_active(
        self, run_id: str, name: str, active: list[bool], importance: list[float]
    ) -> None: ...


def conduct(folder: Path, sweep: SweepSpec, tracker: NoTracker | None = None) -> SweepDriver:
    return SweepDriver(
        sweep, Records(folder), tracker or NoTracker(), "parent", lambda record, figures: None
    )  # type: ignore[arg-type]


def figures(error: float, sparsity: float, epoch: int) -> TrialReport:
    return TrialReport(
        mae_all=error, sparsity=sparsity, train_mae=1.0, epoch=epoch, steps=4 * epoch
    )


def result(error: float, sparsity: float) -> TrialResult:
    objectives = {"mae_all": error, "sparsity": sparsity, "cost": 1.0, "latency_ms": 1.0}
    return TrialResult(
        objectives=objectives,
        metrics={"test/mae_all": error},
        active=(True,),
        importance=(0.0,),
        seconds=1.0,
    )


class Killed(Exception):
    pass


def play(driver: SweepDriver, die_after: int | None = None) -> int:
    """Run every trial, two at a time, and return the number of events.

    Or be killed after so many of them.
    """
    events, running = 0, []

    def event() -> None:
        nonlocal events
        events += 1
        if events == die_after:
            raise Killed

    def advance(number: int, share: float) -> None:
        for epoch in (1, 2):
            driver.reported(number, figures(share, share, epoch))
            event()
        driver.finished(number, figures(share, share, 6), result(share, share))
        event()

    while (found := driver.next()) is not None:
        event()
        driver.started(found.number)
        event()
        running.append((found.number, found.jobs[0].sparsity.final))
        if len(running) == 2:
            advance(*running.pop(0))
    for trial in running:
        advance(*trial)
    return events


def settings(folder: Path) -> list[tuple[int, str, dict[str, Any]]]:
    return [(record.number, record.state, record.overrides) for record in Records(folder).all()]


def test_a_killed_sweep_goes_on_with_the_same_trials(tmp_path: Path) -> None:
    """Killed after each event in turn, and again after as many more, and then let go on."""
    sweep = make_sweep()
    total = play(conduct(tmp_path / "whole", sweep))
    whole = settings(tmp_path / "whole")
    assert len(whole) == 6
    for die_after in range(1, total):
        folder = tmp_path / f"killed-{die_after}"
        for _ in range(2):
            before = {record.number for record in Records(folder).all() if record.ended}
            with suppress(Killed):
                play(conduct(folder, sweep), die_after)
            assert before <= {record.number for record in Records(folder).all() if record.ended}, (
                "nothing that ended is lost"
            )
        play(conduct(folder, sweep))
        assert settings(folder) == whole


def test_what_ended_is_not_run_again(tmp_path: Path) -> None:
    play(conduct(tmp_path, make_sweep()))
    tracker = NoTracker()
    driver = conduct(tmp_path, make_sweep(), tracker)
    assert driver.left == 0
    assert driver.next() is None
    more = conduct(tmp_path, make_sweep(trials=8), tracker)
    assert more.left == 2
    play(more)
    assert tracker.opened == [6, 7]
    assert [record.number for record in Records(tmp_path).all()] == list(range(8))


def test_an_interrupted_trial_keeps_its_run_in_mlflow(tmp_path: Path) -> None:
    tracker = NoTracker()
    driver = conduct(tmp_path, make_sweep(), tracker)
    found = driver.next()
    driver.started(0)
    again = conduct(tmp_path, make_sweep(), tracker)
    assert again.next() == found
    again.started(0)
    assert tracker.opened == [0]
    assert again.trials[0].attempts == 2


def test_an_interrupted_trial_whose_run_was_deleted_gets_another(tmp_path: Path) -> None:
    tracker = NoTracker()
    driver = conduct(tmp_path, make_sweep(), tracker)
    driver.next()
    driver.started(0)
    tracker.runs.clear()
    tracker.deleted.add("run-0")
    again = conduct(tmp_path, make_sweep(), tracker)
    again.next()
    again.started(0)
    assert tracker.opened == [0, 0]


def test_a_trial_that_follows_another_remembers_its_rates(tmp_path: Path) -> None:
    space = {"sparsity.drop_fraction": {"uniform": [0.1, 0.5]}}
    driver = conduct(
        tmp_path, make_sweep(scheduler="pbt", objectives=["mae_all"], space=space, trials=2)
    )
    shares = [
        config.jobs[0].sparsity.drop_fraction
        for config in (driver.next() or NOBODY, driver.next() or NOBODY)
    ]
    for number in range(2):
        driver.started(number)
    (job,) = driver.followed(1, 0, 2, Random(0)).jobs
    record = Records(tmp_path).all()[1]
    assert record.history == [
        {"until": 2, "overrides": {"sparsity.drop_fraction": shares[1]}, "then_from": 0}
    ]
    assert job.sparsity.drop_fraction == record.overrides["sparsity.drop_fraction"]
    assert job.sparsity.drop_fraction not in shares
    again = conduct(tmp_path, driver.sweep)
    again.next()
    assert (again.next() or NOBODY).jobs == (job,), "where it goes on after a restart"


def test_settings_that_do_not_go_together_fail_alone(tmp_path: Path) -> None:
    space = {"sparsity.start": {"choice": [0.5]}, "sparsity.stop": {"grid": [0.4, 0.8]}}
    base = make_sweep().job | {"sparsity": {"scheme": "one_shot"}}
    sweep = make_sweep(
        space=space | {"sparsity.scheme": {"choice": ["dynamic"]}},
        searcher="grid",
        trials=2,
        job=base,
    )
    tracker = NoTracker()
    driver = conduct(tmp_path, sweep, tracker)
    found = driver.next()
    assert found is not None
    assert found.number == 1, "trial 0 cannot run"
    assert driver.next() is None
    status, reason = tracker.ended["run-0"]
    assert status == "FAILED"
    assert "sparsity.start must be below sparsity.stop" in reason


@pytest.mark.parametrize(("state", "status"), [("stopped", "KILLED"), ("failed", "FAILED")])
def test_a_trial_that_did_not_finish_says_why(tmp_path: Path, state: str, status: str) -> None:
    tracker = NoTracker()
    driver = conduct(tmp_path, make_sweep(), tracker)
    number = (driver.next() or NOBODY).number
    driver.started(number)
    driver.reported(number, figures(3.0, 0.5, 1))
    getattr(driver, state)(number, "a good reason")
    (record,) = Records(tmp_path).all()
    assert (record.state, record.reason, record.steps) == (state, "a good reason", 4)
    assert tracker.ended == {"run-0": (status, "a good reason")}


def test_a_trial_has_a_job_for_each_seed_and_no_references() -> None:
    jobs = jobs_of(make_sweep(seeds=[3, 5]), {"sparsity.final": 0.25})
    assert [job.seed for job in jobs] == [3, 5]
    assert {
        (job.sparsity.final, job.references.dense, job.references.random, job.name) for job in jobs
    } == {(0.25, False, 0, "sweep")}


def test_what_has_ended_is_told_when_a_sweep_goes_on(tmp_path: Path) -> None:
    driver = conduct(tmp_path, make_sweep())
    number = (driver.next() or NOBODY).number
    driver.started(number)
    driver.stopped(number, "a good reason")
    told: list[int] = []
    SweepDriver(
        make_sweep(),
        Records(tmp_path),
        NoTracker(),  # type: ignore[arg-type]
        "parent",
        lambda record, report: told.append(record.number),
    )
    assert told == [number]


@pytest.mark.parametrize(("more", "words"), [(0, ""), (2, " --extend 2")])
def test_the_way_on_has_the_trials_that_were_not_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: int, words: str
) -> None:
    sweep, folder = make_sweep(), tmp_path / "a b"
    folder.mkdir()
    (folder / SWEEP_FILE).write_text(dump_spec(sweep))
    monkeypatch.chdir(tmp_path)
    extended = sweep.model_copy(update={"trials": sweep.trials + more})
    assert _way_on(folder, extended) == f"dynst tune --resume 'a b'{words}"
