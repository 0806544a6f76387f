"""What MLflow lacks of the runs under the home folder: reports, an end, a model, a whole run."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from mlflow.entities import LifecycleStage, Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from dynst.errors import DynstError
from dynst.notices import notice
from dynst.wording import counted
from dynst_platform.config.locations import home, typed
from dynst_platform.config.tracking_address import sqlite_file
from dynst_platform.tracking.cursor import CURSOR, Cursor, is_at_work, queued
from dynst_platform.tracking.database import is_there
from dynst_platform.tracking.mlflow_texts import runs_tagged
from dynst_platform.tracking.whole_model import whole_by_run

__all__ = [
    "active_run",
    "cursor_folders",
    "note_waiting",
    "store_is_there",
    "unmodelled",
    "waits",
    "way_to_send",
]


def store_is_there(uri: str) -> bool:
    """Whether asking makes no database, as MLflow would where there is none."""
    file = sqlite_file(uri)
    return file is None or is_there(file)


def active_run(client: MlflowClient, run_id: str) -> Run | None:
    """None where it was deleted, removed for good, or never was in this tracking store."""
    if not run_id:
        return None
    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise
    return run if run.info.lifecycle_stage == LifecycleStage.ACTIVE else None


def cursor_folders() -> list[Path]:
    """The trainings' folders under the home folder."""
    return sorted(path.parent for path in home().glob(f"*/*/{CURSOR}"))


def waits(cursor: Cursor) -> bool:
    """Whether there are reports, or an end, that MLflow was not sent."""
    return queued(cursor) > 0 or cursor.state.ending is not None


def way_to_send(job_id: str) -> str:
    """How to send what waits of a job, as the end of a sentence; empty where nothing does."""
    for folder in cursor_folders():
        if folder.name == job_id and _waits_in(folder):
            return f"; reports of it wait here, send them with: dynst sync {typed(folder)}"
    return ""


def note_waiting(experiment: str) -> None:
    """Say which of an experiment's trainings MLflow lacks in part, and how to send them; not of
    those that go on.
    """
    waiting = [
        typed(folder)
        for folder in cursor_folders()
        if folder.parent.name == experiment and not is_at_work(folder) and _waits_in(folder)
    ]
    if waiting:
        notice(
            f"MLflow lacks reports of {counted(len(waiting), 'run')} of '{experiment}'; send them "
            f"with: dynst sync {' '.join(waiting)}"
        )


def _waits_in(folder: Path) -> bool:
    try:
        return waits(Cursor.open(folder))
    except (DynstError, OSError):
        return False


def unmodelled(client: MlflowClient, cursors: Sequence[Cursor]) -> dict[Path, set[str]]:
    """By folder the arms whose end MLflow has, and not their whole model: its upload was cut off,
    or another user deleted it. Asks for each experiment, not for each run.
    """
    found = {}
    for name, group in groupby(sorted(cursors, key=_experiment), _experiment):
        experiment = client.get_experiment_by_name(name)
        if experiment is None or experiment.lifecycle_stage != LifecycleStage.ACTIVE:
            continue
        runs = runs_tagged(client, experiment.experiment_id, {})
        finished = {run.info.run_id for run in runs if run.info.status == "FINISHED"}
        lacking = finished - set(whole_by_run(client, [experiment.experiment_id]))
        for cursor in group:
            known = cursor.state.runs.items()
            found[cursor.folder] = {arm for arm, run_id in known if run_id in lacking}
    return {folder: arms for folder, arms in found.items() if arms}


def _experiment(cursor: Cursor) -> str:
    return cursor.folder.parent.name
