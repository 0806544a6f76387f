"""A trial: a training with overrides, once for each seed, from the shared warm-up on.

Knows neither Ray nor MLflow.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import isfinite, nan
from pathlib import Path
from statistics import fmean
from time import perf_counter

from dynst.experiment.arms import Arm
from dynst.experiment.experiment import Experiment
from dynst.experiment.protocol import (
    arm_errors,
    error_figures,
    prepare,
    run_epochs,
    save_arm,
    time_inference,
)
from dynst.training.trainer import EpochResult, TrainingState
from dynst_platform.commands.tune.reports import TrialReport, TrialResult
from dynst_platform.commands.tune.warm_up import warm_state
from dynst_platform.config.experiment import experiment_of
from dynst_platform.config.job import JobSpec
from dynst_platform.errors import RunError

__all__ = ["States", "Trial"]

States = list[TrainingState]  # of the training of each seed
GROUPS = ("mae_all", "mae_active", "mae_inactive")
TIMED_SECONDS = 2.0  # for the latency of a model


@dataclass(frozen=True)
class _Run:
    """One seed's training."""

    experiment: Experiment
    arm: Arm
    shared_steps: int  # of the warm-up that other trials use too


class Trial:
    """Trainings of one configuration that advance epoch by epoch together, so that a scheduler sees
    means over seeds.

    Args:
        jobs: the same job with different seeds.
        warm_root: where warm-ups are kept; None trains each from its first step.
        beat: called now and then while the trial is prepared.
        states: what ``state_dict`` of a trial gave, this one before it was interrupted or another;
            goes on from there.
    """

    def __init__(
        self,
        jobs: Sequence[JobSpec],
        store_path: str,
        warm_root: Path | None,
        beat: Callable[[], None] = lambda: None,
        states: States | None = None,
    ) -> None:
        self._beat = beat
        self._store_path, self._warm_root = store_path, warm_root
        self._started = perf_counter()
        known: list[TrainingState | None] = list(states) if states else [None] * len(jobs)
        self._runs = [self._prepared(job, state) for job, state in zip(jobs, known, strict=True)]

    def epochs(self) -> Iterator[TrialReport]:
        """Train to the end; after each epoch its figures.

        Raises:
            RunError: the error is not a number any more.
        """
        for reports in zip(*(run.arm.training.run() for run in self._runs), strict=True):
            error = fmean(report.val_mae for report in reports)
            if not isfinite(error):
                raise RunError(
                    f"the error is not a number after epoch {reports[0].epoch}; lower "
                    f"training.learning_rate"
                )
            yield self._figures(reports, error)

    def result(self, model_folder: Path) -> TrialResult | None:
        """Objectives, figures of the test part, and the choice of the first seed, whose model goes
        into ``model_folder``.

        None on all ranks but the first.
        """
        first = self._runs[0]
        best = [run.arm.training.best[0] for run in self._runs if run.arm.training.best is not None]
        tests = [
            error_figures(arm_errors(run.experiment, run.arm), run.arm.active) for run in self._runs
        ]
        whole = first.arm.training.whole_model()
        timed = time_inference(first.experiment, first.arm, whole, seconds=TIMED_SECONDS)
        if timed is None:
            return None
        active = first.arm.active
        cost = float(first.experiment.dataset.network.sensors.cost[active.numpy()].sum())
        self._save(model_folder)
        return TrialResult(
            objectives={
                "mae_all": fmean(best),
                "sparsity": fmean(run.arm.training.scheme.sparsity for run in self._runs),
                "cost": cost,
                "latency_ms": timed.compact_ms,
            },
            metrics={
                **{
                    f"test/{name}": fmean(errors.get(name, nan) for errors in tests)
                    for name in GROUPS
                },
                "model/mae_all": tests[0]["mae_all"],
                **{f"efficiency/{name}": float(value) for name, value in vars(timed).items()},
            },
            active=tuple(active.tolist()),
            importance=tuple(first.arm.training.scheme.criterion.scores(active).tolist()),
            seconds=perf_counter() - self._started,
        )

    def _save(self, folder: Path) -> None:
        """Whole or not at all."""
        first = self._runs[0]
        draft = folder.with_name(f"{folder.name}.model-draft")
        shutil.rmtree(draft, ignore_errors=True)
        save_arm(draft, first.experiment, first.arm)
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)

    def state_dict(self) -> States:
        return [run.arm.training.state_dict() for run in self._runs]

    def _prepared(self, job: JobSpec, state: TrainingState | None) -> _Run:
        experiment = experiment_of(job, self._store_path)
        arm = experiment.learned()
        shared = (
            experiment.warm_epochs(arm)
            if self._warm_root is not None and job.sparsity.dropout
            else 0
        )
        if state is not None:
            arm.training.load_state_dict(state)
        else:
            warm = (
                warm_state(job, experiment.store, self._warm_root, self._beat)
                if self._warm_root and shared
                else None
            )
            prepare(
                experiment,
                arm,
                run=partial(run_epochs, on_epoch=self._alive),
                warm=warm,
                on_warm=self._alive,
                on_other=self._alive,
            )
            self._beat()
        return _Run(experiment, arm, shared * arm.training.steps_per_epoch)

    def _alive(self, done: object) -> None:
        self._beat()

    def _figures(self, reports: Sequence[EpochResult], error: float) -> TrialReport:
        return TrialReport(
            epoch=reports[0].epoch,
            settled=self._settled_epochs(reports[0].epoch),
            mae_all=error,
            train_mae=fmean(report.train_loss for report in reports),
            sparsity=fmean(report.sparsity for report in reports),
            exchanged=sum(report.exchanged for report in reports),
            steps=sum(run.arm.training.step - run.shared_steps for run in self._runs),
        )

    def _settled_epochs(self, epoch: int) -> int:
        trainings = [run.arm.training for run in self._runs]
        return sum(
            all(
                training.scheme.is_settled(past * training.steps_per_epoch)
                for training in trainings
            )
            for past in range(1, epoch + 1)
        )
