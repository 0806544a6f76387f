"""The folder of a run: what ``--resume`` needs to go on with it, and a lock so that one process at a time does."""

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from dynst.data.store import SensorStore
from dynst.errors import ConfigError
from dynst.training.checkpoint import differences
from dynst_platform.errors import BusyError
from dynst_platform.home import home, tracking_uri
from dynst_platform.jobfile import dump_spec, load_job
from dynst_platform.spec import JobSpec
from dynst_platform.stores import from_anywhere

__all__ = ["RunFacts", "alone_in", "check_same_data", "find_run", "mark_finished", "new_folder", "resume_hint", "resumed_job"]

JOB_FILE, FACTS_FILE = "job.yaml", "run.json"


@dataclass(frozen=True)
class RunFacts:
    """What is known of a run beside its job."""

    data_digest: str
    finished: bool = False


def new_folder(job: JobSpec, store: SensorStore, job_id: str) -> Path:
    """A folder for a run that begins; the job file in it names its store wherever it is read from."""
    folder = home() / job.name / job_id
    folder.mkdir(parents=True)
    data = job.data.model_copy(update={"store": from_anywhere(job.data.store)})
    (folder / JOB_FILE).write_text(dump_spec(job.model_copy(update={"data": data})), encoding="utf-8")
    _write(folder, RunFacts(store.manifest.digest))
    return folder


def mark_finished(folder: Path) -> None:
    _write(folder, RunFacts(_facts(folder).data_digest, finished=True))


def find_run(name: str) -> Path:
    """The folder of a training, from its path or from the MLflow run of any of its arms.

    Raises:
        ConfigError: there is no such run, it is of no training, its folder is not here, or it is finished.
    """
    folder = Path(name).expanduser().resolve()
    if not (folder / JOB_FILE).is_file():
        folder = _folder_of_run(name)
    if _facts(folder).finished:
        raise ConfigError(f"--resume must name a run that was interrupted, but the one in {folder} is finished; see dynst ui")
    return folder


def resumed_job(folder: Path, assignments: Sequence[str] = ()) -> JobSpec:
    """The job as it was started.

    Raises:
        ConfigError: ``assignments`` would change it; says what.
    """
    job = load_job(folder / JOB_FILE)
    changed = differences(job.model_dump(mode="json"), load_job(folder / JOB_FILE, assignments).model_dump(mode="json"))
    if changed:
        said = "; ".join(changed).replace("in the checkpoint", "in the run").replace("in the job", "with --set")
        raise ConfigError(f"a run goes on with the settings it was started with, but --set changes them ({said}); leave --set out")
    return job


def check_same_data(folder: Path, store: SensorStore) -> None:
    """Raises ConfigError where the store holds other readings than when the run was started."""
    digest = _facts(folder).data_digest
    if digest != store.manifest.digest:
        raise ConfigError(
            f"the run in {folder} must go on with the data it was started with (digest {digest[:12]}), but {store.path} now holds "
            f"others ({store.manifest.digest[:12]}); bring them back, or start the job anew"
        )


def resume_hint(folder: Path) -> str:
    """What goes on with the run, as short as it can be typed here."""
    here = Path.cwd()
    return f"go on with: dynst train --resume {folder.relative_to(here) if folder.is_relative_to(here) else folder}"


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep other processes out of a run's folder; ends with the process at the latest.

    Raises:
        BusyError: another one is there.
    """
    with (folder / "lock").open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise BusyError(f"{folder} belongs to process {file.read()}, which still works in it; wait for its end") from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _folder_of_run(run_id: str) -> Path:
    client = MlflowClient(tracking_uri())
    try:
        run = client.get_run(run_id)
        experiment = str(client.get_experiment(run.info.experiment_id).name)
    except MlflowException as error:
        raise ConfigError(
            f"--resume must name the folder of a run or an MLflow run, but '{run_id}' is neither here nor in {tracking_uri()}; "
            "see dynst ui"
        ) from error
    kind, job_id = run.data.tags.get("dynst.kind"), str(run.data.tags.get("dynst.job"))
    folder = home() / experiment / job_id
    if (folder / JOB_FILE).is_file():
        return folder
    if kind in ("dense", "learned", "random", "baseline"):
        raise ConfigError(f"run {run_id} has no folder at {folder}; set DYNST_HOME to where it was started")
    raise ConfigError(
        f"--resume must name a run of dynst train, but run {run_id} is of kind '{kind}'; resume it with its own command"
    )


def _facts(folder: Path) -> RunFacts:
    try:
        return RunFacts(**json.loads((folder / FACTS_FILE).read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"{folder} must hold {FACTS_FILE} of a run, but has none that can be read; start the job anew") from error


def _write(folder: Path, facts: RunFacts) -> None:
    draft = folder / f".{FACTS_FILE}"
    draft.write_text(json.dumps(asdict(facts)), encoding="utf-8")
    os.replace(draft, folder / FACTS_FILE)
