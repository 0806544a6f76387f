"""What runs in a trial's own process, or on each of its workers: train, report, keep the state, and
end when nothing moves.
"""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Any

import ray.train
import torch
from ray import tune

from dynst.errors import DynstError
from dynst.storage.scratch import scratch_folder
from dynst_platform.commands.tune.records import trial_path
from dynst_platform.commands.tune.reports import TrialConfig, TrialReport
from dynst_platform.commands.tune.trial import States, Trial
from dynst_platform.config.job import JobSpec
from dynst_platform.errors import RunError, StorageError
from dynst_platform.execution.computing import computing_as_given
from dynst_platform.execution.worker_group import GroupShape, run_on_workers
from dynst_platform.log import log_of_run
from dynst_platform.tracking.line_file import LineReader
from dynst_platform.tracking.report_file import REPORTS
from dynst_platform.tracking.shared_folder import ALONE, SharedFolder, remembered

__all__ = ["CLOCK", "Setting", "run_trial"]

logger = logging.getLogger(__name__)

CLOCK = "settled"  # of a ``TrialReport``

MakeTrial = Callable[
    [Sequence[JobSpec], str, Path | None, Callable[[], None], States | None], Trial
]


@dataclass(frozen=True)
class Setting:
    """What all trials have in common; every node must see these paths, or their copies.

    Args:
        hung_after: seconds.
        state_every: epochs after which a trial leaves its state for another to go on from; None
            never.
        shared, shared_warm_ups: the sweep's folder, and that of ``warm_ups``, with the copies that
            nodes see which do not see these paths.
    """

    store: str
    warm_ups: str | None
    trials: str
    hung_after: float
    group: GroupShape = field(default_factory=lambda: GroupShape(1))
    state_every: int | None = None
    make_trial: MakeTrial = Trial
    shared: SharedFolder = ALONE
    shared_warm_ups: SharedFolder = ALONE

    def model_folder(self, number: int) -> Path:
        return trial_path(Path(self.trials), number)

    def hung_file(self, number: int) -> Path:
        return trial_path(Path(self.trials), number, ".hung")

    def state(self, number: int) -> Path:
        return trial_path(Path(self.trials), number, ".state")

    def leaves_state(self, epoch: int, last: int) -> bool:
        return self.state_every is not None and epoch % self.state_every == 0 and epoch < last


def run_trial(given: Mapping[str, Any], setting: Setting) -> None:
    """What Tune calls, with what ``TrialConfig.for_tune`` gave."""
    config = TrialConfig.read(given)
    if setting.group.workers == 1:
        _train(config, setting, lambda report: tune.report(report.for_tune()), computing_as_given)
        return
    Path(setting.trials).mkdir(parents=True, exist_ok=True)  # on this node
    with scratch_folder(Path(setting.trials), f"{config.number:05d}.train") as folder:
        reports = LineReader(folder / REPORTS, TrialReport.read)
        run_on_workers(
            partial(_on_worker, config, setting),
            setting.group,
            reports,
            lambda report: tune.report(report.for_tune()),
        )


def _on_worker(config: TrialConfig, setting: Setting) -> None:
    _train(config, setting, lambda report: ray.train.report(report.for_tune()), computing_as_given)


def _train(
    config: TrialConfig,
    setting: Setting,
    report: Callable[[TrialReport], None],
    computing: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> None:
    """A trial that cannot succeed says so and is not tried again.

    Any other error is Tune's to retry.

    Args:
        computing: on what; by default on what the caller computes on.
    """
    number, jobs, shared = config.number, config.jobs, remembered(setting.shared)
    remembered(setting.shared_warm_ups)
    Path(setting.trials).mkdir(parents=True, exist_ok=True)
    last = TrialReport()
    with (
        log_of_run(Path(setting.trials).parent, f"trial-{number:05d}"),
        _Watch(setting.hung_file(number), setting.hung_after, shared) as watch,
        ExitStack() as stack,
    ):
        try:
            stack.enter_context(computing())
            warm_ups = None if setting.warm_ups is None else Path(setting.warm_ups)
            state = setting.state(number)
            shared.refresh(state)
            logger.info("trial %d: %d trainings%s", number, len(jobs), _from(state))
            trial = setting.make_trial(jobs, setting.store, warm_ups, watch.beat, _loaded(state))
            for last in trial.epochs():
                watch.beat()
                if setting.leaves_state(last.epoch, jobs[0].training.epochs):
                    _save(trial.state_dict(), state)
                    shared.put(state)
                report(last)
            result = trial.result(setting.model_folder(number))
            if result is not None:
                shared.put(setting.model_folder(number))
            report(last.model_copy(update={"result": result}))
            state.unlink(missing_ok=True)
            shared.remove(state)
        except StorageError:  # Tune tries it again
            raise
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

    def __init__(self, hung_file: Path, seconds: float, shared: SharedFolder) -> None:
        self._hung_file, self._seconds, self._shared = hung_file, seconds, shared
        self._beaten, self._done = Event(), False

    def __enter__(self) -> "_Watch":
        self._hung_file.unlink(missing_ok=True)
        self._shared.remove(self._hung_file)
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
        with suppress(StorageError):
            self._shared.put(self._hung_file)
        os._exit(1)
