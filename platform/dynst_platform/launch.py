"""Where a job's workers run: under Ray Train, or in the calling process. Reports become lines of a file either way."""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray.train
import torch

from dynst_platform.local_ray import local_ray
from dynst_platform.report_file import REPORTS, append_report, followed
from dynst_platform.spec import JobSpec
from dynst_platform.worker import Report, run_job
from dynst_platform.worker_group import GroupShape, run_on_workers

__all__ = ["OnReport", "launch", "usable_workers"]

OnReport = Callable[[Report], None]  # a report that ends an arm carries "artifact", the folder of its model


def usable_workers(job: JobSpec) -> int:
    """No more workers than this machine has cores; the result does not depend on their number beyond float tolerance."""
    return min(job.cluster.num_workers, os.cpu_count() or 1)


def launch(job: JobSpec, store_path: Path, folder: Path, on_report: OnReport) -> None:
    """Run the job and hand every report to ``on_report``, on another thread; returns when the last one has been handed over.

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
        append_report(folder / REPORTS, report)

    with followed(folder / REPORTS, on_report):
        run_job(job, store_path, sink)


def _run_on_ray(job: JobSpec, store_path: Path, folder: Path, on_report: OnReport) -> None:
    config = {"job": job.model_dump(mode="json"), "store": str(store_path)}
    interrupt = signal.getsignal(signal.SIGINT)  # Ray Train replaces it
    with local_ray():
        try:
            run_on_workers(_train_on_worker, config, GroupShape(usable_workers(job)), folder, on_report)
        except SystemExit as stopped:  # what Ray Train makes of Ctrl-C, after it has stopped the workers
            raise KeyboardInterrupt from stopped
        finally:
            signal.signal(signal.SIGINT, interrupt)


def _train_on_worker(config: dict[str, Any]) -> None:
    torch.set_num_threads(1)
    run_job(JobSpec.model_validate(config["job"]), Path(config["store"]), _report_to_ray)


def _report_to_ray(report: Report, model: Path | None) -> None:
    checkpoint = None if model is None else ray.train.Checkpoint.from_directory(model)
    ray.train.report(report, checkpoint=checkpoint)
