"""MLflow: one run for each training, figures as they come, masks as tables and pictures, the model at the end."""

import csv
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

import dynst
from dynst.artifact import load_artifact
from dynst.data.store import SensorStore
from dynst_platform import serving_model
from dynst_platform.errors import TrackingError
from dynst_platform.jobfile import dump_job
from dynst_platform.pictures import draw_mask
from dynst_platform.serving_model import input_columns, reading_columns
from dynst_platform.spec import JobSpec
from dynst_platform.worker import Report

__all__ = ["Tracker"]

SERIES = {"train_loss": "train/mae", "val_mae": "val/mae", "sparsity": "mask/sparsity", "exchanged": "mask/exchanged"}
MAX_TAG = 4000
REQUIREMENTS = ("torch", "numpy", "pandas", "pyarrow", "pydantic", "safetensors", "scipy")


class Tracker:
    """Turns the reports of one job into MLflow runs. Every run of the job carries the tag ``dynst.job``."""

    def __init__(self, uri: str, artifact_root: str | None, job: JobSpec, store: SensorStore, job_id: str) -> None:
        self.uri, self._job, self._store, self._job_id = uri, job, store, job_id
        self.runs: dict[str, str] = {}
        self._rounds: dict[str, int] = {}
        with _as_tracking_error(uri):
            mlflow.set_tracking_uri(uri)
            self._client = MlflowClient(uri)
            self.experiment_id = self._experiment(artifact_root)

    def start(self, arm: str, kind: str) -> str:
        """Open the run of an arm, or return the one that is open."""
        if arm in self.runs:
            return self.runs[arm]
        tags = {
            "mlflow.runName": f"{arm}-{self._job_id[-4:]}",
            "mlflow.source.name": "dynst train",
            "dynst.job": self._job_id,
            "dynst.arm": arm,
            "dynst.kind": kind,
            "dynst.version": dynst.__version__,
            "dynst.data_digest": self._store.manifest.digest,
            "dynst.data": self._store.manifest.name,
        } | _git_tags()
        with _as_tracking_error(self.uri):
            run_id = str(self._client.create_run(self.experiment_id, tags=tags).info.run_id)
            params = [Param(key, str(value)) for key, value in _flatten(self._job.model_dump(mode="json")).items()]
            self._client.log_batch(run_id, params=[*params, Param("arm", arm)])
            self._client.log_text(run_id, dump_job(self._job), "job.yaml")
        self.runs[arm] = run_id
        return run_id

    def on_report(self, report: Report) -> None:
        run_id = self.start(report["arm"], report["arm_kind"])
        with _as_tracking_error(self.uri):
            if report["kind"] == "epoch":
                self._log_epoch(run_id, report)
            else:
                self._log_end(run_id, report)

    def close(self, status: str, reason: str = "") -> None:
        """End every run that is still open as FAILED or KILLED, with the reason as a tag."""
        with _as_tracking_error(self.uri):
            for run_id in self.runs.values():
                if self._client.get_run(run_id).info.status != "RUNNING":
                    continue
                if reason:
                    self._client.set_tag(run_id, "dynst.reason", reason[:MAX_TAG])
                self._client.set_terminated(run_id, status)

    def _experiment(self, artifact_root: str | None) -> str:
        found = self._client.get_experiment_by_name(self._job.name)
        if found is not None and found.lifecycle_stage == "deleted":
            raise TrackingError(
                f"experiment '{self._job.name}' was deleted in MLflow; restore it there, or give the job another name"
            )
        if found is not None:
            return str(found.experiment_id)
        location = None if artifact_root is None else f"{artifact_root}/{self._job.name}"
        tags = {"mlflow.experimentKind": "custom_model_development"}  # so that the UI offers its training views
        return str(self._client.create_experiment(self._job.name, artifact_location=location, tags=tags))

    def _log_epoch(self, run_id: str, report: Report) -> None:
        figures = {name: report[key] for key, name in SERIES.items()} | {"train/seconds": report["seconds"]}
        self._log_metrics(run_id, figures, report["step"])
        for update in report["updates"]:
            if update["pruned"]:
                self._log_mask(run_id, update)

    def _log_mask(self, run_id: str, update: dict[str, Any]) -> None:
        """The mask after a change of sparsity."""
        number = self._rounds[run_id] = self._rounds.get(run_id, 0) + 1
        on = sum(update["active"])
        title = f"Round {number}, step {update['step']}: {on} of {len(update['active'])} sensors on ({update['sparsity']:.0%} off)"
        self._log_sensors(run_id, f"masks/round_{number:02d}", title, {key: update[key] for key in ("active", "importance")})

    def _log_end(self, run_id: str, report: Report) -> None:
        efficiency = {f"efficiency/{key}": value for key, value in report.get("efficiency", {}).items()}
        sparsity = 1 - sum(report["active"]) / len(report["active"])
        finals = report["metrics"] | efficiency | {"mask/final_sparsity": sparsity}
        self._log_metrics(run_id, finals, report["step"])
        columns = {key: report[key] for key in ("active", "importance", "mae_by_sensor")}
        title = f"{report['arm']}: {sum(report['active'])} of {len(report['active'])} sensors on"
        self._log_sensors(run_id, "sensors", title, columns)
        self._log_model(run_id, Path(report["artifact"]), report["step"], report["metrics"])
        self._client.set_terminated(run_id, "FINISHED")

    def _log_sensors(self, run_id: str, name: str, title: str, columns: dict[str, list[Any]]) -> None:
        """One row a sensor as CSV, and the map beside it."""
        with TemporaryDirectory() as folder:
            stem = Path(folder) / Path(name).name
            with stem.with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(["sensor", *columns])
                writer.writerows(zip(self._store.sensors.ids, *columns.values(), strict=True))
            active, importance = np.array(columns["active"]), np.array(columns["importance"])
            draw_mask(stem.with_suffix(".png"), self._store, active, importance, title)
            self._client.log_artifacts(run_id, folder, artifact_path=str(Path(name).parent).replace(".", "") or None)

    def _log_model(self, run_id: str, folder: Path, step: int, metrics: dict[str, float]) -> None:
        with mlflow.start_run(run_id=run_id, log_system_metrics=False):
            example = _input_example(self._store, folder)
            context = type("Context", (), {"artifacts": {"model": str(folder)}})()
            model = serving_model.ServingModel()
            model.load_context(context)
            info = mlflow.pyfunc.log_model(
                name="model",
                python_model=serving_model.__file__,
                artifacts={"model": str(folder)},
                code_paths=[str(Path(dynst.__file__).parent)],
                signature=mlflow.models.infer_signature(example, model.predict(context, example)),
                input_example=example,
                pip_requirements=[f"{name}=={version(name).split('+')[0]}" for name in REQUIREMENTS],
                step=step,
            )
            mlflow.log_metrics({k: v for k, v in metrics.items() if np.isfinite(v)}, model_id=info.model_id, step=step)

    def _log_metrics(self, run_id: str, figures: dict[str, float], step: int) -> None:
        now = int(time.time() * 1000)
        metrics = [Metric(key, float(value), now, step) for key, value in figures.items() if np.isfinite(value)]
        self._client.log_batch(run_id, metrics=metrics)


def _input_example(store: SensorStore, folder: Path) -> pd.DataFrame:
    """The last window of the store, active sensors only."""
    description = load_artifact(folder).description
    rows = slice(-description.model.window, None)
    readings = store.readings
    values = np.where(readings.observed[rows], readings.values[rows], np.nan)[:, np.array(description.active)]
    every = pd.DataFrame(values.reshape(len(values), -1).astype(np.float64), columns=reading_columns(description))
    table = every[input_columns(description)].copy()
    table.insert(0, "time", readings.time[rows].astype("datetime64[s]").astype("datetime64[ns]"))
    return table


def _flatten(document: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in document.items():
        name = f"{prefix}{key}"
        flat |= (
            _flatten(value, f"{name}.")
            if isinstance(value, dict)
            else {name: json.dumps(value) if isinstance(value, list) else value}
        )
    return flat


def _git_tags() -> dict[str, str]:
    """The commit of the folder that the job was started in, where it is a git checkout."""
    try:
        head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True, timeout=5)
    except (OSError, subprocess.SubprocessError):
        return {}
    return {"mlflow.source.git.commit": head.stdout.strip()}


@contextmanager
def _as_tracking_error(uri: str) -> Iterator[None]:
    try:
        yield
    except (MlflowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise TrackingError(f"the tracking store {uri} cannot be used ({reason}); check MLFLOW_TRACKING_URI") from error
