"""The use case behind ``dynst submit``: the same job file, on a cluster that runs elsewhere."""

import shlex
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from getpass import getuser
from pathlib import Path
from typing import Any

from dynst.data import auckland
from dynst.data.store import SensorStore
from dynst.errors import ConfigError
from dynst.storage.addresses import is_remote
from dynst.storage.scratch import scratch_folder
from dynst_platform import ENV_DEFAULTS
from dynst_platform.commands.submit.stored_runs import StoredRun
from dynst_platform.config.cluster_profile import Profile
from dynst_platform.config.files import value_at, with_overrides
from dynst_platform.config.job import JobSpec
from dynst_platform.config.job_id import fresh_job_id, run_name
from dynst_platform.config.stores import from_anywhere, store_for, sweep_store_for
from dynst_platform.config.submission_context import SubmissionContext
from dynst_platform.config.sweep import SweepSpec
from dynst_platform.errors import RunError
from dynst_platform.execution.job_package import JOB, make_package
from dynst_platform.execution.ray_jobs import Cluster, RemoteJob
from dynst_platform.execution.submission import environment_of, other_ray
from dynst_platform.execution.versions import installed, requirements
from dynst_platform.network_code.kept_code import CODE
from dynst_platform.tracking.shared_folder import SharedFolder

__all__ = [
    "SubmitOptions",
    "check_here",
    "on_cluster",
    "resume",
    "store_here",
    "submit",
]

ARMS = {"train": "dynst", "tune": "sweep"}  # whose MLflow run is the job's
STOPS = {
    "RAY_JOB_STOP_SIGNAL": "SIGINT",
    "RAY_JOB_STOP_WAIT_TIME_S": "60",
}  # as by Ctrl-C, with time to close MLflow's runs


@dataclass(frozen=True)
class SubmitOptions:
    """What flags ask of a submission.

    Args:
        variables: for every process of the job, and never shown.
        num_gpus: workers on a GPU each; by default what the job says.
        any_versions: whether the cluster's packages may be others than those here.
        install: whether Ray shall install those of this machine for the job.
        width: of the user's screen.
    """

    variables: Mapping[str, str]
    num_gpus: int | None = None
    any_versions: bool = False
    install: bool = False
    width: int = 80


def submit(
    cluster: Cluster, profile: Profile, spec: JobSpec | SweepSpec, wishes: SubmitOptions
) -> RemoteJob:
    """Send the job and everything that it needs but the data, and start it.

    Raises:
        ConfigError: the job cannot be sent as it is.
        RunError: the cluster has another Ray, or refuses.
    """
    kind, job_id = "train" if isinstance(spec, JobSpec) else "tune", fresh_job_id()
    identity = _Identity(f"{spec.name}-{job_id}", spec.name, kind, job_id)

    def fill(folder: Path, brought: SubmissionContext) -> None:
        make_package(folder, on_cluster(spec, wishes.num_gpus), brought)

    return _send(cluster, profile, identity, (JOB,), fill, wishes)


def resume(
    cluster: Cluster,
    profile: Profile,
    run: StoredRun,
    assignments: Sequence[str],
    wishes: SubmitOptions,
) -> RemoteJob:
    """Start a job that goes on with a run, of which this machine needs nothing.

    Args:
        assignments: where it is computed from now on.

    Raises:
        ConfigError: a sweep is to be changed.
        RunError: the cluster has another Ray, or refuses.
        StorageError: the run's own network cannot be read.
    """
    settings = [*assignments, *_on_gpus(wishes.num_gpus)]
    if settings and run.kind == "tune":
        raise ConfigError("a sweep goes on as it was started; leave --set and --num-gpus out")
    identity = _Identity(
        f"{run.name}-{run.job_id}-{run.lives + 1}", run.name, run.kind, run.job_id, resumes=True
    )

    def fill(folder: Path, brought: SubmissionContext) -> None:
        make_package(folder, None, brought)
        with scratch_folder() as place:
            SharedFolder(place, run.shared.address).fetch(place / CODE)
            if (place / CODE).is_dir():
                shutil.copytree(place / CODE, folder, dirs_exist_ok=True)

    sets = [word for setting in settings for word in ("--set", setting)]
    return _send(cluster, profile, identity, ("--resume", run.place, *sets), fill, wishes)


def _on_gpus(num_gpus: int | None) -> tuple[str, ...]:
    if num_gpus is None:
        return ()
    if num_gpus == 0:
        return ("cluster.use_gpu=false",)
    return ("cluster.use_gpu=true", f"cluster.num_workers={num_gpus}")


@dataclass(frozen=True)
class _Identity:
    """Of a job on the cluster; ``id`` is its own, ``job_id`` that of its run."""

    id: str
    name: str
    kind: str
    job_id: str
    resumes: bool = False

    @property
    def facts(self) -> dict[str, str]:
        run = run_name(ARMS[self.kind], self.job_id)
        known = {"name": self.name, "kind": self.kind, "run": run, "user": _user()}
        return known | ({"resumes": self.job_id} if self.resumes else {})


def _send(
    cluster: Cluster,
    profile: Profile,
    identity: _Identity,
    words: Sequence[str],
    fill: Callable[[Path, SubmissionContext], None],
    wishes: SubmitOptions,
) -> RemoteJob:
    """Start ``dynst KIND WORDS`` in the package that ``fill`` puts together."""
    sentence = None if wishes.any_versions else other_ray(cluster)
    if sentence is not None:
        raise RunError(sentence)
    brought = SubmissionContext(
        identity.job_id,
        environment_of(profile) | dict(wishes.variables),
        {} if wishes.any_versions else installed(),
    )
    with scratch_folder() as folder:
        fill(folder, brought)
        cluster.submit(
            identity.id,
            f"exec python -m dynst_platform.main {identity.kind} {shlex.join(words)}",
            folder,
            ENV_DEFAULTS | STOPS | {"COLUMNS": str(wishes.width)},
            identity.facts,
            requirements() if wishes.install else (),
        )
    return cluster.job(identity.id)


def on_cluster(spec: JobSpec | SweepSpec, num_gpus: int | None) -> JobSpec | SweepSpec:
    """The same job on the Ray that it will find itself in."""
    document = spec.model_dump(mode="json") if isinstance(spec, JobSpec) else spec.job
    changes: dict[str, Any] = {
        "cluster.address": "auto",
        "data.store": from_anywhere(str(value_at(document, "data.store"))),
    }
    if isinstance(spec, SweepSpec):
        if num_gpus:
            raise ConfigError(
                "--num-gpus is for trainings; of a sweep resources.gpu says what each trial gets, "
                "so set that"
            )
        alone = {"references.given": None}  # a trial has no use for it, and the file stays here
        return spec.model_copy(update={"job": with_overrides(document, changes | alone)})
    if num_gpus:
        changes |= {"cluster.use_gpu": True, "cluster.num_workers": num_gpus}
    elif spec.cluster.num_workers == 0:  # else the driver would train, wherever the cluster runs it
        changes |= {"cluster.num_workers": 1}
    if num_gpus == 0:
        changes |= {"cluster.use_gpu": False}
    return JobSpec.model_validate(with_overrides(document, changes))


def check_here(spec: JobSpec | SweepSpec) -> bool:
    """Hold the job against its data where they are on this machine too; says whether they are.

    Raises:
        DynstError: they do not fit each other.
    """
    name = _store_name(spec)
    if is_remote(name) or (name != auckland.NAME and not Path(name).expanduser().exists()):
        return False
    store_here(spec)
    return True


def store_here(spec: JobSpec | SweepSpec) -> SensorStore:
    """The job's data on this machine, fetched where they are behind an address.

    Raises:
        DynstError: there are none, or they do not fit the job.
    """
    return sweep_store_for(spec) if isinstance(spec, SweepSpec) else store_for(spec)


def _store_name(spec: JobSpec | SweepSpec) -> str:
    return str(value_at(spec.job, "data.store")) if isinstance(spec, SweepSpec) else spec.data.store


def _user() -> str:
    """Empty where the system knows no name for this process's user, as in many containers."""
    try:
        return getuser()
    except (KeyError, OSError):
        return ""
