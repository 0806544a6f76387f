"""What runs in a trial's own process, or on each of its workers: train, report, keep the state, and
end when nothing moves.
"""

import logging
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from threading import Event, Thread
from typing import Any

import ray.train
import torch
from ray import tune

from dynst.errors import DynstError
from dynst_platform.commands.tune.records import trial_path
from dynst_platform.commands.tune.reports import TrialReport
from dynst_platform.commands.tune.trial import States, Trial
from dynst_platform.config.job import JobSpec
from dynst_platform.errors import RunError
from dynst_platform.execution.worker_group import GroupShape, run_on_workers
from dynst_platform.log import log_of_run
from dynst_platform.tracking.report_file import REPORTS, LineReader

__all__ = ["CLOCK", "Setting", "run_trial"]

logger = logging.getLogger(__name__)

CLOCK = "settled"  # of a ``TrialReport``

MakeTrial = Callable[
    [Sequence[JobSpec], str, Path | None, Callable[[], None], States | None], Trial
]


@dataclass(frozen=True)
class Setting:
    """What all trials have in common; every node must see these paths.

    Args:
        hung_after: seconds.
        state_every: epochs after which a trial leaves its state for another to go on from; None
            never.
    """

    store: str
    warm_ups: str | None
    trials: str
    hung_after: float
    group: GroupShape = field(default_factory=lambda: GroupShape(1))
    state_every: int | None = None
    make_trial: MakeTrial = Trial

    def model_folder(self, number: int) -> Path:
        return trial_path(Path(self.trials), number)

    def hung_file(self, number: int) -> Path:
        return trial_path(Path(self.trials), number, ".hung")

    def state(self, number: int) -> Path:
        return trial_path(Path(self.trials), number, ".state")

    def leaves_state(self, epoch: int, last: int) -> bool:
        return self.state_every is not None and epoch % self.state_every == 0 and epoch < last


def run_trial(config: dict[str, Any], setting: Setting) -> None:
    """What Tune calls, with a trial's ``number`` and ``jobs``."""
    if setting.group.workers == 1:
        _train(config, setting, lambda report: tune.report(report.for_tune()))
        return
    folder = Path(mkdtemp(prefix=f"{config['number']:05d}.train-", dir=setting.trials))
    try:
        reports = LineReader(folder / REPORTS, TrialReport.read)
        told = config | {"setting": setting}
        run_on_workers(
            _on_worker, told, setting.group, reports, lambda report: tune.report(report.for_tune())
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _on_worker(config: dict[str, Any]) -> None:
    _train(config, config["setting"], lambda report: ray.train.report(report.for_tune()))


def _train(config: dict[str, Any], setting: Setting, report: Callable[[TrialReport], None]) -> None:
    """A trial that cannot succeed says so and is not tried again.

    Any other error is Tune's to retry.
    """
    torch.set_num_threads(1)
    number = config["number"]
    last = TrialReport()
    with (
        log_of_run(Path(setting.trials).parent, f"trial-{number:05d}"),
        _Watch(setting.hung_file(number), setting.hung_after) as watch,
    ):
        try:
            jobs = [JobSpec.model_validate(job) for job in config["jobs"]]
            warm_ups = None if setting.warm_ups is None else Path(setting.warm_ups)
            state = setting.state(number)
            logger.info("trial %d: %d trainings%s", number, len(jobs), _from(state))
            trial = setting.make_trial(jobs, setting.store, warm_ups, watch.beat, _loaded(state))
            for last in trial.epochs():
                watch.beat()
                if setting.leaves_state(last.epoch, jobs[0].training.epochs):
                    _save(trial.state_dict(), state)
                report(last)
            report(last.model_copy(update={"result": trial.result(setting.model_folder(number))}))
            state.unlink(missing_ok=True)
        except (DynstError, RunError) as error:
            report(last.model_copy(update={"failed": str(error)}))


def _from(state: Path) -> str:
    return f", from the state in {state.name}" if state.exists() else ""


def _loaded(path: Path) -> States | None:
    if not path.exists():
        return None
    states: States = torch.load(path, weights_only=True)
    return states


def _save(states: States, path: Path) -> None:
    """Whole or not at all."""
    draft = path.with_suffix(".state-draft")
    torch.save(states, draft)
    os.replace(draft, path)


class _Watch:
    """Ends this process when there was no ``beat`` for too long: what hangs cannot say so
    itself.
    """

    def __init__(self, hung_file: Path, seconds: float) -> None:
        self._hung_file, self._seconds = hung_file, seconds
        self._beaten, self._done = Event(), False

    def __enter__(self) -> "_Watch":
        self._hung_file.unlink(missing_ok=True)
        Thread(target=self._wait, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done = True
        self._beaten.set()

    def beat(self) -> None:
        self._beaten.set()

    def _wait(self) -> None:
        while self._beaten.wait(self._seconds):
            if self._done:
                return
            self._beaten.clear()
        self._hung_file.write_text(
            f"no sign of life for {self._seconds / 60:g} minutes", encoding="utf-8"
        )
        os._exit(1)
