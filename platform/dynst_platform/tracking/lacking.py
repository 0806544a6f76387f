"""What MLflow lacks of the runs under the home folder: reports, an end, a model, a whole run."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from mlflow.entities import LifecycleStage, Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from dynst.errors import DynstError
from dynst_platform.config.locations import home, shown
from dynst_platform.tracking.cursor import CURSOR, Cursor, queued
from dynst_platform.tracking.whole_model import whole_by_run

__all__ = [
    "active_run",
    "cursor_folders",
    "store_is_there",
    "unmodelled",
    "waits",
    "way_to_send",
]

PAGE = 1000
SQLITE = "sqlite:///"


def store_is_there(uri: str) -> bool:
    """Whether asking makes no database, as MLflow would where there is none."""
    return not uri.startswith(SQLITE) or Path(uri.removeprefix(SQLITE)).is_file()


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
        try:
            if folder.name == job_id and waits(Cursor.open(folder)):
                return f"; reports of it wait here, send them with: dynst sync {shown(folder)}"
        except (DynstError, OSError):
            return ""
    return ""


def unmodelled(client: MlflowClient, cursors: Sequence[Cursor]) -> dict[Path, set[str]]:
    """By folder the arms whose end MLflow has, and not their whole model: its upload was cut off,
    or another user deleted it. Asks for each experiment, not for each run.
    """
    found = {}
    for name, group in groupby(sorted(cursors, key=_experiment), _experiment):
        experiment = client.get_experiment_by_name(name)
        if experiment is None or experiment.lifecycle_stage != LifecycleStage.ACTIVE:
            continue
        finished = set(_finished_runs(client, experiment.experiment_id))
        lacking = finished - set(whole_by_run(client, [experiment.experiment_id]))
        for cursor in group:
            known = cursor.state.runs.items()
            found[cursor.folder] = {arm for arm, run_id in known if run_id in lacking}
    return {folder: arms for folder, arms in found.items() if arms}


def _experiment(cursor: Cursor) -> str:
    return cursor.folder.parent.name


def _finished_runs(client: MlflowClient, experiment: str) -> Iterator[str]:
    token, wanted = None, "attributes.status = 'FINISHED'"
    while True:
        page = client.search_runs([experiment], wanted, max_results=PAGE, page_token=token)
        yield from (str(run.info.run_id) for run in page)
        token = page.token
        if not token:
            return
