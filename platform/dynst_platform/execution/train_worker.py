"""What each worker of a job does under Ray Train.

Its process imports this module, and so no more than a training needs: no MLflow.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import ray.train

from dynst_platform.config.job import JobSpec
from dynst_platform.errors import StorageError
from dynst_platform.execution.computing import computing_as_given
from dynst_platform.execution.failure_file import record_failure
from dynst_platform.execution.worker import run_job
from dynst_platform.log import LOGS, log_of_run
from dynst_platform.network_code.kept_code import CODE, import_kept_code
from dynst_platform.tracking.shared_folder import SharedFolder

__all__ = ["train_on_worker"]


def train_on_worker(job: JobSpec, store_path: Path, shared: SharedFolder) -> None:
    """Run the job, or what is left of it, as one worker of a group under Ray Train.

    What it raises of itself is left in the run's folder, as is its log.
    """
    name, folder = f"worker-{ray.train.get_context().get_world_rank()}", shared.folder
    folder.mkdir(parents=True, exist_ok=True)  # on this node
    with (
        _kept_log(shared, name),
        log_of_run(folder, name),
        record_failure(folder, shared),
        computing_as_given(),
    ):
        shared.fetch(folder / CODE)
        import_kept_code(folder)
        if job.references.given is not None:
            shared.fetch(Path(job.references.given))
        run_job(
            job,
            store_path,
            folder,
            lambda report: ray.train.report(report.model_dump()),
            shared,
        )


@contextmanager
def _kept_log(shared: SharedFolder, name: str) -> Iterator[None]:
    """Copies the log of the block where the driver sees it."""
    try:
        yield
    finally:
        path = shared.folder / LOGS / f"{name}.log"
        if path.exists():
            with suppress(StorageError):
                shared.put(path)
