"""A trial: a training with overrides, once for each seed, from the shared warm-up on. Knows neither Tune nor MLflow."""

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
from dynst_platform.worker import save_model

__all__ = ["Trial"]

TIMED_SECONDS = 2.0  # for the latency of a model


@dataclass(frozen=True)
class _Run:
    """One seed's training."""

    job: JobSpec
    comparison: Comparison
    arm: Arm


class Trial:
    """Trainings of one configuration that advance epoch by epoch together, so that a scheduler sees means over seeds.

    Args:
        jobs: the same job with different seeds.
        warm_root: where warm-ups are kept; None trains each from its first step.
        beat: called now and then while the trial is prepared.
    """

    def __init__(
        self, jobs: Sequence[JobSpec], store_path: str, warm_root: Path | None, beat: Callable[[], None] = lambda: None
    ) -> None:
        self._beat = beat
        self.store: SensorStore = open_store(Path(store_path))
        self._started = perf_counter()
        self._runs = [self._prepared(job, warm_root) for job in jobs]
        self._first_step = self._training.step

    @property
    def _training(self) -> Any:
        return self._runs[0].arm.training

    def epochs(self) -> Iterator[dict[str, Any]]:
        """Train to the end; after each epoch its figures.

        ``settled`` counts the epochs since the mask was final: the clock by which trials of different schedules may be compared.

        Raises:
            RunError: the error is not a number any more.
        """
        settled = 0
        for reports in zip(*(run.arm.training.run() for run in self._runs), strict=True):
            error = fmean(report.val_mae for report in reports)
            if not isfinite(error):
                raise RunError(f"the error is not a number after epoch {reports[0].epoch}; lower training.learning_rate")
            settled += all(run.arm.training.scheme.is_settled(run.arm.training.step) for run in self._runs)
            yield self._figures(reports, error, settled)

    def result(self, model_folder: Path) -> dict[str, Any]:
        """Objectives, figures of the test part, and the choice of the first seed, whose model goes into ``model_folder``."""
        first = self._runs[0]
        best = [run.arm.training.best[0] for run in self._runs if run.arm.training.best is not None]
        tests = [run.arm.test_errors(run.comparison.dataset) for run in self._runs]
        active = first.arm.active
        timed = measure_efficiency(first.arm.training.model, first.comparison.dataset.test, active, seconds=TIMED_SECONDS)
        cost = float(first.comparison.dataset.network.sensors.cost[active.numpy()].sum())
        draft = model_folder.with_name(f"{model_folder.name}.model-draft")
        shutil.rmtree(draft, ignore_errors=True)
        save_model(draft, first.arm, first.job, self.store)
        shutil.rmtree(model_folder, ignore_errors=True)
        draft.rename(model_folder)
        return {
            "objectives": {
                "mae_all": fmean(best),
                "sparsity": fmean(run.arm.training.scheme.sparsity for run in self._runs),
                "cost": cost,
                "latency_ms": timed.compact_ms,
            },
            "metrics": {
                "test/mae_all": fmean(table.mae() for table in tests),
                "test/mae_active": fmean(table.mae(run.arm.active) for table, run in zip(tests, self._runs, strict=True)),
                "test/mae_inactive": fmean(table.mae(~run.arm.active) for table, run in zip(tests, self._runs, strict=True)),
                "efficiency/speed_up": timed.speed_up,
            },
            "active": active.tolist(),
            "importance": first.arm.training.scheme.criterion.scores(active).tolist(),
            "seconds": perf_counter() - self._started,
        }

    def state_dict(self) -> list[dict[str, Any]]:
        return [run.arm.training.state_dict() for run in self._runs]

    def load_state_dict(self, states: list[dict[str, Any]]) -> None:
        """Go on where another trial, or this one before it was interrupted, has come to."""
        for run, state in zip(self._runs, states, strict=True):
            run.arm.training.load_state_dict(state)

    def _prepared(self, job: JobSpec, warm_root: Path | None) -> _Run:
        comparison = comparison_of(job, str(self.store.path))
        arm = comparison.learned()
        if warm_root is not None and comparison.warm_epochs(arm) and job.sparsity.dropout:
            arm.training.continue_from_state(warm_state(job, self.store, warm_root, self._beat))
        else:
            for _ in arm.training.run(comparison.warm_epochs(arm)):
                self._beat()
        self._beat()
        comparison.decide(arm)
        self._beat()
        return _Run(job, comparison, arm)

    def _figures(self, reports: Sequence[EpochReport], error: float, settled: int) -> dict[str, Any]:
        return {
            "epoch": reports[0].epoch,
            "settled": settled,
            "mae_all": error,
            "train_mae": fmean(report.train_loss for report in reports),
            "sparsity": fmean(report.sparsity for report in reports),
            "exchanged": sum(report.exchanged for report in reports),
            "steps": len(self._runs) * (reports[0].step - self._first_step),
        }
