"""A study and its MLflow run: tasks done, rows gathered, and the run closed with the reason where
that fails.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import pandas as pd

from dynst.data.store import SensorStore
from dynst.errors import DynstError, in_one_line
from dynst.storage.addresses import without_credentials
from dynst_platform.config.job import JobSpec
from dynst_platform.config.locations import artifact_root, home, tracking_uri
from dynst_platform.config.stores import first_unit, open_questions
from dynst_platform.errors import RunError, TrackingError
from dynst_platform.execution.gpus import TaskShape
from dynst_platform.execution.nodes import check_cluster
from dynst_platform.log import LOGS, log_of_run, quiet_libraries
from dynst_platform.plots.figures import picture_or_note
from dynst_platform.stopping import is_stop, stop_reason
from dynst_platform.studies.references import reference_errors
from dynst_platform.studies.tasks import Row, Task, TaskResult, run_tasks
from dynst_platform.tracking.folders import Work, working_folder
from dynst_platform.tracking.mlflow_runs import Tracker
from dynst_platform.tracking.open_study import PIECES, noted_study

__all__ = [
    "OnTask",
    "StudyOutcome",
    "closed_on_failure",
    "logged",
    "outcome_facts",
    "pieces_of",
    "plain_rows",
    "study_run",
    "tidy",
]

logger = logging.getLogger(__name__)

OnTask = Callable[[str, int, int], None]  # name of the task that is done, how many are, of how many


@dataclass(frozen=True, kw_only=True)
class StudyOutcome:
    """What every study gives beside its own lines: plain data for the screen, for ``--format json``
    and for tests.
    """

    run_id: str
    experiment: str
    num_sensors: int
    unit: str
    references: dict[str, float]
    artifacts: dict[str, str]
    attribution: str
    open_questions: list[str]  # of the store, each with what it was taken for


class StudyFacts(TypedDict):
    """The fields of a ``StudyOutcome``."""

    run_id: str
    experiment: str
    num_sensors: int
    unit: str
    references: dict[str, float]
    artifacts: dict[str, str]
    attribution: str
    open_questions: list[str]  # of the store, each with what it was taken for


@contextmanager
def study_run(
    kind: str, job: JobSpec, store: SensorStore, tasks: Sequence[Task], on_task: OnTask
) -> Iterator[tuple[Tracker, Path, pd.DataFrame]]:
    """Do what is left of a study; yields its tracker, the folder for its results, and its rows.

    The MLflow run stays open until the block ends it.

    Raises:
        BusyError: another process works on tasks of this experiment.
        RunError: a task, the tracking store or the disk failed; what was finished stays, and the
            run says why.
    """
    quiet_libraries()
    pieces = pieces_of(job.name)
    _check_cluster(job, store, tasks, pieces)
    rows: list[Row] = []
    done: list[str] = []

    def on_done(task: Task, result: TaskResult) -> None:
        rows.extend(result.rows)
        done.append(task.name)
        on_task(task.name, len(done), len(tasks))

    with working_folder(pieces) as work:
        tracker = Tracker(tracking_uri(), artifact_root(), job, store)
        folder = home() / job.name / f"{kind}-{tracker.job_id}"
        with (
            _notes_what_is_kept(work),
            logged(tracker, folder),
            noted_study(pieces, tracker),
            closed_on_failure(tracker, "start again"),
        ):
            tracker.start(kind, kind)
            work.begin()
            cluster = job.cluster
            each = TaskShape.of_job(cluster)
            run_tasks(tasks, pieces, cluster.most_workers, on_done, cluster.address, each)
            folder.mkdir(parents=True, exist_ok=True)
            yield tracker, folder, tidy(rows, store.sensors.ids)


def pieces_of(name: str) -> Path:
    """Where the finished tasks of all studies and sweeps of an experiment are kept."""
    return home() / name / PIECES


def _check_cluster(job: JobSpec, store: SensorStore, tasks: Sequence[Task], pieces: Path) -> None:
    """Where something is left to be done there."""
    cluster, left = job.cluster, any(not (pieces / task.folder).exists() for task in tasks)
    if cluster.address is not None and cluster.most_workers and left:
        check_cluster(cluster.address, home(), [store.path])


@contextmanager
def _notes_what_is_kept(work: Work) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt as error:
        if work.begun:
            error.add_note("what is finished is kept, and the same command does the rest")
        raise


@contextmanager
def logged(tracker: Tracker, folder: Path) -> Iterator[None]:
    """The log of the block goes into the study's folder, and to MLflow when the block ends."""
    with log_of_run(folder, "driver"):
        try:
            yield
        finally:
            try:
                tracker.keep_logs(folder / LOGS)
            except TrackingError as error:
                logger.warning("MLflow did not take the logs: %s", error)


@contextmanager
def closed_on_failure(tracker: Tracker, then: str) -> Iterator[None]:
    """Close what is open in MLflow with the reason where the block fails.

    ``then`` is what to do once a full disk has room.
    """
    try:
        yield
    except OSError as error:
        _close(tracker, error)
        raise RunError(
            f"the results cannot be written ({in_one_line(error)}); make room under {home()} and "
            f"{then}"
        ) from error
    except BaseException as error:
        _close(tracker, error)
        raise


def _close(tracker: Tracker, error: BaseException) -> None:
    """A run that MLflow does not let us close is a note of the error."""
    stopped = is_stop(error)
    status, reason = ("KILLED", stop_reason(error)) if stopped else ("FAILED", str(error))
    try:
        tracker.close(status, reason)
    except (RunError, DynstError) as problem:
        error.add_note(f"MLflow shows the run as still running ({in_one_line(problem)})")


def tidy(rows: Sequence[Row], sensors: tuple[str, ...]) -> pd.DataFrame:
    """All rows as one table, sorted by what identifies them.

    ``active`` names the kept sensors, separated by bars.
    """
    table = pd.DataFrame(rows)
    if "active" in table:
        table["active"] = [
            "|".join(sensors[index] for index in kept) if isinstance(kept, list) else None
            for kept in table["active"]
        ]
    known = [
        name
        for name in ("stage", "seed", "sparsity", "scheme", "criterion", "choice", "number")
        if name in table
    ]
    rest = [name for name in table if name not in known]
    return table[known + rest].sort_values(known, ignore_index=True)


def outcome_facts(
    kind: str, job: JobSpec, store: SensorStore, tracker: Tracker, table: pd.DataFrame, folder: Path
) -> StudyFacts:
    """The fields of a ``StudyOutcome`` whose files lie in ``folder``.

    The figure has the name of the study.
    """
    return {
        "run_id": tracker.runs[kind],
        "experiment": job.name,
        "num_sensors": len(store.sensors),
        "unit": first_unit(job, store),
        "references": reference_errors(table),
        "artifacts": {
            "folder": str(folder),
            "picture": str(picture_or_note(folder / f"{kind}.png")),
            "tracking_uri": without_credentials(tracker.uri),
        },
        "attribution": store.manifest.attribution,
        "open_questions": open_questions(job, store),
    }


def plain_rows(table: pd.DataFrame) -> list[Row]:
    """For JSON, which has no NaN: what is unknown is None."""
    known = table.astype(object).where(table.notna(), None)
    return [dict(zip(known.columns, line, strict=True)) for line in known.itertuples(index=False)]
