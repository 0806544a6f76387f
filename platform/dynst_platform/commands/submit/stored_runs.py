"""A training or a sweep whose copy lies in the cluster's storage, from which a new job goes on."""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dynst.errors import ConfigError
from dynst.storage.addresses import without_credentials
from dynst_platform.commands.submit.finding import find_job
from dynst_platform.config.cluster_profile import Profile
from dynst_platform.errors import BusyError
from dynst_platform.execution.ray_jobs import RemoteJob
from dynst_platform.execution.submission import tracking_from_here
from dynst_platform.tracking.cursor import CURSOR
from dynst_platform.tracking.run_address import job_of_run
from dynst_platform.tracking.run_folder import FINISHED, SWEEP_FILE, SWEEP_PREFIX
from dynst_platform.tracking.shared_folder import SharedFolder

__all__ = ["StoredRun", "find_stored"]

MLFLOW_RUN = re.compile(r"[0-9a-f]{32}")
NAMED = re.compile(r"(?P<name>.+)[-/](sweep-)?(?P<job_id>\d{8}-\d{6}-[0-9a-f]{4})")
KINDS = {
    "train": ("dense", "learned", "random", "baseline"),
    "tune": ("sweep", "trial"),
}  # of MLflow runs
STATE = {"train": CURSOR, "tune": SWEEP_FILE}  # the last file without which nothing can go on


@dataclass(frozen=True)
class StoredRun:
    """``kind`` is the command that goes on with it: train or tune."""

    name: str
    kind: str
    job_id: str
    lives: int  # jobs on the cluster that have worked on it
    shared: SharedFolder

    @property
    def place(self) -> str:
        """In the home folder and in the storage."""
        return self.shared.folder.as_posix()


def find_stored(word: str, jobs: Sequence[RemoteJob], profile: Profile) -> StoredRun:
    """A run that can go on.

    Args:
        word: a job of the cluster as ``find_job`` takes it, its id where the cluster has forgotten
            it, or the MLflow run of a sweep, a trial or any arm.
        jobs: of the cluster, the newest first.

    Raises:
        ConfigError: no storage is known, there is no such run, or it is finished.
        BusyError: a job of the cluster works on it.
        StorageError, TrackingError: the storage or MLflow cannot be asked.
    """
    if profile.storage is None:
        raise ConfigError(
            "--resume goes on from a copy of the run, but no storage is known; name the one that "
            "the run was submitted with, by --storage, DYNST_STORAGE or in the profile"
        )
    name, kinds, job_id = _identified(word, jobs, profile)
    of_run = [job for job in jobs if (job.name, job.job_id) == (name, job_id)]
    for job in of_run:
        if not job.over:
            raise BusyError(
                f"the run is still at work in job {job.id}; follow it with dynst jobs logs "
                f"{job.id}, or end it with dynst jobs stop {job.id}"
            )
    for kind in kinds:
        shared = _place(profile.storage, name, kind, job_id)
        if shared.exists(shared.folder / STATE[kind]):
            _refuse_finished(shared)
            return StoredRun(name, kind, job_id, len(of_run), shared)
    raise ConfigError(
        f"{without_credentials(profile.storage)} has no copy of {name}-{job_id}, because it was "
        f"begun without that storage or ended before it began; go on with its folder on a node "
        f"(dynst train --resume), or submit it anew"
    )


def _identified(
    word: str, jobs: Sequence[RemoteJob], profile: Profile
) -> tuple[str, tuple[str, ...], str]:
    """Name, commands that may go on with it, and job id."""
    with suppress(ConfigError):
        job = find_job(list(jobs), word)
        return job.name, (job.kind,), job.job_id
    named = NAMED.fullmatch(word)
    if named is not None:
        return named["name"], tuple(STATE), named["job_id"]
    if MLFLOW_RUN.fullmatch(word) is None:
        raise ConfigError(
            f"--resume must name a job or an MLflow run, but '{word}' is neither; see dynst jobs "
            f"list"
        )
    return _of_mlflow(word, tracking_from_here(profile))


def _of_mlflow(run_id: str, uri: str | None) -> tuple[str, tuple[str, ...], str]:
    if uri is None:
        raise ConfigError(
            "--resume names an MLflow run, but no MLflow is known here; set MLFLOW_TRACKING_URI, "
            "or name the job"
        )
    experiment, kind, job_id = job_of_run(uri, run_id)
    commands = tuple(command for command, kinds in KINDS.items() if kind in kinds)
    if not commands:
        raise ConfigError(
            f"--resume must name a run of a training or a sweep, but run {run_id} is of kind "
            f"'{kind}'; start its command again, which keeps what was finished"
        )
    return experiment, commands, job_id


def _place(storage: str, name: str, kind: str, job_id: str) -> SharedFolder:
    folder = Path(name) / (job_id if kind == "train" else f"{SWEEP_PREFIX}{job_id}")
    return SharedFolder(folder, f"{storage.rstrip('/')}/{folder.as_posix()}")


def _refuse_finished(shared: SharedFolder) -> None:
    if shared.exists(shared.folder / FINISHED):
        raise ConfigError(
            f"--resume must name a run that was interrupted, but {shared.folder} is finished; see "
            f"dynst ui, and dynst sync where MLflow lacks some of it"
        )
