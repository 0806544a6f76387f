"""The MLflow run of a study, which a killed process leaves open: noted while the study goes on, and
ended by the next one of its experiment or by ``dynst sync``.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlflow.entities import LifecycleStage

from dynst.storage.files import replace_text
from dynst_platform.config.locations import home
from dynst_platform.errors import BusyError
from dynst_platform.tracking.clients import reader_of
from dynst_platform.tracking.cursor import folder_lock
from dynst_platform.tracking.lacking import store_is_there
from dynst_platform.tracking.mlflow_runs import Tracker
from dynst_platform.tracking.reaching import as_tracking_error
from dynst_platform.tracking.run_ends import end_open_runs

__all__ = ["PIECES", "end_left_studies", "noted_study"]

PIECES = "pieces"  # of an experiment: the finished tasks of all its studies and sweeps
NOTE = "open_study"  # in that folder, with the job's id
REASON = "its process was killed"


@contextmanager
def noted_study(pieces: Path, tracker: Tracker) -> Iterator[None]:
    """Inside, a kill leaves the note of the study. The folder is locked by whoever calls.

    The note of an earlier one is settled first; this one's stays where its run was left open.

    Raises:
        TrackingError: MLflow cannot be asked for the earlier one.
    """
    _end_left(pieces, tracker.uri)
    replace_text(pieces / NOTE, tracker.job_id)
    try:
        yield
    except BaseException:
        if tracker.closed:
            _forget(pieces)
        raise
    _forget(pieces)


def end_left_studies(uri: str) -> list[Path]:
    """End the runs of studies that were killed; returns the folders of their experiments.

    Those that go on are left alone.

    Raises:
        TrackingError: MLflow cannot be reached, or refuses.
    """
    return [note.parents[1] for note in _notes() if _ended(note.parent, uri)]


def _notes() -> list[Path]:
    return sorted(home().glob(f"*/{PIECES}/{NOTE}"))


def _ended(pieces: Path, uri: str) -> bool:
    try:
        with folder_lock(pieces):
            return _end_left(pieces, uri)
    except BusyError:
        return False


def _end_left(pieces: Path, uri: str) -> bool:
    """Whether a study was killed here and MLflow shows its run as one that goes on."""
    note, ended = pieces / NOTE, 0
    if not note.is_file():
        return False
    job_id, experiment = note.read_text(encoding="utf-8"), pieces.parent.name
    if store_is_there(uri):
        with as_tracking_error(uri):
            client = reader_of(uri)
            found = client.get_experiment_by_name(experiment)
            if found is not None and found.lifecycle_stage == LifecycleStage.ACTIVE:
                ended = end_open_runs(client, found.experiment_id, job_id, "KILLED", REASON)
    _forget(pieces)
    return ended > 0


def _forget(pieces: Path) -> None:
    (pieces / NOTE).unlink(missing_ok=True)
