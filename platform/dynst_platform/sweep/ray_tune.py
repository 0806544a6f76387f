"""Trials on Ray Tune, which only this file knows. A conductor says who runs next, and hears of everything that happens."""

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any, Protocol

import ray
import ray.train
import ray.train.torch
import torch
from ray import tune
from ray.tune.integration.ray_train import TuneReportCallback
from ray.tune.schedulers import ASHAScheduler, MedianStoppingRule, PopulationBasedTraining, TrialScheduler
from ray.tune.search import Searcher

from dynst.errors import DynstError
from dynst_platform.errors import RunError
from dynst_platform.jobfile import check_job, with_overrides
from dynst_platform.local_ray import local_ray
from dynst_platform.spec import JobSpec
from dynst_platform.sweep.spec import Dimension, SweepSpec
from dynst_platform.sweep.trial import Trial

__all__ = ["Conductor", "Setting", "run_trials"]

STATE = "state.pt"
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
    workers: int
    keep_state: bool  # for a scheduler that moves trials
    hung_after: float  # seconds
    make_trial: Callable[[Sequence[JobSpec], str, Path | None], Trial] = Trial

    def model_folder(self, number: int) -> Path:
        return Path(self.trials) / f"{number:05d}"

    def last_words(self, number: int) -> Path:
        return Path(self.trials) / f"{number:05d}.hung"


def run_trials(sweep: SweepSpec, setting: Setting, left: int, folder: Path, conductor: Conductor) -> None:
    """Run what the conductor has ``left``; returns when every trial has ended. Failed trials do not end it.

    Raises:
        RunError: Tune itself failed.
    """
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # whose trials fail is told by name
    with local_ray(dashboard=setting.workers > 1):
        at_once = _at_once(sweep)
        tuner = tune.Tuner(
            _with_resources(partial(_trial, setting=setting), sweep),
            tune_config=tune.TuneConfig(
                metric="mae_all",
                mode="min",
                search_alg=_Told(conductor),
                scheduler=_scheduler(sweep),
                num_samples=left,
                max_concurrent_trials=at_once,
                time_budget_s=None if sweep.minutes is None else 60 * sweep.minutes,
                reuse_actors=setting.workers == 1,
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
    """As many as fit, so that trials with several workers never wait for one another's."""
    have, need = ray.cluster_resources(), sweep.resources
    fits = [have.get("CPU", 1) / (need.cpu * need.workers)]
    if need.gpu:
        fits.append(have.get("GPU", 0) / (need.gpu * need.workers))
    most = int(min(fits))
    if most < 1:
        raise RunError(
            f"a trial needs {need.workers} × {need.cpu:g} CPUs and {need.workers} × {need.gpu:g} GPUs, but the cluster has "
            f"{have.get('CPU', 0):g} and {have.get('GPU', 0):g}; lower resources"
        )
    return most if sweep.at_once is None else min(most, sweep.at_once)


def _with_resources(trainable: Callable[[dict[str, Any]], None], sweep: SweepSpec) -> Any:
    """With several workers the trial itself only waits for them."""
    need = sweep.resources
    if need.workers > 1:
        return tune.with_resources(trainable, {"memory": 64 * 2**20})
    return tune.with_resources(trainable, {"cpu": need.cpu, "gpu": need.gpu})


def _scheduler(sweep: SweepSpec) -> TrialScheduler | None:
    """Trials are compared by epochs since their masks were final, so that none is judged in the middle of its pruning."""
    if sweep.scheduler == "asha":
        return ASHAScheduler(time_attr=CLOCK, grace_period=1, max_t=1 + _most_epochs(sweep), reduction_factor=3)
    if sweep.scheduler == "median":
        return MedianStoppingRule(time_attr=CLOCK, grace_period=1, min_samples_required=3)
    if sweep.scheduler == "pbt":
        rates = {key: _domain(dimension) for key, dimension in sweep.space.items()}
        return PopulationBasedTraining(time_attr="epoch", perturbation_interval=1, hyperparam_mutations={"overrides": rates})
    return None


def _most_epochs(sweep: SweepSpec) -> int:
    """No trial's clock goes beyond, so that none is stopped for its age."""
    searched = sweep.space.get("training.epochs")
    most: int = max([JobSpec.model_validate(sweep.job).training.epochs, *(searched.extremes if searched else ())])
    return most


def _domain(dimension: Dimension) -> Any:
    if dimension.entries is not None:
        return tune.choice(list(dimension.entries))
    if dimension.loguniform is not None:
        return tune.loguniform(*dimension.loguniform)
    if dimension.int_ is not None:
        return tune.randint(dimension.int_[0], dimension.int_[1] + 1)
    assert dimension.uniform is not None
    return tune.uniform(*dimension.uniform)


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
    def __init__(self, conductor: Conductor, setting: Setting) -> None:
        self._conductor, self._setting = conductor, setting

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._conductor.started(trial.config["number"])

    def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any) -> None:
        if RESULT not in result and FAILED not in result:
            self._conductor.reported(trial.config["number"], result)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        number, last = trial.config["number"], trial.last_result or {}
        if FAILED in last:
            self._conductor.failed(number, last[FAILED])
        elif RESULT in last:
            self._conductor.finished(number, last)
        else:
            self._conductor.stopped(number, "no longer among the best when it was compared")

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        number = trial.config["number"]
        hung = self._setting.last_words(number)
        self._conductor.failed(number, hung.read_text(encoding="utf-8") if hung.exists() else _reason(trial))


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
    if setting.workers > 1:
        _train_with_workers(config, setting)
        return
    torch.set_num_threads(1)
    checkpoint = tune.get_checkpoint()
    with _Watch(setting.last_words(config["number"]), setting.hung_after) as watch:
        _run(config, setting, None if checkpoint is None else Path(checkpoint.path), watch, tune.report)


def _train_with_workers(config: dict[str, Any], setting: Setting) -> None:
    """A training of its own under Ray Train, whose reports pass through."""
    trainer = ray.train.torch.TorchTrainer(
        partial(_on_worker, setting=setting),
        train_loop_config=config,
        scaling_config=ray.train.ScalingConfig(num_workers=setting.workers),
        run_config=ray.train.RunConfig(
            name=f"train-{config['number']:05d}-{tune.get_context().get_trial_id()}",
            storage_path=setting.trials,
            callbacks=[TuneReportCallback()],
            failure_config=ray.train.FailureConfig(max_failures=0, controller_failure_limit=0),
            logging_config=ray.train.LoggingConfig(log_level="ERROR"),
        ),
    )
    trainer.fit()


def _on_worker(config: dict[str, Any], setting: Setting) -> None:
    torch.set_num_threads(1)
    with _Watch(setting.last_words(config["number"]), setting.hung_after) as watch:
        _run(config, setting, None, watch, ray.train.report)


def _run(config: dict[str, Any], setting: Setting, state: Path | None, watch: "_Watch", report: Callable[..., None]) -> None:
    """A trial that cannot succeed says so and is not tried again; any other error is Tune's to retry."""
    figures: dict[str, Any] = {"mae_all": float("inf"), CLOCK: 0, "epoch": 0}
    try:
        jobs = [JobSpec.model_validate(job) for job in config["jobs"]]
        if setting.keep_state:  # the scheduler may have changed the overrides in flight
            jobs = [_changed(job, config["overrides"]) for job in jobs]
        trial = setting.make_trial(jobs, setting.store, None if setting.warm_ups is None else Path(setting.warm_ups))
        if state is not None:
            trial.load_state_dict(torch.load(state / STATE, weights_only=True))
        for figures in trial.epochs():
            watch.beat()
            _report(trial, figures, setting, report)
        report(figures | trial.result(setting.model_folder(config["number"])))
    except (DynstError, RunError) as error:
        report(figures | {FAILED: str(error)})


def _changed(job: JobSpec, overrides: dict[str, Any]) -> JobSpec:
    return check_job(with_overrides(job.model_dump(mode="json"), overrides))


def _report(trial: Trial, figures: dict[str, Any], setting: Setting, report: Callable[..., None]) -> None:
    if not setting.keep_state:
        report(figures)
        return
    with TemporaryDirectory() as folder:
        torch.save(trial.state_dict(), Path(folder) / STATE)
        report(figures, checkpoint=tune.Checkpoint.from_directory(folder))


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
