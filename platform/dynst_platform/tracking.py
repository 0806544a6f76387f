"""MLflow: one run for each training, figures as they come, masks as tables and pictures, the model at the end."""

import json
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.entities import Dataset, DatasetInput, Metric, Param
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

import dynst
from dynst.artifact import artifact_digest, load_artifact
from dynst.data.store import SensorStore
from dynst.errors import ConfigError
from dynst_platform import serving_model
from dynst_platform.artifact_files import write_errors, write_sensors
from dynst_platform.errors import TrackingError
from dynst_platform.jobfile import dump_document, dump_spec
from dynst_platform.mask_history import mask_series, plain_history, write_history
from dynst_platform.serving_model import input_columns, reading_columns
from dynst_platform.spec import JobSpec
from dynst_platform.stores import target_units
from dynst_platform.worker import Report

__all__ = ["Tracker", "as_tracking_error", "sweep_of_run"]

SERIES = {"train_loss": "train/mae", "val_mae": "val/mae", "sparsity": "mask/sparsity", "exchanged": "mask/exchanged"}
MAX_TAG = 4000
MAX_METRICS = 1000  # in one call
MAX_DIGEST = 36  # of a data set in MLflow
NOT_IN_METRIC = r"[^\w/.\- :]"  # what MLflow takes in no metric's name; channels may be called anything
REQUIREMENTS = ("torch", "numpy", "pandas", "pyarrow", "pydantic", "safetensors", "scipy")


@dataclass
class Known:
    """What MLflow has of a job, by arm."""

    steps: dict[str, set[int]] = field(default_factory=dict)
    figures: set[str] = field(default_factory=set)  # arms whose errors are there
    ended: set[str] = field(default_factory=set)

    def holds(self, report: Report) -> bool:
        arm = report["arm"]
        return arm in self.ended if report["kind"] == "arm" else report["step"] in self.steps.get(arm, ())


class Tracker:
    """Turns the reports of one job into MLflow runs. Every run of the job carries the tag ``dynst.job``."""

    def __init__(self, uri: str, artifact_root: str | None, job: JobSpec, store: SensorStore, job_id: str | None = None) -> None:
        self.uri, self._job, self._store = uri, job, store
        self.job_id = job_id or f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{token_hex(2)}"
        self.runs: dict[str, str] = {}
        self._rounds: dict[str, int] = {}
        self._seconds: dict[str, float] = {}  # of training, by run
        self._updates: list[dict[str, Any]] = []  # of the learned mask
        self._errors: list[dict[str, Any]] = []  # by step, of all forecasters that have ended
        self._known = Known()  # what an earlier process of this job has logged
        with as_tracking_error(uri):
            mlflow.set_tracking_uri(uri)
            self._client = MlflowClient(uri)
            self.experiment_id = self._experiment(artifact_root)

    def start(self, arm: str, kind: str) -> str:
        """Open the run of an arm, or return the one that is open."""
        if arm in self.runs:
            return self.runs[arm]
        with as_tracking_error(self.uri):
            run_id = self._create(arm, kind, {})
            params = [Param(key, str(value)) for key, value in _flatten(self._job.model_dump(mode="json")).items()]
            self._client.log_batch(run_id, params=[*params, Param("arm", arm)])
            self._client.log_text(run_id, dump_spec(self._job), "job.yaml")
        self.runs[arm] = run_id
        return run_id

    def start_trial(self, number: int, parent: str, params: dict[str, Any], job: dict[str, Any]) -> str:
        """A run of its own for a trial of a sweep, beneath the run ``parent``."""
        with as_tracking_error(self.uri):
            run_id = self._create(f"trial-{number}", "trial", {"mlflow.parentRunId": parent, "dynst.trial": str(number)})
            self._client.log_batch(run_id, params=[Param(key, str(value)) for key, value in params.items()])
            self._client.log_text(run_id, dump_document(job), "job.yaml")
        self.runs[f"trial-{number}"] = run_id
        return run_id

    def go_on(self, name: str, run_id: str) -> None:
        """Take up a run that an earlier process left, whatever state it is in."""
        self.runs[name] = run_id
        with as_tracking_error(self.uri):
            self._client.update_run(run_id, status="RUNNING")
            if "dynst.reason" in self._client.get_run(run_id).data.tags:
                self._client.delete_tag(run_id, "dynst.reason")

    def take_up(self) -> None:
        """Go on with the runs that an earlier process of this job opened, as far as they are not finished."""
        with as_tracking_error(self.uri):
            found = self._client.search_runs([self.experiment_id], f"tags.`dynst.job` = '{self.job_id}'")
            for run in found:
                arm, run_id = run.data.tags["dynst.arm"], str(run.info.run_id)
                history = self._client.get_metric_history(run_id, SERIES["val_mae"])
                self._known.steps[arm] = {metric.step for metric in history}
                if "test/mae_all" in run.data.metrics:
                    self._known.figures.add(arm)
                if run.info.status == "FINISHED":
                    self._known.ended.add(arm)
                    self.runs[arm] = run_id
                else:
                    self.go_on(arm, run_id)

    def log(self, run_id: str, figures: dict[str, float], step: int) -> None:
        with as_tracking_error(self.uri):
            self._client.log_batch(run_id, metrics=_metrics(figures, step))

    def log_active(self, run_id: str, name: str, active: Sequence[bool], importance: Sequence[float]) -> None:
        """Which sensors a trial keeps, as table and picture."""
        title = f"{name}: {sum(active)} of {len(active)} sensors on"
        with as_tracking_error(self.uri), self._folder(run_id) as folder:
            write_sensors(folder / "sensors", self._store, title, {"active": list(active), "importance": list(importance)})

    def log_model(self, run_id: str, folder: Path, step: int, metrics: dict[str, float]) -> None:
        with as_tracking_error(self.uri):
            self._log_model(run_id, folder, step, metrics)

    def end(self, run_id: str, status: str, reason: str = "") -> None:
        """End a run as FINISHED, FAILED or KILLED, with the reason as a tag."""
        with as_tracking_error(self.uri):
            if reason:
                self._client.set_tag(run_id, "dynst.reason", reason[:MAX_TAG])
            self._client.set_terminated(run_id, status)

    def on_report(self, report: Report) -> None:
        run_id = self.start(report["arm"], report["arm_kind"])
        if self._known.holds(report):
            self._recall(run_id, report)
            return
        with as_tracking_error(self.uri):
            if report["kind"] == "epoch":
                self._log_epoch(run_id, report)
            else:
                self._log_end(run_id, report)

    def finish_study(self, name: str, series: list[tuple[int, dict[str, float]]], folder: Path) -> None:
        """End the run of a study: figures at their steps, and everything in ``folder``."""
        run_id = self.runs[name]
        with as_tracking_error(self.uri):
            metrics = [metric for step, figures in series for metric in _metrics(figures, step)]
            for first in range(0, len(metrics), MAX_METRICS):
                self._client.log_batch(run_id, metrics=metrics[first : first + MAX_METRICS])
            self._client.log_artifacts(run_id, str(folder))
            self._client.set_terminated(run_id, "FINISHED")

    def close(self, status: str, reason: str = "") -> None:
        """End every run that is still open as FAILED or KILLED, with the reason as a tag."""
        with as_tracking_error(self.uri):
            for run_id in self.runs.values():
                if self._client.get_run(run_id).info.status == "RUNNING":
                    self.end(run_id, status, reason)

    def _create(self, arm: str, kind: str, tags: dict[str, str]) -> str:
        known = {
            "mlflow.runName": f"{arm}-{self.job_id[-4:]}",
            "mlflow.source.name": "dynst",
            "dynst.job": self.job_id,
            "dynst.arm": arm,
            "dynst.kind": kind,
            "dynst.version": dynst.__version__,
            "dynst.data_digest": self._store.manifest.digest,
            "dynst.data": self._store.manifest.name,
            "dynst.promotion": self._job.promotion.model_dump_json(),
        }
        run_id = str(self._client.create_run(self.experiment_id, tags=known | _git_tags() | tags).info.run_id)
        self._client.log_inputs(run_id, datasets=[_dataset(self._store)])
        return run_id

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
        self._seconds[run_id] = self._seconds.get(run_id, 0.0) + report["seconds"]
        self._client.log_batch(run_id, metrics=_metrics(figures, report["step"]) + self._mask_metrics(report))
        for update in report["updates"]:
            if update["pruned"]:
                self._log_mask(run_id, update)

    def _recall(self, run_id: str, report: Report) -> None:
        """Know what was reported before, without logging it again."""
        if report["kind"] == "arm":
            self._errors += report["errors"]
            return
        self._seconds[run_id] = self._seconds.get(run_id, 0.0) + report["seconds"]
        self._rounds[run_id] = self._rounds.get(run_id, 0) + sum(1 for update in report["updates"] if update["pruned"])
        if report["arm_kind"] == "learned":
            self._updates += report["updates"]

    def _mask_metrics(self, report: Report) -> list[Metric]:
        """How the learned mask moved at the report's updates."""
        new = report["updates"]
        if report["arm_kind"] != "learned" or not new:
            return []
        self._updates += new
        series = mask_series(self._updates)[-len(new) :]
        return [metric for update, figures in zip(new, series, strict=True) for metric in _metrics(figures, update["step"])]

    def _log_mask(self, run_id: str, update: dict[str, Any]) -> None:
        """The mask after a change of sparsity."""
        number = self._rounds[run_id] = self._rounds.get(run_id, 0) + 1
        on = sum(update["active"])
        title = f"Round {number}, step {update['step']}: {on} of {len(update['active'])} sensors on ({update['sparsity']:.0%} off)"
        with self._folder(run_id, "masks") as folder:
            columns = {key: update[key] for key in ("active", "importance")}
            write_sensors(folder / f"round_{number:02d}", self._store, title, columns)

    def _log_end(self, run_id: str, report: Report) -> None:
        efficiency = {f"efficiency/{key}": value for key, value in report.get("efficiency", {}).items()}
        efficiency["train/total_seconds"] = self._seconds.get(run_id, 0.0)
        active = np.array(report["active"])
        mask = {"mask/final_sparsity": 1 - active.mean(), "mask/cost": self._store.sensors.cost[active].sum()}
        errors = {re.sub(NOT_IN_METRIC, "_", key): value for key, value in report["metrics"].items()}
        errors["model/mae_all"] = errors["test/mae_all"]
        if report["arm"] not in self._known.figures:
            self._client.log_batch(run_id, metrics=_metrics(errors | efficiency | mask, report["step"]))
        title = f"{report['arm']}: {sum(report['active'])} of {len(report['active'])} sensors on"
        with self._folder(run_id) as folder:
            columns = {key: report[key] for key in ("active", "importance", "mae_by_sensor")}
            write_sensors(folder / "sensors", self._store, title, columns)
            if report["arm_kind"] == "learned" and self._updates:
                (folder / "masks").mkdir()
                write_history(folder / "masks", self._store.sensors, plain_history(self._updates), report["step"])
        self._log_errors(report)
        self._log_model(run_id, Path(report["artifact"]), report["step"], errors)
        self._client.set_terminated(run_id, "FINISHED")

    def _log_errors(self, report: Report) -> None:
        """The learned run's table of errors, written anew when a random arm joins it."""
        self._errors += report["errors"]
        if report["errors"]:
            with self._folder(self.runs["dynst"]) as folder:
                write_errors(folder, self._errors, target_units(self._job, self._store))

    @contextmanager
    def _folder(self, run_id: str, path: str | None = None) -> Iterator[Path]:
        """A folder to write into; what it holds at the end is uploaded at once."""
        with TemporaryDirectory() as folder:
            yield Path(folder)
            self._client.log_artifacts(run_id, folder, artifact_path=path)

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
            self._client.set_logged_model_tags(info.model_id, {"dynst.digest": artifact_digest(folder)})


def sweep_of_run(uri: str, run_id: str) -> tuple[str, str]:
    """Job id and experiment of a sweep's run.

    Raises:
        ConfigError: there is no such run, or it is of no sweep.
    """
    client = MlflowClient(uri)
    try:
        run = client.get_run(run_id)
        experiment = client.get_experiment(run.info.experiment_id).name
    except MlflowException as error:
        raise ConfigError(f"--resume must name an MLflow run of a sweep, but {uri} has no run '{run_id}'; see dynst ui") from error
    if run.data.tags.get("dynst.kind") != "sweep":
        raise ConfigError(f"--resume must name the run of a sweep, but run {run_id} is of kind '{run.data.tags.get('dynst.kind')}'")
    return run.data.tags["dynst.job"], str(experiment)


def _dataset(store: SensorStore) -> DatasetInput:
    """What MLflow shows as the run's data set; it keeps the beginning of the digest."""
    size = {"sensors": len(store.sensors), "steps": store.manifest.num_steps, "channels": len(store.channel_names)}
    facts = {"name": store.manifest.name, "digest": store.manifest.digest[:MAX_DIGEST], "source_type": "local"}
    return DatasetInput(Dataset(**facts, source=json.dumps({"uri": str(store.path)}), profile=json.dumps(size)))


def _metrics(figures: dict[str, float], step: int) -> list[Metric]:
    now = int(time.time() * 1000)
    return [Metric(key, float(value), now, step) for key, value in figures.items() if np.isfinite(value)]


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
def as_tracking_error(uri: str) -> Iterator[None]:
    try:
        yield
    except (MlflowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise TrackingError(f"the tracking store {uri} cannot be used ({reason}); check MLFLOW_TRACKING_URI") from error
