"""The use case behind ``dynst train``: check everything, train every arm, remember it, and say what
came out.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from statistics import fmean
from typing import Any, TypedDict

import numpy as np

from dynst import __version__
from dynst.data.store import SensorStore
from dynst.experiment.arms import ArmKind
from dynst_platform.config.job import JobSpec
from dynst_platform.config.job_id import new_job_id
from dynst_platform.config.locations import (
    artifact_root,
    home,
    shown_tracking_uri,
    tracking_uri,
    typed,
)
from dynst_platform.config.stores import first_unit, open_questions, target_units
from dynst_platform.errors import FullError, UnreachableError
from dynst_platform.execution.launch import launch
from dynst_platform.execution.nodes import check_for_job
from dynst_platform.execution.worker import checkpoints_of
from dynst_platform.log import log_of_run, quiet_libraries
from dynst_platform.reports import ArmReport, Report
from dynst_platform.tracking.cursor import Cursor, folder_lock
from dynst_platform.tracking.delivery import Undelivered, delivered
from dynst_platform.tracking.folders import Work, kept_copy, notes_how_to_go_on, working_folder
from dynst_platform.tracking.mlflow_runs import origin_tags
from dynst_platform.tracking.report_tracker import ReportTracker
from dynst_platform.tracking.run_folder import (
    JOB_FILE,
    fill_folder,
    keep_code,
    kept_in_storage,
    mark_finished,
    note_store,
    resumed_cursor,
)
from dynst_platform.tracking.shared_folder import check_storage

__all__ = ["JOB_FILE", "Listener", "Outcome", "Reference", "Sensors", "StepRow", "train"]

logger = logging.getLogger(__name__)

Listener = Callable[[Report], None]


class Sensors(TypedDict):
    """Ids of the sensors that stay on and of those that are switched off."""

    total: int
    active: int
    kept: list[str]
    off: list[str]


class Reference(TypedDict):
    """What another arm of the job reached; None where nothing was observed."""

    run_id: str | None
    kind: str
    active: int
    mae_all: float | None
    mae_active: float | None
    mae_inactive: float | None


class StepRow(TypedDict):
    """A ``StepError`` for JSON: None where nothing was observed."""

    forecaster: str
    group: str
    channel: str
    step: int
    minutes_ahead: float | None
    mae: float | None
    rmse: float | None
    mape: float | None
    wape: float | None
    count: int


@dataclass(frozen=True)
class Outcome:
    """What a job gave: plain data for the screen, for ``--format json`` and for tests."""

    run_id: str | None  # None where MLflow has none yet
    experiment: str
    sensors: Sensors
    sparsity: float
    metrics: dict[str, float | None]
    efficiency: dict[str, float]
    references: dict[str, Reference]
    artifacts: dict[str, str]
    mask_updates: int = 0
    exchanged: int = 0
    unit: str = ""  # of the first target, and so of the overall errors
    errors_by_step: list[StepRow] = field(default_factory=list)
    targets: dict[str, str] = field(default_factory=dict)  # with their units
    attribution: str = ""
    open_questions: list[str] = field(default_factory=list)  # of the store
    selection: dict[str, Any] | None = None  # what the search's choice was held against
    queued: int = 0  # reports that MLflow does not have yet
    queued_note: str = ""  # why, and how to send them


@dataclass
class _Collected:
    finals: dict[str, ArmReport] = field(default_factory=dict)
    updates: int = 0
    exchanged: int = 0

    def add(self, report: Report) -> None:
        if isinstance(report, ArmReport):
            self.finals[report.arm] = report
        elif report.arm_kind == ArmKind.LEARNED:
            self.updates += sum(1 for update in report.updates if update.pruned or update.grown)
            self.exchanged += report.exchanged


def train(
    job: JobSpec,
    store: SensorStore,
    listener: Listener,
    offline: bool = False,
    resume: Path | None = None,
) -> Outcome:
    """Run a job to its end on the store that ``stores.store_for`` has checked it against.

    MLflow may go away meanwhile: what it did not receive stays in the run's folder for
    ``dynst sync``.

    Args:
        offline: send nothing to MLflow, and leave all of it there.
        resume: the folder of a run of this job that was interrupted, which goes on from its last
            checkpoint.

    Raises:
        RunError: a worker failed, and its MLflow runs are marked FAILED; or the tracking store does
            not answer at the start. Notes say how to go on.
        ConfigError: the run to resume had other data.
        CheckpointError: ``cluster.checkpoints`` cannot be written.
    """
    quiet_libraries()
    if job.cluster.num_workers:
        check_for_job(job, store)
    check_storage()
    if resume is not None:
        with folder_lock(resume):
            cursor = resumed_cursor(resume, store)
            note_store(cursor, job, store)
            return _run(job, store, listener, cursor, offline, Work(begun=True))
    job = kept_in_storage(job)
    folder, origin = home() / job.name / new_job_id(), origin_tags()
    if job.cluster.checkpoints is not None:
        checkpoints_of(job, store, folder).check_writable()
    with working_folder(folder) as work, kept_copy(folder, work):
        job = fill_folder(folder, job)
        cursor = Cursor.begin(folder, store, origin)
        return _run(job, store, listener, cursor, offline, work)


def _run(
    job: JobSpec,
    store: SensorStore,
    listener: Listener,
    cursor: Cursor,
    offline: bool,
    work: Work,
) -> Outcome:
    """Whatever refuses to start does so before the work is begun."""
    collected, folder = _Collected(), cursor.folder

    def on_report(report: Report) -> None:
        collected.add(report)
        listener(report)

    keep_code(folder, job)
    with log_of_run(folder, "driver"):
        logger.info("dynst %s trains %s, %d sensors", __version__, job.name, len(store.sensors))
        tracker = None if offline else _tracker_of(job, store, cursor)

        def begin() -> None:
            if tracker is not None:
                _open(tracker, cursor, resumed=work.begun)
            cursor.move(ending=None)
            work.begin()

        with (
            notes_how_to_go_on(lambda: f"dynst train --resume {typed(folder)}", work),
            delivered(cursor, tracker, begin) as finish,
        ):
            launch(job, store.path, folder, on_report)
            mark_finished(folder)
        left = finish()
    return _outcome(job, store, cursor, collected, left)


@contextmanager
def _offers_offline() -> Iterator[None]:
    try:
        yield
    except FullError:
        raise
    except UnreachableError as error:
        raise UnreachableError(
            f"{error}, or train with --offline and send the run later"
        ) from error


@_offers_offline()
def _tracker_of(job: JobSpec, store: SensorStore, cursor: Cursor) -> ReportTracker:
    return ReportTracker(
        tracking_uri(), artifact_root(), job, store, cursor.folder.name, cursor.state.origin
    )


@_offers_offline()
def _open(tracker: ReportTracker, cursor: Cursor, resumed: bool) -> None:
    """With the first run open it can be seen while workers start.

    Those that an earlier process has opened, noted or not, are taken up.
    """
    if resumed:
        tracker.resume(cursor.state.runs)
        tracker.reopen()
    tracker.start("dynst", "learned")
    cursor.move(runs=dict(tracker.runs))


def _outcome(
    job: JobSpec, store: SensorStore, cursor: Cursor, collected: _Collected, left: Undelivered
) -> Outcome:
    from dynst_platform.plots.figures import drawn  # a second, which no training waits for
    from dynst_platform.plots.masks import draw_mask

    folder, runs = cursor.folder, cursor.state.runs
    final, units = collected.finals["dynst"], target_units(job, store)
    active = np.array(final.active)
    picture = folder / "sensor_map.png"
    title = f"{store.manifest.name}: {active.sum()} of {len(active)} sensors kept"
    importance = np.array(final.importance)
    shown_map = drawn(picture, lambda: draw_mask(picture, store, active, importance, title))
    ids = np.array(store.sensors.ids)
    finals = collected.finals.values()
    randoms = [
        report.metrics["test/mae_all"] for report in finals if report.arm_kind == ArmKind.RANDOM
    ]
    metrics = final.metrics | ({"random/mae_all": fmean(randoms)} if randoms else {})
    return Outcome(
        run_id=runs.get("dynst"),
        experiment=job.name,
        sensors={
            "total": len(active),
            "active": int(active.sum()),
            "kept": ids[active].tolist(),
            "off": ids[~active].tolist(),
        },
        sparsity=float(1 - active.mean()),
        metrics={key: _known(value) for key, value in metrics.items()},
        efficiency=final.efficiency,
        selection=None if final.selection is None else final.selection.model_dump(),
        references={
            arm: Reference(
                run_id=runs.get(arm),
                kind=str(report.arm_kind),
                active=sum(report.active),
                mae_all=_known(report.metrics.get("test/mae_all")),
                mae_active=_known(report.metrics.get("test/mae_active")),
                mae_inactive=_known(report.metrics.get("test/mae_inactive")),
            )
            for arm, report in collected.finals.items()
            if arm != "dynst"
        },
        artifacts={
            "folder": str(folder),
            "sensor_map": str(shown_map),
            "model": final.artifact if left.queued else f"runs:/{runs['dynst']}/model",
            "tracking_uri": shown_tracking_uri(),
        },
        mask_updates=collected.updates,
        exchanged=collected.exchanged,
        errors_by_step=_rows(collected),
        targets=units,
        unit=first_unit(job, store),
        attribution=store.manifest.attribution,
        open_questions=open_questions(job, store),
        queued=left.queued,
        queued_note=str(left) if left.command else "",
    )


def _known(value: float | None) -> float | None:
    """JSON has no NaN: what was never observed is None."""
    return value if value is not None and isfinite(value) else None


def _rows(collected: _Collected) -> list[StepRow]:
    """Errors by step of all forecasters, ready for JSON."""
    return [
        StepRow(
            forecaster=row.forecaster,
            group=row.group,
            channel=row.channel,
            step=row.step,
            minutes_ahead=row.minutes_ahead,
            mae=_known(row.mae),
            rmse=_known(row.rmse),
            mape=_known(row.mape),
            wape=_known(row.wape),
            count=row.count,
        )
        for report in collected.finals.values()
        for row in report.errors
    ]
