"""The folder of a run, and what ``--resume`` needs to go on with it."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dynst.data.store import SensorStore
from dynst.errors import ConfigError
from dynst.storage.addresses import without_credentials
from dynst.storage.files import replace_text
from dynst.training.checkpoint_format import differences
from dynst_platform.config.files import dump_spec, load_job
from dynst_platform.config.job import JobSpec
from dynst_platform.config.locations import home, storage, tracking_uri
from dynst_platform.config.moved import present_store
from dynst_platform.config.stores import from_anywhere
from dynst_platform.errors import NotFoundError
from dynst_platform.log import quiet_libraries
from dynst_platform.network_code.kept_code import CODE, import_kept_code
from dynst_platform.network_code.selection import code_of
from dynst_platform.tracking.cursor import DECISIONS_TAG, Cursor
from dynst_platform.tracking.lacking import way_to_send
from dynst_platform.tracking.run_address import known_run
from dynst_platform.tracking.shared_folder import fetched_run, named_folder, shared_folder

__all__ = [
    "CHOICE_FILE",
    "FINISHED",
    "JOB_FILE",
    "SWEEP_FILE",
    "SWEEP_PREFIX",
    "fill_folder",
    "find_run",
    "keep_code",
    "kept_in_storage",
    "mark_finished",
    "mark_unfinished",
    "note_store",
    "recorded_job",
    "resumed_cursor",
    "resumed_job",
]

JOB_FILE, CHOICE_FILE, FINISHED = "job.yaml", "choice.csv", "finished"
SWEEP_FILE, SWEEP_PREFIX = "sweep.yaml", "sweep-"  # of a sweep, beside the runs
CHECKPOINTS = ".checkpoints"  # of all runs, in DYNST_STORAGE
WHERE_IT_RUNS = {
    "num_workers",
    "address",
    "use_gpu",
    "max_failures",
    "keep_checkpoints",
}  # of the job's cluster


def kept_in_storage(job: JobSpec) -> JobSpec:
    """The job with its checkpoints in ``DYNST_STORAGE``, unless it says where they go."""
    root = storage()
    if root is None or job.cluster.checkpoints is not None:
        return job
    return _with(job, "cluster", checkpoints=f"{root}/{CHECKPOINTS}")


def fill_folder(folder: Path, job: JobSpec) -> JobSpec:
    """The job as it is run: a user's own choice of sensors is kept in the run's folder.

    The job file in it names its store wherever it is read from, and the choice from the folder.

    Raises:
        StorageError: its copy cannot be written.
    """
    if job.references.given is not None:
        shutil.copy(job.references.given, folder / CHOICE_FILE)
        shared_folder(folder).put(folder / CHOICE_FILE)
    job = _with_kept_choice(folder, job)
    _write_job(folder, job)
    return job


def _write_job(folder: Path, job: JobSpec) -> None:
    written = _with(job, "data", store=from_anywhere(job.data.store))
    replace_text(folder / JOB_FILE, dump_spec(written))
    shared_folder(folder).put(folder / JOB_FILE)


def _with_kept_choice(folder: Path, job: JobSpec) -> JobSpec:
    """With the choice of sensors that the run's folder holds, wherever that lies now."""
    if not (folder / CHOICE_FILE).is_file():
        return job
    return _with(job, "references", given=str(folder / CHOICE_FILE))


def recorded_job(folder: Path, assignments: Sequence[str] = ()) -> JobSpec:
    """The job of a run's folder, with its store and choice where they lie now: folder and home may
    have been moved.

    Raises:
        ConfigError: the job file cannot be read, or an assignment does not fit it.
    """
    job = load_job(folder / JOB_FILE, assignments, recorded=True)
    return _with_kept_choice(folder, _with(job, "data", store=present_store(job.data.store)))


def _with(job: JobSpec, part: str, **settings: str) -> JobSpec:
    return job.model_copy(update={part: getattr(job, part).model_copy(update=settings)})


def keep_code(folder: Path, job: JobSpec) -> None:
    """Keep the code of the user's own network as it is trained, for a later ``dynst sync``.

    Raises:
        ConfigError: it is too much, or its ignore file cannot be read.
    """
    code = code_of(job.model.backbone.name)
    if code is not None:
        shutil.rmtree(folder / CODE, ignore_errors=True)  # of the process that this one resumes
        (folder / CODE).mkdir()
        code.write(folder / CODE)
        shared_folder(folder).put(folder / CODE)


def mark_finished(folder: Path) -> None:
    (folder / FINISHED).touch()
    shared_folder(folder).put(folder / FINISHED)


def mark_unfinished(folder: Path) -> None:
    """Of a sweep that is extended."""
    (folder / FINISHED).unlink(missing_ok=True)
    shared_folder(folder).remove(folder / FINISHED)


def find_run(name: str) -> Path:
    """The folder of a training, from its path, from its place in the home folder (as
    ``EXPERIMENT/FOLDER``), or from the MLflow run of any of its arms.

    One that is not here is fetched from ``DYNST_STORAGE``.

    Raises:
        ConfigError: there is no such run, it is of no training, its folder is not here, or it is
            finished.
        UnreachableError: MLflow, which would know, does not answer.
        StorageError: the copy of its folder cannot be read.
    """
    folder = named_folder(name, JOB_FILE) or _folder_of_run(name)
    _refuse_finished(folder)
    return folder


def _refuse_finished(folder: Path) -> None:
    if (folder / FINISHED).exists():
        raise ConfigError(
            f"--resume must name a run that was interrupted, but the one in {folder} is finished"
            f"{way_to_send(folder.name) or '; see dynst ui'}"
        )


def resumed_job(folder: Path, assignments: Sequence[str] = ()) -> JobSpec:
    """The job as it was started.

    ``assignments`` may say where it runs this time, which changes no figure beyond float tolerance,
    and where its store lies now.

    Raises:
        ConfigError: ``assignments`` would change anything else; says what.
    """
    import_kept_code(folder)
    was, job = recorded_job(folder), recorded_job(folder, assignments)
    changed = differences(_kept(was), _kept(job))
    if changed:
        said = (
            "; ".join(changed)
            .replace("in the checkpoint", "in the run")
            .replace("in the job", "with --set")
        )
        raise ConfigError(
            f"a run goes on with the settings it was started with, but --set changes them "
            f"({said}); leave --set out"
        )
    return job


def _kept(job: JobSpec) -> dict[str, Any]:
    """What a run that goes on may not change: the checkpoints' place too, since they lie there.

    A number of workers that does not fit a checkpoint is refused where the checkpoint is read.
    """
    return job.model_dump(mode="json", exclude={"cluster": WHERE_IT_RUNS, "data": {"store"}})


def resumed_cursor(folder: Path, store: SensorStore) -> Cursor:
    """How much of the run MLflow has, which goes on.

    Where the folder has a copy in ``DYNST_STORAGE``, another machine may have gone on with it, and
    the copy is what holds.

    Raises:
        ConfigError: the store holds other readings, costs, groups or marks than when the run was
            started; or the run was finished elsewhere.
        StorageError: the copy cannot be read.
    """
    shared_folder(folder).fetch_all()
    _refuse_finished(folder)
    cursor = Cursor.open(folder)
    digest = cursor.state.digest
    if not store.has_content(digest):
        raise ConfigError(
            f"the run in {folder} must go on with the data it was started with (digest "
            f"{digest[:12]}), but {store.path} now holds "
            f"others ({store.manifest.digest[:12]}); bring them back, or start the job anew"
        )
    decisions = cursor.state.origin.get(DECISIONS_TAG, "")
    if decisions and decisions != store.decisions_digest:
        raise ConfigError(
            f"the run in {folder} must go on with the costs, groups and marks that it was started "
            f"with, but those of {store.path} were replaced since; put the old ones back with "
            f"dynst data sensors, or start the job anew"
        )
    return cursor


def note_store(cursor: Cursor, job: JobSpec, store: SensorStore) -> None:
    """Where the run's store lies now, for whoever goes on with the run or sends it."""
    place = str(store.path.resolve())
    if cursor.state.store != place:
        _write_job(cursor.folder, job)
        cursor.move(store=place)


def _folder_of_run(run_id: str) -> Path:
    quiet_libraries()
    uri = tracking_uri()
    unknown = ConfigError(
        f"--resume must name the folder of a run or an MLflow run, but '{run_id}' is neither here "
        f"nor in {without_credentials(uri)}; see dynst ui"
    )
    try:
        experiment, kind, job_id = known_run(uri, run_id)
    except NotFoundError as error:
        raise unknown from error
    folder = fetched_run(f"{experiment}/{job_id}") or home() / experiment / job_id
    if (folder / JOB_FILE).is_file():
        return folder
    if kind in ("dense", "learned", "random", "baseline"):
        raise ConfigError(
            f"run {run_id} has no folder at {folder}; set DYNST_HOME to where it was started"
        )
    raise ConfigError(
        f"--resume must name a run of dynst train, but run {run_id} is of kind '{kind}'; resume "
        f"it with its own command"
    )
