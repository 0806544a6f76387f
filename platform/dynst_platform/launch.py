"""Where a job's workers run: under Ray Train, or in the calling process. Reports reach the driver in order either way."""

import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import Any

import ray
import ray.train
import ray.train.torch
import torch

from dynst_platform.errors import RunError
from dynst_platform.local_ray import local_ray
from dynst_platform.spec import JobSpec
from dynst_platform.worker import Report, run_job

__all__ = ["OnReport", "launch", "usable_workers"]

OnReport = Callable[[Report], None]  # a report that ends an arm carries "artifact", the folder of its model
POLL_SECONDS = 0.2


def usable_workers(job: JobSpec) -> int:
    """No more workers than this machine has cores; the result does not depend on their number beyond float tolerance."""
    return min(job.cluster.num_workers, os.cpu_count() or 1)


def launch(job: JobSpec, store_path: Path, folder: Path, on_report: OnReport) -> None:
    """Run the job and hand every report to ``on_report``; returns when the last one has been handed over.

    Raises:
        RunError: a worker failed.
    """
    if job.cluster.num_workers == 0:
        _run_here(job, store_path, folder, on_report)
    else:
        _run_on_ray(job, store_path, folder, on_report)


def _run_here(job: JobSpec, store_path: Path, folder: Path, on_report: OnReport) -> None:
    def sink(report: Report, model: Path | None) -> None:
        if model is not None:
            report = report | {"artifact": str(shutil.copytree(model, folder / "models" / report["arm"]))}
        on_report(report)

    run_job(job, store_path, sink)


def _run_on_ray(job: JobSpec, store_path: Path, folder: Path, on_report: OnReport) -> None:
    reports = folder / "reports.jsonl"
    reports.touch()
    follower = _Follower(reports, on_report)
    interrupt = signal.getsignal(signal.SIGINT)  # Ray Train replaces it
    with local_ray():
        try:
            follower.start()
            _fit(job, store_path, folder, reports)
        except ray.train.v2.api.exceptions.TrainingFailedError as error:
            raise RunError(f"the training failed: {_root_cause(error)}") from error
        except ray.exceptions.RayActorError as error:
            raise RunError("the training failed: Ray Train's controller died; start the job again") from error
        except SystemExit as stopped:  # what Ray Train makes of Ctrl-C, after it has stopped the workers
            raise KeyboardInterrupt from stopped
        finally:
            signal.signal(signal.SIGINT, interrupt)
            follower.finish()
    follower.raise_failure()


def _fit(job: JobSpec, store_path: Path, folder: Path, reports: Path) -> None:
    trainer = ray.train.torch.TorchTrainer(
        _train_on_worker,
        train_loop_config={"job": job.model_dump(mode="json"), "store": str(store_path)},
        scaling_config=ray.train.ScalingConfig(num_workers=usable_workers(job)),
        run_config=ray.train.RunConfig(
            name="train",
            storage_path=str(folder),
            callbacks=[_ReportFile(reports)],
            failure_config=ray.train.FailureConfig(max_failures=0, controller_failure_limit=0),
            logging_config=ray.train.LoggingConfig(log_level="ERROR"),
        ),
    )
    trainer.fit()


def _train_on_worker(config: dict[str, Any]) -> None:
    torch.set_num_threads(1)
    run_job(JobSpec.model_validate(config["job"]), Path(config["store"]), _report_to_ray)


def _report_to_ray(report: Report, model: Path | None) -> None:
    checkpoint = None if model is None else ray.train.Checkpoint.from_directory(model)
    ray.train.report(report, checkpoint=checkpoint)


class _ReportFile(ray.train.UserCallback):  # type: ignore[misc]
    """Runs in Ray Train's controller process and leaves each report of rank 0 as a line in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def after_report(self, run_context: Any, metrics: list[Report], checkpoint: Any) -> None:
        report = metrics[0] if checkpoint is None else metrics[0] | {"artifact": checkpoint.path}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(report) + "\n")


class _Follower(Thread):
    """Reads the report file in the driver while ``fit`` holds the main thread."""

    def __init__(self, path: Path, on_report: OnReport) -> None:
        super().__init__(name="reports", daemon=True)
        self._path, self._on_report = path, on_report
        self._done = Event()
        self._failure: Exception | None = None
        self._tail = ""

    def run(self) -> None:
        with self._path.open(encoding="utf-8") as file:
            while True:
                last_round = self._done.is_set()
                try:
                    self._hand_over(file.read())
                except Exception as error:
                    self._failure = error
                    return
                if last_round:
                    return
                time.sleep(POLL_SECONDS)

    def finish(self) -> None:
        self._done.set()
        if self.is_alive():
            self.join()

    def raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _hand_over(self, text: str) -> None:
        """Whole lines only; the last one may still be being written."""
        *lines, self._tail = (self._tail + text).split("\n")
        for line in lines:
            self._on_report(json.loads(line))


def _root_cause(error: BaseException) -> str:
    """The last line of what a worker raised, without Ray's frames around it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
