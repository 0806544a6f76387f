"""The reports of a job in MLflow: a run for each arm, figures as they come, masks as tables and pictures, the model at the end."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from mlflow.entities import Metric

from dynst_platform.stores import target_units
from dynst_platform.tracking.artifact_files import write_errors, write_sensors
from dynst_platform.tracking.mask_history import mask_series, plain_history, write_history
from dynst_platform.tracking.mlflow_runs import MAX_METRICS, Tracker, metrics_at
from dynst_platform.tracking.reaching import as_tracking_error
from dynst_platform.tracking.report_file import Report

__all__ = ["ReportTracker"]

SERIES = {"train_loss": "train/mae", "val_mae": "val/mae", "sparsity": "mask/sparsity", "exchanged": "mask/exchanged"}
OF_THE_MACHINE = {  # what older report files have in part
    "seconds": "train/seconds",
    "windows_per_second": "train/windows_per_second",
    "peak_memory_mib": "train/peak_memory_mib",
    "workers": "train/workers",
}
NOT_IN_METRIC = r"[^\w/.\- :]"  # what MLflow takes in no metric's name; channels may be called anything
Updates = tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class _Told:
    """What the reports until now add up to."""

    rounds: Mapping[str, int] = field(default_factory=dict)  # by arm
    seconds: Mapping[str, float] = field(default_factory=dict)  # of training, by arm
    updates: Updates = ()  # of the learned mask
    errors: tuple[dict[str, Any], ...] = ()  # by step, of all forecasters that have ended

    def and_(self, report: Report) -> "_Told":
        arm, updates = report["arm"], report.get("updates", ())
        rounds, seconds = self.rounds.get(arm, 0) + len(_pruned(updates)), self.seconds.get(arm, 0.0) + report.get("seconds", 0.0)
        return _Told(
            {**self.rounds, arm: rounds},
            {**self.seconds, arm: seconds},
            self.updates + (tuple(updates) if report["arm_kind"] == "learned" else ()),
            self.errors + tuple(report.get("errors", ())),
        )


class ReportTracker(Tracker):
    """Turns each report into what MLflow shows. A report that failed may be given again: what MLflow has of it is not doubled."""

    _told = _Told()

    def take_up(self, runs: Mapping[str, str]) -> None:
        """Go on with what an earlier process opened, and perhaps wrote without hearing so."""
        self.runs |= runs
        self._doubtful = True

    def reopen(self) -> None:
        """Let the runs that did not finish run again."""
        with as_tracking_error(self.uri):
            states = {arm: self._client.get_run(run_id).info.status for arm, run_id in self.runs.items()}
        for arm, status in states.items():
            if status != "FINISHED":
                self.go_on(arm, self.runs[arm])

    def recall(self, report: Report) -> None:
        """Take note of a report that MLflow has already."""
        if report["kind"] in ("epoch", "arm"):
            self._told = self._told.and_(report)

    def on_report(self, report: Report) -> None:
        """Write an epoch, or the end of an arm, at the time that the report carries.

        Raises:
            UnreachableError: give the same report again later.
            TrackingError: the store refuses.
        """
        if report["kind"] not in ("epoch", "arm"):
            return
        told = self._told.and_(report)
        try:
            began = report["time"] - int(1000 * report.get("seconds", 0))
            run_id = self.start(report["arm"], report["arm_kind"], began)
            with as_tracking_error(self.uri):
                write = self._log_epoch if report["kind"] == "epoch" else self._log_end
                write(run_id, report, told)
        except Exception:
            self._doubtful = True
            raise
        self._told, self._doubtful = told, False

    def _send(self, run_id: str, metrics: list[Metric]) -> None:
        """Only what the run lacks, where some of it may be there."""
        lacking = self._lacking(run_id, metrics) if self._doubtful else metrics
        for first in range(0, len(lacking), MAX_METRICS):
            self._client.log_batch(run_id, metrics=lacking[first : first + MAX_METRICS])

    def _lacking(self, run_id: str, metrics: list[Metric]) -> list[Metric]:
        known = self._client.get_run(run_id).data.metrics
        there = {
            (key, metric.step)
            for key in {metric.key for metric in metrics} & set(known)
            for metric in self._client.get_metric_history(run_id, key)
        }
        return [metric for metric in metrics if (metric.key, metric.step) not in there]

    def _log_epoch(self, run_id: str, report: Report, told: _Told) -> None:
        figures = {name: report[key] for key, name in SERIES.items()}
        figures |= {name: report[key] for key, name in OF_THE_MACHINE.items() if key in report}
        masks = _mask_metrics(report, told) if report["arm_kind"] == "learned" and report["updates"] else []
        self._send(run_id, metrics_at(report["step"], figures, report["time"]) + masks)
        pruned = _pruned(report["updates"])
        for number, update in enumerate(pruned, told.rounds[report["arm"]] - len(pruned) + 1):
            self._log_mask(run_id, update, number)

    def _log_mask(self, run_id: str, update: dict[str, Any], number: int) -> None:
        """The mask after a change of sparsity."""
        on = sum(update["active"])
        title = f"Round {number}, step {update['step']}: {on} of {len(update['active'])} sensors on ({update['sparsity']:.0%} off)"
        with self._folder(run_id, "masks") as folder:
            columns = {key: update[key] for key in ("active", "importance")}
            write_sensors(folder / f"round_{number:02d}", self._store, title, columns)

    def _log_end(self, run_id: str, report: Report, told: _Told) -> None:
        errors = {re.sub(NOT_IN_METRIC, "_", key): value for key, value in report["metrics"].items()}
        errors["model/mae_all"] = errors["test/mae_all"]
        step, time = report["step"], report["time"]
        self._send(run_id, metrics_at(step, errors | self._facts(report, told), time))
        self._log_sensors(run_id, report, told)
        if report["errors"]:  # the learned run's table of errors, written anew when another arm joins it
            with self._folder(self.runs["dynst"]) as folder:
                write_errors(folder, told.errors, target_units(self._job, self._store))
        self._log_model(run_id, Path(report["artifact"]), step, metrics_at(step, errors, time))
        self.end(run_id, "FINISHED", at=time)

    def _facts(self, report: Report, told: _Told) -> dict[str, float]:
        """What an arm's end says beside its errors."""
        active = np.array(report["active"])
        facts = {f"efficiency/{key}": value for key, value in report.get("efficiency", {}).items()}
        facts["train/total_seconds"] = told.seconds[report["arm"]]
        return facts | {"mask/final_sparsity": 1 - active.mean(), "mask/cost": self._store.sensors.cost[active].sum()}

    def _log_sensors(self, run_id: str, report: Report, told: _Told) -> None:
        title = f"{report['arm']}: {sum(report['active'])} of {len(report['active'])} sensors on"
        with self._folder(run_id) as folder:
            columns = {key: report[key] for key in ("active", "importance", "mae_by_sensor")}
            write_sensors(folder / "sensors", self._store, title, columns)
            if report["arm_kind"] == "learned" and told.updates:
                (folder / "masks").mkdir()
                write_history(folder / "masks", self._store.sensors, plain_history(told.updates), report["step"])


def _pruned(updates: Any) -> list[dict[str, Any]]:
    return [update for update in updates if update["pruned"]]


def _mask_metrics(report: Report, told: _Told) -> list[Metric]:
    """How the learned mask moved at the report's updates."""
    new = report["updates"]
    series = mask_series(told.updates)[-len(new) :]
    return [
        metric
        for update, figures in zip(new, series, strict=True)
        for metric in metrics_at(update["step"], figures, report["time"])
    ]
