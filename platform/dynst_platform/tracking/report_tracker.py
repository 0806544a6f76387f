"""The reports of a job in MLflow: a run for each arm.

It has metrics as they come, masks as tables and figures, and the model at the end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from mlflow.entities import Metric

from dynst.evaluation.summary import StepError
from dynst.experiment.arms import ArmKind
from dynst_platform.config.files import dump_spec
from dynst_platform.config.stores import target_units
from dynst_platform.reports import COST, ArmReport, EpochReport, MaskChange, Report
from dynst_platform.tracking.artifact_files import write_errors, write_sensors
from dynst_platform.tracking.lacking import active_run
from dynst_platform.tracking.mask_history import history_of, mask_series, write_history
from dynst_platform.tracking.mlflow_runs import Tracker, metrics_at
from dynst_platform.tracking.reaching import as_tracking_error
from dynst_platform.tracking.whole_model import logged_models, whole_among

__all__ = ["ReportTracker"]

SERIES = {  # older report files lack some of the last four
    "train_loss": "train/mae",
    "val_mae": "val/mae",
    "sparsity": "mask/sparsity",
    "exchanged": "mask/exchanged",
    "seconds": "train/seconds",
    "windows_per_second": "train/windows_per_second",
    "peak_memory_mib": "train/peak_memory_mib",
    "workers": "train/workers",
}


@dataclass(frozen=True)
class _Totals:
    """What the reports until now add up to."""

    rounds: Mapping[str, int] = field(default_factory=dict)  # by arm
    seconds: Mapping[str, float] = field(default_factory=dict)  # of training, by arm
    updates: tuple[MaskChange, ...] = ()  # of the learned mask
    errors: tuple[StepError, ...] = ()  # by step, of all forecasters that have ended

    def and_(self, report: Report) -> "_Totals":
        if isinstance(report, ArmReport):
            return replace(self, errors=self.errors + report.errors)
        arm, learned = report.arm, report.arm_kind == ArmKind.LEARNED
        return replace(
            self,
            rounds={**self.rounds, arm: self.rounds.get(arm, 0) + len(_pruned(report.updates))},
            seconds={**self.seconds, arm: self.seconds.get(arm, 0.0) + report.seconds},
            updates=self.updates + report.updates if learned else self.updates,
        )


class ReportTracker(Tracker):
    """Turns each report into what MLflow shows.

    A report that failed may be given again: what MLflow has of it is not doubled.
    """

    again: frozenset[str] = frozenset()  # arms whose reports are all wanted once more
    _totals = _Totals()

    def resume(self, runs: Mapping[str, str]) -> None:
        """Go on with what an earlier process opened, and perhaps wrote without a reply."""
        self.runs |= runs
        self._maybe_duplicate = True

    def reopen(self) -> None:
        """Let the runs that did not finish run again.

        One that was deleted gets a new run, and one that finished without its whole model gets it:
        their reports are wanted again.
        """
        for arm, run_id in list(self.runs.items()):
            with as_tracking_error(self.uri):
                run = active_run(self._client, run_id)
            finished = run is not None and run.info.status == "FINISHED"
            kept = self._has_model(run_id) if finished else self.go_on(arm, run_id)
            if not kept:
                self.again |= {arm}
            if run is None:
                del self.runs[arm]

    def _has_model(self, run_id: str) -> bool:
        with as_tracking_error(self.uri):
            models = logged_models(self._client, [self.experiment_id], run_id)
            return whole_among(models) is not None

    def recall(self, report: Report) -> None:
        """Take note of a report that MLflow has already."""
        self._totals = self._totals.and_(report)

    def leave_out(self, report: Report, number: int) -> None:
        """Note in the arm's run that a report was left out; a run without its end has failed."""
        self.recall(report)
        run_id = self.start(report.arm, report.arm_kind, report.time)
        with as_tracking_error(self.uri):
            self._client.set_tag(run_id, f"dynst.left_out.{number}", report.kind)
        if isinstance(report, ArmReport):
            self.end(run_id, "FAILED", f"report {number}, its end, was left out", report.time)

    def on_report(self, report: Report) -> None:
        """Write an epoch, or the end of an arm, at the time that the report carries.

        Raises:
            UnreachableError: give the same report again later.
            TrackingError: the store refuses.
        """
        totals = self._totals.and_(report)
        self._maybe_duplicate |= report.arm in self.again
        try:
            seconds = report.seconds if isinstance(report, EpochReport) else 0.0
            run_id = self.start(report.arm, report.arm_kind, report.time - int(1000 * seconds))
            with as_tracking_error(self.uri):
                if isinstance(report, EpochReport):
                    self._log_epoch(run_id, report, totals)
                else:
                    self._log_end(run_id, report, totals)
        except Exception:
            self._maybe_duplicate = True
            raise
        self._totals, self._maybe_duplicate = totals, False

    def _log_epoch(self, run_id: str, report: EpochReport, totals: _Totals) -> None:
        known = {name: getattr(report, field) for field, name in SERIES.items()}
        figures = {name: float(value) for name, value in known.items() if value is not None}
        masks = (
            _mask_metrics(report, totals)
            if report.arm_kind == ArmKind.LEARNED and report.updates
            else []
        )
        self.send(
            run_id, metrics_at(report.step, figures, report.time) + masks, self._maybe_duplicate
        )
        pruned = _pruned(report.updates)
        for number, update in enumerate(pruned, totals.rounds[report.arm] - len(pruned) + 1):
            self._log_mask(run_id, update, number)

    def _log_mask(self, run_id: str, update: MaskChange, number: int) -> None:
        """The mask after a change of sparsity."""
        on, total = sum(update.active), len(update.active)
        title = (
            f"Round {number}, step {update.step}: {on} of {total} sensors on "
            f"({update.sparsity:.0%} off)"
        )
        with self._folder(run_id, "masks") as folder:
            columns = {"active": update.active, "importance": update.importance}
            write_sensors(folder / f"round_{number:02d}", self._store, title, columns)

    def _log_end(self, run_id: str, report: ArmReport, totals: _Totals) -> None:
        errors = report.metrics | {"model/mae_all": report.metrics["test/mae_all"]}
        step, time = report.step, report.time
        figures = metrics_at(step, errors | self._facts(report, totals), time)
        self.send(run_id, figures, self._maybe_duplicate)
        self._log_sensors(run_id, report, totals)
        if (
            report.errors
        ):  # the learned run's table of errors, written anew when another arm joins it
            with self._folder(self.runs["dynst"]) as folder:
                write_errors(folder, totals.errors, target_units(self._job, self._store))
        self._log_model(run_id, Path(report.artifact), step, figures, dump_spec(self._job))
        self.end(run_id, "FINISHED", at=time)

    def _facts(self, report: ArmReport, totals: _Totals) -> dict[str, float]:
        """What an arm's end says beside its errors."""
        active = np.array(report.active)
        facts = {f"efficiency/{key}": value for key, value in report.efficiency.items()}
        facts["train/total_seconds"] = totals.seconds[report.arm]
        if report.selection is not None:
            facts |= report.selection.figures()
        cost = {} if COST in report.metrics else {COST: self._store.sensors.cost[active].sum()}
        return facts | cost | {"mask/final_sparsity": 1 - active.mean()}

    def _log_sensors(self, run_id: str, report: ArmReport, totals: _Totals) -> None:
        title = f"{report.arm}: {sum(report.active)} of {len(report.active)} sensors on"
        with self._folder(run_id) as folder:
            others = dict(report.simpler_by_sensor)
            if report.present_by_sensor:
                others["present"] = report.present_by_sensor
            columns = {
                "active": report.active,
                "importance": report.importance,
                "mae_by_sensor": report.mae_by_sensor,
            } | {f"{name}_mae": errors for name, errors in others.items()}
            write_sensors(folder / "sensors", self._store, title, columns)
            if report.arm_kind == ArmKind.LEARNED and totals.updates:
                (folder / "masks").mkdir()
                write_history(
                    folder / "masks", self._store.sensors, history_of(totals.updates), report.step
                )


def _pruned(updates: Sequence[MaskChange]) -> list[MaskChange]:
    return [update for update in updates if update.pruned]


def _mask_metrics(report: EpochReport, totals: _Totals) -> list[Metric]:
    """How the learned mask moved at the report's updates."""
    new = report.updates
    series = mask_series(totals.updates)[-len(new) :]
    return [
        metric
        for update, figures in zip(new, series, strict=True)
        for metric in metrics_at(update.step, figures, report.time)
    ]
