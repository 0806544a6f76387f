"""Trials on Ray Tune: a driver says what runs next, and is notified of every event."""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Protocol

import ray
from ray import cloudpickle, tune
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from dynst_platform.commands.tune.reports import TrialConfig, TrialReport, TrialResult
from dynst_platform.commands.tune.schedulers import Population, stopping
from dynst_platform.commands.tune.trial_process import Setting, run_trial
from dynst_platform.compat.tune import KilledForMemory, tolerate_oom_kills
from dynst_platform.config.sweep import Resources, SweepSpec
from dynst_platform.errors import RunError
from dynst_platform.execution.local_ray import local_ray

__all__ = ["TrialDriver", "run_trials"]

logger = logging.getLogger(__name__)

# what a trial of several workers takes itself; asking for no CPU at all would be refused
STARTER_MEMORY = 64 * 2**20


class TrialDriver(Protocol):
    """Says which trial runs next, and is notified of its events; always in the driver."""

    def next(self) -> TrialConfig | None:
        """Number, and one job for each seed; None when there is no trial left."""

    def started(self, number: int) -> None: ...

    def reported(self, number: int, report: TrialReport) -> None: ...

    def finished(self, number: int, report: TrialReport, result: TrialResult) -> None: ...

    def stopped(self, number: int, reason: str) -> None: ...

    def failed(self, number: int, reason: str) -> None: ...

    def followed(self, number: int, leader: int, epoch: int, random: Random) -> TrialConfig:
        """The jobs of a trial that goes on from another one's state, with other rates."""


def run_trials(
    sweep: SweepSpec,
    setting: Setting,
    left: int,
    folder: Path,
    driver: TrialDriver,
    address: str | None = None,
) -> None:
    """Run what the driver has ``left``; returns when every trial has ended.

    Failed trials do not end it.

    Args:
        address: of a Ray cluster that runs already, whose nodes see ``folder`` and the paths of
            ``setting``.

    Raises:
        RunError: Tune itself failed.
    """
    logging.getLogger("ray.tune").propagate = False  # its lines belong into the log alone
    # which frees what the group of a stopped trial had taken
    dashboard = sweep.resources.workers > 1
    with local_ray(dashboard, address):
        searcher = _DriverSearcher(driver, left)
        tuner = tune.Tuner(
            tune.with_resources(partial(run_trial, setting=setting), _for_one(sweep.resources)),
            tune_config=tune.TuneConfig(
                metric="mae_all",
                mode="min",
                search_alg=searcher,
                scheduler=_scheduler(sweep, setting, driver, searcher),
                num_samples=left,
                max_concurrent_trials=_at_once(sweep),
                time_budget_s=None if sweep.minutes is None else 60 * sweep.minutes,
                reuse_actors=True,
                trial_dirname_creator=lambda trial: trial.trial_id,
            ),
            run_config=tune.RunConfig(
                name="tune",
                storage_path=str(folder),
                callbacks=[_DriverCallback(driver, setting)],
                failure_config=tune.FailureConfig(max_failures=sweep.retries),
                verbose=0,
            ),
        )
        try:
            with tolerate_oom_kills():
                tuner.fit()
        except tune.error.TuneError as error:
            raise RunError(
                f"the sweep stopped: {_last_line(error)}; go on with --resume"
            ) from error


def _for_one(need: Resources) -> dict[str, float]:
    """Workers of a trial that has several get theirs from Ray Train."""
    return {"cpu": need.cpu, "gpu": need.gpu} if need.workers == 1 else {"memory": STARTER_MEMORY}


def _at_once(sweep: SweepSpec) -> int | None:
    """As many trials as fit; without this Tune would wait for ever for one that never can."""
    have, need = ray.cluster_resources(), sweep.resources
    cpu, gpu = need.workers * need.cpu, need.workers * need.gpu
    most = int(min(have.get("CPU", 0) / cpu, have.get("GPU", 0) / gpu if gpu else float("inf")))
    if most < 1:
        raise RunError(
            f"a trial needs {cpu:g} CPUs and {gpu:g} GPUs, but the cluster has "
            f"{have.get('CPU', 0):g} and {have.get('GPU', 0):g}; lower resources"
        )
    if sweep.scheduler == "pbt":
        return None  # those that wait for the others count too
    return most if sweep.at_once is None else min(most, sweep.at_once)


def _scheduler(
    sweep: SweepSpec, setting: Setting, driver: TrialDriver, searcher: "_DriverSearcher"
) -> TrialScheduler | None:
    if sweep.scheduler != "pbt":
        return stopping(sweep)

    return Population(sweep, setting, driver.followed, lambda: searcher.complete)


class _DriverSearcher(Searcher):  # type: ignore[misc]
    """Tune asks it what to run; it asks the driver."""

    def __init__(self, driver: TrialDriver, left: int) -> None:
        super().__init__()
        self._driver, self._left = driver, left

    @property
    def complete(self) -> bool:
        """Whether all trials have been passed to Tune."""
        return self._left == 0

    def suggest(self, trial_id: str) -> dict[str, object] | str:
        found = self._driver.next()
        if found is None:
            self._left = 0
            return str(Searcher.FINISHED)
        self._left -= 1
        return found.for_tune()

    def on_trial_complete(self, trial_id: str, result: object = None, error: bool = False) -> None:
        """The callback notifies the driver, with the trial's number."""

    def save(self, checkpoint_path: str) -> None:
        """The driver's records are the state, not what Tune keeps."""

    def restore(self, checkpoint_path: str) -> None: ...

    def __getstate__(self) -> dict[str, object]:
        return {}


class _DriverCallback(tune.Callback):  # type: ignore[misc]
    """What the driver raises, for instance because the disk is full, is no trial's fault: Tune
    would take it for one.
    """

    def __init__(self, driver: TrialDriver, setting: Setting) -> None:
        self._driver, self._setting = driver, setting
        self._error: Exception | None = None
        self._open: set[int] = set()

    def __getstate__(self) -> dict[str, object]:
        return {}

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        if self._error is not None:
            raise self._error

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        if trial.config["number"] not in self._open:  # else it only waited for others
            self._open.add(trial.config["number"])
            self._tell(self._driver.started, trial)

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        logger.warning("trial %d is tried again: %s", trial.config["number"], _reason(trial))
        self._open.discard(trial.config["number"])

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: object, **info: Any
    ) -> None:
        report = TrialReport.model_validate(result)
        if report.result is None and report.failed is None:
            self._tell(self._driver.reported, trial, report)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._open.discard(trial.config["number"])
        last = TrialReport.model_validate(trial.last_result or {})
        if last.failed is not None:
            self._tell(self._driver.failed, trial, last.failed)
        elif last.result is not None:
            self._tell(self._driver.finished, trial, last, last.result)
        else:
            self._tell(self._driver.stopped, trial, "no longer among the best when it was compared")

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._open.discard(trial.config["number"])
        hung = self._setting.hung_file(trial.config["number"])
        self._setting.shared.refresh(hung)
        self._tell(
            self._driver.failed,
            trial,
            hung.read_text(encoding="utf-8") if hung.exists() else _reason(trial),
        )

    def on_experiment_end(self, trials: list[Any], **info: Any) -> None:
        """Tune ends the trials that run when time is up without a word."""
        for trial in trials:
            if trial.config["number"] in self._open:
                self._tell(self._driver.stopped, trial, "time was up")

    def _tell(self, what: Callable[..., None], trial: Any, *more: Any) -> None:
        if self._error is not None:  # the driver has stopped; its records say where it goes on
            return
        try:
            what(trial.config["number"], *more)
        except Exception as error:
            self._error = error


def _reason(trial: Any) -> str:
    error = _error_of(trial)
    if isinstance(error, KilledForMemory):
        return "memory was short and Ray ended it; give it more, or run fewer at once"
    if isinstance(error, ray.exceptions.RayActorError):
        return "its process died: killed, or its node was lost"
    return _last_line(error)


def _error_of(trial: Any) -> object:
    """Tune leaves it beside the trial first; its own getters look where it is copied to later."""
    if trial.pickled_error_file:
        return cloudpickle.loads(Path(trial.pickled_error_file).read_bytes())
    return trial.get_error() or "it failed without a word"


def _last_line(error: object) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
