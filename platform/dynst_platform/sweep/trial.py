"""A trial: a training with overrides, once for each seed, from the shared warm-up on. Knows neither Ray nor MLflow."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from statistics import fmean
from time import perf_counter
from typing import Any

from dynst.comparison import Arm, Comparison
from dynst.data.store import SensorStore, open_store
from dynst.efficiency import measure_efficiency
from dynst.training.loop import EpochReport
from dynst_platform.errors import RunError
from dynst_platform.spec import JobSpec
from dynst_platform.sweep.warm_up import comparison_of, warm_state
from dynst_platform.workers.worker import save_model

__all__ = ["States", "Trial"]

States = list[dict[str, Any]]  # of the training of each seed
TIMED_SECONDS = 2.0  # for the latency of a model


@dataclass(frozen=True)
class _Run:
    """One seed's training."""

    job: JobSpec
    comparison: Comparison
    arm: Arm
    shared_steps: int  # of the warm-up that other trials use too


class Trial:
    """Trainings of one configuration that advance epoch by epoch together, so that a scheduler sees means over seeds.

    Args:
        jobs: the same job with different seeds.
        warm_root: where warm-ups are kept; None trains each from its first step.
        beat: called now and then while the trial is prepared.
        states: what ``state_dict`` of a trial gave, this one before it was interrupted or another; goes on from there.
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
        self.store: SensorStore = open_store(Path(store_path))
        self._started = perf_counter()
        known: Sequence[dict[str, Any] | None] = states or [None] * len(jobs)
        self._runs = [self._prepared(job, warm_root, state) for job, state in zip(jobs, known, strict=True)]

    def epochs(self) -> Iterator[dict[str, Any]]:
        """Train to the end; after each epoch its figures.

        ``settled`` counts the epochs since the mask was final: the clock by which trials of different schedules may be compared.

        Raises:
            RunError: the error is not a number any more.
        """
        for reports in zip(*(run.arm.training.run() for run in self._runs), strict=True):
            error = fmean(report.val_mae for report in reports)
            if not isfinite(error):
                raise RunError(f"the error is not a number after epoch {reports[0].epoch}; lower training.learning_rate")
            yield self._figures(reports, error)

    def result(self, model_folder: Path) -> dict[str, Any]:
        """Objectives, figures of the test part, and the choice of the first seed, whose model goes into ``model_folder``.

        Empty on all ranks but the first.
        """
        first = self._runs[0]
        best = [run.arm.training.best[0] for run in self._runs if run.arm.training.best is not None]
        tests = [run.arm.test_errors(run.comparison.dataset) for run in self._runs]
        if first.comparison.world.rank:
            return {}
        active = first.arm.active
        timed = measure_efficiency(first.arm.training.model, first.comparison.dataset.test, active, seconds=TIMED_SECONDS)
        cost = float(first.comparison.dataset.network.sensors.cost[active.numpy()].sum())
        self._save(model_folder)
        return {
            "objectives": {
                "mae_all": fmean(best),
                "sparsity": fmean(run.arm.training.scheme.sparsity for run in self._runs),
                "cost": cost,
                "latency_ms": timed.compact_ms,
            },
            "metrics": {
                "test/mae_all": fmean(table.mae() for table in tests),
                "model/mae_all": tests[0].mae(),
                "test/mae_active": fmean(table.mae(run.arm.active) for table, run in zip(tests, self._runs, strict=True)),
                "test/mae_inactive": fmean(table.mae(~run.arm.active) for table, run in zip(tests, self._runs, strict=True)),
                **{f"efficiency/{name}": float(value) for name, value in vars(timed).items()},
            },
            "active": active.tolist(),
            "importance": first.arm.training.scheme.criterion.scores(active).tolist(),
            "seconds": perf_counter() - self._started,
        }

    def _save(self, folder: Path) -> None:
        """Whole or not at all."""
        first = self._runs[0]
        draft = folder.with_name(f"{folder.name}.model-draft")
        shutil.rmtree(draft, ignore_errors=True)
        save_model(draft, first.arm, first.job, self.store)
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)

    def state_dict(self) -> States:
        return [run.arm.training.state_dict() for run in self._runs]

    def _prepared(self, job: JobSpec, warm_root: Path | None, state: dict[str, Any] | None) -> _Run:
        comparison = comparison_of(job, str(self.store.path))
        arm = comparison.learned()
        warm_epochs = comparison.warm_epochs(arm)
        shared = warm_epochs if warm_root is not None and job.sparsity.dropout else 0
        if state is not None:
            arm.training.load_state_dict(state)
        elif warm_root is not None and shared:
            arm.training.continue_from_state(warm_state(job, self.store, warm_root, self._beat))
        else:
            for _ in arm.training.run(warm_epochs):
                self._beat()
        if state is None:
            self._beat()
            comparison.decide(arm)
            self._beat()
        return _Run(job, comparison, arm, shared * arm.training.steps_per_epoch)

    def _figures(self, reports: Sequence[EpochReport], error: float) -> dict[str, Any]:
        return {
            "epoch": reports[0].epoch,
            "settled": self._settled_epochs(reports[0].epoch),
            "mae_all": error,
            "train_mae": fmean(report.train_loss for report in reports),
            "sparsity": fmean(report.sparsity for report in reports),
            "exchanged": sum(report.exchanged for report in reports),
            "steps": sum(run.arm.training.step - run.shared_steps for run in self._runs),
        }

    def _settled_epochs(self, epoch: int) -> int:
        trainings = [run.arm.training for run in self._runs]
        return sum(
            all(training.scheme.is_settled(past * training.steps_per_epoch) for training in trainings)
            for past in range(1, epoch + 1)
        )
