"""MLflow: runs that are opened, taken up again, given figures and models, and ended."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from mlflow.entities import (
    Dataset,
    DatasetInput,
    LoggedModelOutput,
    Metric,
    Param,
    ViewType,
)

import dynst
from dynst.data.store import SensorStore
from dynst.errors import ConfigError
from dynst.models.artifact import backbone_of
from dynst.notices import notice
from dynst.storage.scratch import scratch_folder
from dynst_platform.config.files import dump_document, dump_spec
from dynst_platform.config.job import JobSpec
from dynst_platform.config.job_id import new_job_id, run_name
from dynst_platform.config.values import Document, Overrides
from dynst_platform.network_code.selection import NetworkCode, code_of
from dynst_platform.text import printable
from dynst_platform.tracking.artifact_files import write_sensors
from dynst_platform.tracking.clients import client_of
from dynst_platform.tracking.cursor import DECISIONS_TAG
from dynst_platform.tracking.experiments import experiment_for
from dynst_platform.tracking.job_params import flat
from dynst_platform.tracking.lacking import active_run
from dynst_platform.tracking.mlflow_texts import MAX_TAG, dataset_name, keys_for, runs_tagged
from dynst_platform.tracking.model_files import JOB
from dynst_platform.tracking.model_log import log_model
from dynst_platform.tracking.reaching import as_tracking_error
from dynst_platform.tracking.report_file import now_ms
from dynst_platform.tracking.run_ends import end_open_runs, end_run
from dynst_platform.tracking.whole_model import is_whole, logged_models, whole_among

__all__ = ["Tracker", "metrics_at", "origin_tags"]

MAX_METRICS = 1000  # in one call
MAX_DIGEST = 36  # of a data set in MLflow


class Tracker:
    """The MLflow runs of one job. Every run carries the tag ``dynst.job``.

    Args:
        origin: tags that say where the job was started, by default where this process was.
    """

    def __init__(
        self,
        uri: str,
        artifact_root: str | None,
        job: JobSpec,
        store: SensorStore,
        job_id: str | None = None,
        origin: dict[str, str] | None = None,
    ) -> None:
        self.uri, self._job, self._store = uri, job, store
        self.job_id = job_id or new_job_id()
        self.runs: dict[str, str] = {}
        self.closed = False  # whether every run that was open has been ended
        self._origin = origin_tags() if origin is None else origin
        self._maybe_duplicate = False  # whether what is about to be written may be there already
        self._codes: dict[str, NetworkCode | None] = {}
        self._network_code(job.model.backbone.name)
        with as_tracking_error(uri):
            self._client = client_of(uri)
            self.experiment_id = experiment_for(self._client, job.name, artifact_root)

    def _network_code(self, backbone: str) -> NetworkCode | None:
        """Read once, so that what is logged is what stood there when the training began."""
        if backbone not in self._codes:
            self._codes[backbone] = code_of(backbone)
        return self._codes[backbone]

    def start(self, arm: str, kind: str, began: int | None = None) -> str:
        """Open the run of an arm, or return the one that is open.

        ``began`` is in ms since 1970, by default now.
        """
        if arm in self.runs:
            return self.runs[arm]
        with as_tracking_error(self.uri):
            run_id = self._create(arm, kind, {}, began)
            settings = flat(self._job.model_dump(mode="json"))
            self._log_params(run_id, {**settings, "arm": arm})
            self._client.log_text(run_id, dump_spec(self._job), JOB)
        self.runs[arm] = run_id
        return run_id

    def start_trial(self, number: int, parent: str, params: Overrides, job: Document) -> str:
        """A run of its own for a trial of a sweep, beneath the run ``parent``.

        The one that an earlier process opened and did not live to note is taken up.
        """
        with as_tracking_error(self.uri):
            run_id = self._create(
                f"trial-{number}",
                "trial",
                {"mlflow.parentRunId": parent, "dynst.trial": str(number)},
            )
            self._log_params(run_id, params)
            self._client.log_text(run_id, dump_document(job), JOB)
        self.runs[f"trial-{number}"] = run_id
        return run_id

    def resume_run(self, name: str, kind: str) -> None:
        """Go on with the run of a study, or with another one where that was deleted."""
        self._maybe_duplicate = True
        with as_tracking_error(self.uri):
            left = self._left(name)
        if left is None or not self.go_on(name, left):
            notice(f"MLflow has no run of {name} of job {self.job_id} any more; it gets another")
            self.start(name, kind)

    def go_on(self, name: str, run_id: str) -> bool:
        """Take up a run that an earlier process left, whatever state it is in.

        From now on what is begun may be there already. False where the run was deleted.
        """
        self._maybe_duplicate = True
        with as_tracking_error(self.uri):
            run = active_run(self._client, run_id)
            if run is None:
                notice(f"run {run_id} of {name} was deleted in MLflow; another run takes its place")
                return False
            self._client.update_run(run_id, status="RUNNING")
            if "dynst.reason" in run.data.tags:
                self._client.delete_tag(run_id, "dynst.reason")
        self.runs[name] = run_id
        return True

    def check_store(self) -> None:
        """Raises ConfigError where the job was started on other data, costs, groups or marks."""
        with as_tracking_error(self.uri):
            known = runs_tagged(
                self._client, self.experiment_id, {"dynst.job": self.job_id}, ViewType.ALL
            )
            run = next(known, None)
        if run is None:  # of the job nothing is left in MLflow
            return
        tags, decisions = run.data.tags, run.data.tags.get(DECISIONS_TAG, "")
        same = decisions in ("", self._store.decisions_digest)
        if not same or not self._store.has_content(tags["dynst.data_digest"]):
            raise ConfigError(
                f"run {run.info.run_id} must go on with the data, costs, groups and marks that it "
                f"was started with, but {self._store.path} has others now; put them back, or start "
                f"anew"
            )

    def doubt(self) -> None:
        """From now on what is begun may be there already, since a reply was lost."""
        self._maybe_duplicate = True

    def send(self, run_id: str, metrics: list[Metric], maybe_there: bool | None = None) -> None:
        """Add figures to a run; only what it lacks, where some of them may be there.

        They may be wherever a reply was lost, unless ``maybe_there`` says otherwise.
        """
        with as_tracking_error(self.uri):
            doubted = self._maybe_duplicate if maybe_there is None else maybe_there
            lacking = self._lacking(run_id, metrics) if doubted else metrics
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

    def log_active(
        self, run_id: str, name: str, active: Sequence[bool], importance: Sequence[float]
    ) -> None:
        """Which sensors a trial keeps, as table and figure."""
        title = f"{name}: {sum(active)} of {len(active)} sensors on"
        with as_tracking_error(self.uri), self._folder(run_id) as folder:
            write_sensors(
                folder / "sensors",
                self._store,
                title,
                {"active": list(active), "importance": list(importance)},
            )

    def log_model(
        self, run_id: str, folder: Path, step: int, metrics: dict[str, float], job: Document
    ) -> None:
        """Log the model in ``folder`` with the figures and the job of its training, once.

        Where the run was deleted, that is said and nothing is logged.
        """
        with as_tracking_error(self.uri):
            if active_run(self._client, run_id) is None:
                notice(
                    f"the model in {folder} is not in MLflow: its run {run_id} was deleted there"
                )
                return
            self._log_model(run_id, folder, step, metrics_at(step, metrics), dump_document(job))

    def end(self, run_id: str, status: str, reason: str = "", at: int | None = None) -> None:
        """End a run as FINISHED, FAILED or KILLED, with the reason as a tag.

        ``at`` is in ms since 1970, by default now.
        """
        with as_tracking_error(self.uri):
            end_run(self._client, run_id, status, reason, at)

    def finish_study(
        self, name: str, series: list[tuple[int, dict[str, float]]], folder: Path
    ) -> None:
        """End the run of a study: figures at their steps, and everything in ``folder``."""
        run_id = self.runs[name]
        with as_tracking_error(self.uri):
            metrics = [metric for step, figures in series for metric in metrics_at(step, figures)]
            self.send(run_id, metrics)
            self._client.log_artifacts(run_id, str(folder))
            self._client.set_terminated(run_id, "FINISHED")

    def close(self, status: str, reason: str = "", at: int | None = None) -> None:
        """End every run of the job that is still open as FAILED or KILLED, with the reason as a
        tag, also one that was opened and could not be noted.
        """
        with as_tracking_error(self.uri):
            end_open_runs(self._client, self.experiment_id, self.job_id, status, reason, at)
        self.closed = True

    def keep_logs(self, folder: Path) -> None:
        """Beside the first run that was opened: the one of a learned mask, a sweep or a study."""
        if folder.is_dir() and self.runs:
            with as_tracking_error(self.uri):
                run_id = next(iter(self.runs.values()))
                self._client.log_artifacts(run_id, str(folder), artifact_path=folder.name)

    def _create(self, arm: str, kind: str, tags: dict[str, str], began: int | None = None) -> str:
        known = {
            "mlflow.runName": run_name(arm, self.job_id),
            "mlflow.source.name": "dynst",
            "dynst.job": self.job_id,
            "dynst.arm": arm,
            "dynst.kind": kind,
            "dynst.data_digest": self._store.manifest.digest,
            DECISIONS_TAG: self._store.decisions_digest,
            "dynst.data": printable(self._store.manifest.name, MAX_TAG),
            "dynst.promotion": self._job.promotion.model_dump_json(),
        }
        run_id = self._left(arm) if self._maybe_duplicate else None
        if run_id is None:
            run = self._client.create_run(
                self.experiment_id, start_time=began, tags=known | self._origin | tags
            )
            run_id = str(run.info.run_id)
        self._client.log_inputs(run_id, datasets=[_dataset(self._store)])
        return run_id

    def _log_params(self, run_id: str, params: Overrides) -> None:
        """What the run lacks: MLflow refuses other values, and an earlier DynST had other names."""
        known = self._client.get_run(run_id).data.params if self._maybe_duplicate else {}
        keys = keys_for(params)
        lacking = [
            Param(keys[name], str(value))
            for name, value in params.items()
            if keys[name] not in known
        ]
        self._client.log_batch(run_id, params=lacking)

    def _left(self, arm: str) -> str | None:
        """The arm's run that was opened, although no reply arrived."""
        wanted = {"dynst.job": self.job_id, "dynst.arm": arm}
        found = next(runs_tagged(self._client, self.experiment_id, wanted), None)
        return None if found is None else str(found.info.run_id)

    @contextmanager
    def _folder(self, run_id: str, path: str | None = None) -> Iterator[Path]:
        """A folder to write into; what it holds at the end is uploaded at once."""
        with scratch_folder() as folder:
            yield Path(folder)
            self._client.log_artifacts(run_id, folder, artifact_path=path)

    def _log_model(
        self, run_id: str, folder: Path, step: int, metrics: Sequence[Metric], job: str
    ) -> None:
        """Once for each run, whatever became of earlier attempts: those that were not ended are
        deleted, and the run is linked to its model when that is whole.
        """
        if not folder.is_dir():
            raise ConfigError(
                f"the model of run {run_id} must be in {folder}, but that folder is not there; "
                f"put it back"
            )
        run = self._client.get_run(run_id)
        model_id = self._left_model(run_id)
        if model_id is None:
            code = self._network_code(backbone_of(folder))
            model_id = log_model(self._client, run, self._store, folder, code, job)
        if model_id not in {output.model_id for output in run.outputs.model_outputs}:
            self._client.log_outputs(run_id, [LoggedModelOutput(model_id, step)])
        of_model = [
            Metric(metric.key, metric.value, metric.timestamp, metric.step, model_id)
            for metric in metrics
        ]
        self._client.log_batch(run_id, metrics=of_model)

    def _left_model(self, run_id: str) -> str | None:
        """The run's whole model, if it has one; those that were begun and not ended are deleted."""
        models = list(logged_models(self._client, [self.experiment_id], run_id))
        for model in models:
            if not is_whole(model):
                self._client.delete_logged_model(model.model_id)
        whole = whole_among(models)
        return None if whole is None else str(whole.model_id)


def _dataset(store: SensorStore) -> DatasetInput:
    """What MLflow shows as the run's data set; it keeps the beginning of the digest."""
    size = {
        "sensors": len(store.sensors),
        "steps": store.manifest.num_steps,
        "channels": len(store.channel_names),
    }
    facts = {
        "name": dataset_name(store.manifest.name),
        "digest": store.manifest.digest[:MAX_DIGEST],
        "source_type": "local",
    }
    return DatasetInput(
        Dataset(**facts, source=json.dumps({"uri": str(store.path)}), profile=json.dumps(size))
    )


def metrics_at(step: int, figures: dict[str, float], at: int | None = None) -> list[Metric]:
    """Those of the figures that are finite, by keys that MLflow takes; ``at`` is in ms since 1970,
    by default now.
    """
    time = now_ms() if at is None else at
    keys = keys_for(figures)
    return [
        Metric(keys[name], float(value), time, step)
        for name, value in figures.items()
        if np.isfinite(value)
    ]


def origin_tags() -> dict[str, str]:
    """The version of the method, and the commit of the folder that the job was started in, where it
    is a git checkout.
    """
    version_tag = {"dynst.version": dynst.__version__}
    try:
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True, timeout=5
        )
    except (OSError, subprocess.SubprocessError):
        return version_tag
    return version_tag | {"mlflow.source.git.commit": head.stdout.strip()}
