"""Trials on Ray Tune, which only this file knows. A conductor says who runs next, and hears of everything that happens."""

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Any, Protocol

import ray
import torch
from ray import tune
from ray.tune.schedulers import ASHAScheduler, MedianStoppingRule, TrialScheduler
from ray.tune.search import Searcher

from dynst.errors import DynstError
from dynst_platform.errors import RunError
from dynst_platform.local_ray import local_ray
from dynst_platform.spec import JobSpec
from dynst_platform.sweep.records import trial_path
from dynst_platform.sweep.spec import SweepSpec
from dynst_platform.sweep.trial import Trial

__all__ = ["Conductor", "Setting", "run_trials"]

CLOCK = "settled"  # epochs since a trial's mask was final
FAILED, RESULT = "failed", "objectives"  # keys of a trial's last report


class Conductor(Protocol):
    """Says which trial runs next, and is told what becomes of it; always in the driver."""

    def next(self) -> tuple[int, list[dict[str, Any]], dict[str, Any]] | None:
        """Number, one job for each seed, and the overrides that made them; None when there is no trial left."""

    def started(self, number: int) -> None: ...

    def reported(self, number: int, figures: dict[str, Any]) -> None: ...

    def finished(self, number: int, figures: dict[str, Any]) -> None: ...

    def stopped(self, number: int, reason: str) -> None: ...

    def failed(self, number: int, reason: str) -> None: ...


@dataclass(frozen=True)
class Setting:
    """What all trials have in common; every node must see these paths."""

    store: str
    warm_ups: str | None
    trials: str
    hung_after: float  # seconds
    make_trial: Callable[[Sequence[JobSpec], str, Path | None, Callable[[], None]], Trial] = Trial

    def model_folder(self, number: int) -> Path:
        return trial_path(Path(self.trials), number)

    def last_words(self, number: int) -> Path:
        return trial_path(Path(self.trials), number, ".hung")


def run_trials(sweep: SweepSpec, setting: Setting, left: int, folder: Path, conductor: Conductor) -> None:
    """Run what the conductor has ``left``; returns when every trial has ended. Failed trials do not end it.

    Raises:
        RunError: Tune itself failed.
    """
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # whose trials fail is told by name
    with local_ray():
        at_once = _at_once(sweep)
        tuner = tune.Tuner(
            tune.with_resources(partial(_trial, setting=setting), {"cpu": sweep.resources.cpu, "gpu": sweep.resources.gpu}),
            tune_config=tune.TuneConfig(
                metric="mae_all",
                mode="min",
                search_alg=_Told(conductor),
                scheduler=_scheduler(sweep),
                num_samples=left,
                max_concurrent_trials=at_once,
                time_budget_s=None if sweep.minutes is None else 60 * sweep.minutes,
                reuse_actors=True,
                trial_dirname_creator=lambda trial: trial.trial_id,
            ),
            run_config=tune.RunConfig(
                name="tune",
                storage_path=str(folder),
                callbacks=[_Telling(conductor, setting)],
                failure_config=tune.FailureConfig(max_failures=sweep.retries),
                verbose=0,
            ),
        )
        try:
            tuner.fit()
        except tune.error.TuneError as error:
            raise RunError(f"the sweep stopped: {_last_line(error)}; go on with --resume") from error


def _at_once(sweep: SweepSpec) -> int:
    """As many trials as fit; without this Tune would wait for ever for one that never can."""
    have, need = ray.cluster_resources(), sweep.resources
    most = int(min(have.get("CPU", 0) / need.cpu, have.get("GPU", 0) / need.gpu if need.gpu else float("inf")))
    if most < 1:
        raise RunError(
            f"a trial needs {need.cpu:g} CPUs and {need.gpu:g} GPUs, but the cluster has {have.get('CPU', 0):g} and "
            f"{have.get('GPU', 0):g}; lower resources"
        )
    return most if sweep.at_once is None else min(most, sweep.at_once)


def _scheduler(sweep: SweepSpec) -> TrialScheduler | None:
    """Trials are compared by epochs since their masks were final, so that none is judged in the middle of its pruning."""
    if sweep.scheduler == "asha":
        return ASHAScheduler(time_attr=CLOCK, grace_period=1, max_t=1 + _most_epochs(sweep), reduction_factor=3)
    if sweep.scheduler == "median":
        return _MedianOnceSettled(time_attr=CLOCK, grace_period=1, min_samples_required=3, min_time_slice=float("inf"))
    return None


class _MedianOnceSettled(MedianStoppingRule):  # type: ignore[misc]
    """Tune's rule compares a trial's best error so far; here only errors of final masks count."""

    def on_trial_result(self, controller: Any, trial: Any, result: dict[str, Any]) -> str:
        return str(super().on_trial_result(controller, trial, result) if result[CLOCK] else TrialScheduler.CONTINUE)


def _most_epochs(sweep: SweepSpec) -> int:
    """No trial's clock goes beyond, so that none is stopped for its age."""
    searched = sweep.space.get("training.epochs")
    most: int = max([JobSpec.model_validate(sweep.job).training.epochs, *(searched.extremes if searched else ())])
    return most


class _Told(Searcher):  # type: ignore[misc]
    """Tune asks it what to run; it asks the conductor."""

    def __init__(self, conductor: Conductor) -> None:
        super().__init__()
        self._conductor = conductor

    def suggest(self, trial_id: str) -> dict[str, Any] | str:
        found = self._conductor.next()
        if found is None:
            return str(Searcher.FINISHED)
        number, jobs, overrides = found
        return {"number": number, "jobs": jobs, "overrides": overrides}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """The conductor hears of it from the callback, with the trial's number."""

    def save(self, checkpoint_path: str) -> None:
        """The conductor's records are the state, not what Tune keeps."""

    def restore(self, checkpoint_path: str) -> None: ...

    def __getstate__(self) -> dict[str, Any]:
        return {}


class _Telling(tune.Callback):  # type: ignore[misc]
    """What the conductor raises, for instance because the disk is full, is no trial's fault: Tune would take it for one."""

    def __init__(self, conductor: Conductor, setting: Setting) -> None:
        self._conductor, self._setting = conductor, setting
        self._error: Exception | None = None
        self._open: set[int] = set()

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        if self._error is not None:
            raise self._error

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._open.add(trial.config["number"])
        self._tell(self._conductor.started, trial)

    def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any) -> None:
        if RESULT not in result and FAILED not in result:
            self._tell(self._conductor.reported, trial, result)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._open.discard(trial.config["number"])
        last = trial.last_result or {}
        if FAILED in last:
            self._tell(self._conductor.failed, trial, last[FAILED])
        elif RESULT in last:
            self._tell(self._conductor.finished, trial, last)
        else:
            self._tell(self._conductor.stopped, trial, "no longer among the best when it was compared")

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._open.discard(trial.config["number"])
        hung = self._setting.last_words(trial.config["number"])
        self._tell(self._conductor.failed, trial, hung.read_text(encoding="utf-8") if hung.exists() else _reason(trial))

    def on_experiment_end(self, trials: list[Any], **info: Any) -> None:
        """Tune ends the trials that run when time is up without a word."""
        for trial in trials:
            if trial.config["number"] in self._open:
                self._tell(self._conductor.stopped, trial, "time was up")

    def _tell(self, what: Callable[..., None], trial: Any, *more: Any) -> None:
        try:
            what(trial.config["number"], *more)
        except Exception as error:
            self._error = self._error or error


def _reason(trial: Any) -> str:
    error = trial.get_pickled_error() or trial.get_error()
    if isinstance(error, ray.exceptions.OutOfMemoryError):
        return "it ran out of memory; give it more, or run fewer at once"
    if isinstance(error, ray.exceptions.RayActorError):
        return "its process died: killed, out of memory, or its node was lost"
    return _last_line(error)


def _last_line(error: object) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


# -- from here on in the trial's own process


def _trial(config: dict[str, Any], setting: Setting) -> None:
    """A trial that cannot succeed says so and is not tried again; any other error is Tune's to retry."""
    torch.set_num_threads(1)
    number, figures = config["number"], {"mae_all": float("inf"), CLOCK: 0, "epoch": 0, "steps": 0}
    with _Watch(setting.last_words(number), setting.hung_after) as watch:
        try:
            jobs = [JobSpec.model_validate(job) for job in config["jobs"]]
            warm_ups = None if setting.warm_ups is None else Path(setting.warm_ups)
            trial = setting.make_trial(jobs, setting.store, warm_ups, watch.beat)
            for figures in trial.epochs():
                watch.beat()
                tune.report(figures)
            tune.report(figures | trial.result(setting.model_folder(number)))
        except (DynstError, RunError) as error:
            tune.report(figures | {FAILED: str(error)})


class _Watch:
    """Ends this process when there was no ``beat`` for too long: what hangs cannot say so itself."""

    def __init__(self, last_words: Path, seconds: float) -> None:
        self._last_words, self._seconds = last_words, seconds
        self._beaten, self._done = Event(), False

    def __enter__(self) -> "_Watch":
        self._last_words.unlink(missing_ok=True)
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
        self._last_words.write_text(f"no sign of life for {self._seconds / 60:g} minutes", encoding="utf-8")
        os._exit(1)
