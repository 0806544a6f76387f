"""Where a job's workers run: under Ray Train, or in the calling process.

Reports become lines of a file either way.
"""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

import ray

from dynst_platform.config.job import JobSpec
from dynst_platform.errors import StorageError
from dynst_platform.execution.computing import computing_here
from dynst_platform.execution.gpus import workers_on_gpus
from dynst_platform.execution.local_ray import check_cpus, local_ray
from dynst_platform.execution.ray_head import cpus_here
from dynst_platform.execution.train_worker import train_on_worker
from dynst_platform.execution.worker import run_job
from dynst_platform.execution.worker_group import GroupShape, run_on_workers
from dynst_platform.log import LOGS
from dynst_platform.reports import Report
from dynst_platform.tracking.line_file import followed
from dynst_platform.tracking.report_file import REPORTS, ReportReader, append_report
from dynst_platform.tracking.shared_folder import SharedFolder, shared_folder

__all__ = ["OnReport", "launch", "usable_workers"]

OnReport = Callable[[Report], None]
logger = logging.getLogger(__name__)
START_FAILURES = 5  # while Ray still counts on a node that is gone


def usable_workers(job: JobSpec) -> int:
    """At most: no more workers than this process may use cores for.

    The result does not depend on their number beyond float tolerance.

    A cluster that runs already has its own machines.

    Raises:
        RunError: a worker asks for more of them than there are.
    """
    most = job.cluster.most_workers
    if job.cluster.address or most == 0:
        return most
    check_cpus(job.cluster.cpus_per_worker)
    return min(most, cpus_here() // job.cluster.cpus_per_worker)


def launch(job: JobSpec, store_path: Path, folder: Path, on_report: OnReport) -> None:
    """Run the job, or what is left of it, and pass every report of it to ``on_report``.

    Reports of earlier processes come first. Returns when the last one has been delivered. A worker
    or node that is lost is replaced, and the training goes on from its last checkpoint. No report
    is delivered twice.

    Raises:
        RunError: the training failed, or more workers were lost than ``cluster.max_failures``.
    """
    if job.cluster.num_workers == 0:
        _run_here(job, store_path, folder, on_report)
    else:
        _run_on_ray(job, store_path, folder, on_report)


def _run_here(job: JobSpec, store_path: Path, folder: Path, on_report: OnReport) -> None:
    reports, shared = folder / REPORTS, shared_folder(folder)
    with followed(ReportReader(reports), on_report), computing_here(job.cluster.use_gpu):
        run_job(
            job,
            store_path,
            folder,
            lambda report: append_report(reports, report, shared),
            shared,
        )


def _run_on_ray(job: JobSpec, store_path: Path, folder: Path, on_report: OnReport) -> None:
    with local_ray(address=job.cluster.address):
        shape = _group_of(job)
        shared = shared_folder(folder)
        work = partial(train_on_worker, job, store_path, shared)
        try:
            run_on_workers(work, shape, ReportReader(folder / REPORTS), on_report, shared)
        finally:
            _fetch_logs(shared)


def _group_of(job: JobSpec) -> GroupShape:
    """For the Ray that this process is attached to.

    A group that may grow asks for as many GPUs as there will ever be.
    """
    cluster = job.cluster
    found = int(ray.cluster_resources().get("GPU", 0))
    room, gpu = workers_on_gpus(
        usable_workers(job), cluster.use_gpu, found, grows=cluster.address is not None
    )
    elastic = cluster.address is not None and cluster.fewest_workers < cluster.most_workers
    workers = cluster.most_workers if elastic else room
    return GroupShape(
        workers,
        cpu=cluster.cpus_per_worker,
        gpu=gpu,
        start_failures=START_FAILURES,
        max_failures=cluster.max_failures,
        spread=cluster.address is not None,
        fewest=min(cluster.fewest_workers, room) if elastic else workers,
        alone=cluster.address is None,
    )


def _fetch_logs(shared: SharedFolder) -> None:
    """Those of workers on other nodes, which MLflow gets too."""
    try:
        shared.fetch_all(LOGS)
    except StorageError as error:
        logger.warning("the workers' logs were not fetched: %s", error)
