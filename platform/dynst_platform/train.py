"""The use case behind ``dynst train``: check everything, train every arm, remember it, and say what came out."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from dynst.data.store import SensorStore
from dynst.errors import DynstError
from dynst_platform.home import artifact_root, tracking_uri
from dynst_platform.launch import launch
from dynst_platform.pictures import draw_mask
from dynst_platform.quiet import quiet_libraries
from dynst_platform.run_folder import alone_in, check_same_data, mark_finished, new_folder, resume_hint
from dynst_platform.spec import JobSpec
from dynst_platform.stores import first_unit, target_units
from dynst_platform.tracking import Tracker
from dynst_platform.worker import Report

__all__ = ["Listener", "Outcome", "train"]

Listener = Callable[[Report], None]


@dataclass(frozen=True)
class Outcome:
    """What a job gave: plain data for the screen, for ``--format json`` and for tests."""

    run_id: str
    experiment: str
    sensors: dict[str, Any]
    sparsity: float
    metrics: dict[str, float | None]
    efficiency: dict[str, float]
    references: dict[str, dict[str, Any]]
    artifacts: dict[str, str]
    mask_updates: int = 0
    exchanged: int = 0
    unit: str = ""  # of the first target, and so of the overall errors
    errors_by_step: list[dict[str, Any]] = field(default_factory=list)
    targets: dict[str, str] = field(default_factory=dict)  # with their units
    attribution: str = ""


@dataclass
class _Collected:
    finals: dict[str, Report] = field(default_factory=dict)
    updates: int = 0
    exchanged: int = 0

    def add(self, report: Report) -> None:
        if report["kind"] == "arm":
            self.finals[report["arm"]] = report
        elif report["arm_kind"] == "learned":
            self.updates += sum(1 for update in report["updates"] if update["pruned"] or update["grown"])
            self.exchanged += report["exchanged"]


def train(job: JobSpec, store: SensorStore, listener: Listener, resume: Path | None = None) -> Outcome:
    """Run a job to its end on the store that ``stores.store_for`` has checked it against.

    Args:
        resume: the folder of a run of this job that was interrupted, which goes on from its last checkpoint.

    Raises:
        RunError: a worker or the tracking store failed; its MLflow runs are marked FAILED. Notes say how to go on.
        ConfigError: the run to resume had other data.
    """
    quiet_libraries()
    if resume is not None:
        check_same_data(resume, store)
    job_id = None if resume is None else resume.name
    tracker = Tracker(tracking_uri(), artifact_root(), job, store, job_id)
    folder = resume or new_folder(job, store, tracker.job_id)
    collected = _Collected()

    def on_report(report: Report) -> None:
        collected.add(report)
        tracker.on_report(report)
        listener(report)

    with alone_in(folder), _closed_on_failure(tracker, folder):
        if resume is not None:
            tracker.take_up()
        tracker.start("dynst", "learned")
        launch(job, store.path, folder, on_report)
        outcome = _outcome(job, store, tracker, folder, collected)
        mark_finished(folder)
    return outcome


@contextmanager
def _closed_on_failure(tracker: Tracker, folder: Path) -> Iterator[None]:
    """What a user can mend by other settings is not worth resuming; everything else is."""
    try:
        yield
    except KeyboardInterrupt as error:
        error.add_note(resume_hint(folder))
        tracker.close("KILLED", "stopped from the keyboard")
        raise
    except Exception as error:
        if not isinstance(error, DynstError):
            error.add_note(resume_hint(folder))
        tracker.close("FAILED", str(error))
        raise


def _outcome(job: JobSpec, store: SensorStore, tracker: Tracker, folder: Path, collected: _Collected) -> Outcome:
    final, units = collected.finals["dynst"], target_units(job, store)
    active = np.array(final["active"])
    picture = folder / "sensor_map.png"
    title = f"{store.manifest.name}: {active.sum()} of {len(active)} sensors kept"
    draw_mask(picture, store, active, np.array(final["importance"]), title)
    ids = np.array(store.sensors.ids)
    randoms = [report["metrics"]["test/mae_all"] for report in collected.finals.values() if report["arm_kind"] == "random"]
    metrics = final["metrics"] | ({"random/mae_all": fmean(randoms)} if randoms else {})
    return Outcome(
        run_id=tracker.runs["dynst"],
        experiment=job.name,
        sensors={
            "total": len(active),
            "active": int(active.sum()),
            "kept": ids[active].tolist(),
            "off": ids[~active].tolist(),
        },
        sparsity=float(1 - active.mean()),
        metrics={key: _known(value) for key, value in metrics.items()},
        efficiency=final["efficiency"],
        references={
            arm: {"run_id": tracker.runs[arm], "kind": report["arm_kind"], "active": int(sum(report["active"]))}
            | {key: _known(report["metrics"].get(f"test/{key}")) for key in ("mae_all", "mae_active", "mae_inactive")}
            for arm, report in collected.finals.items()
            if arm != "dynst"
        },
        artifacts={
            "folder": str(folder),
            "sensor_map": str(picture),
            "model": f"runs:/{tracker.runs['dynst']}/model",
            "tracking_uri": tracker.uri,
        },
        mask_updates=collected.updates,
        exchanged=collected.exchanged,
        errors_by_step=_rows(collected),
        targets=units,
        unit=first_unit(job, store),
        attribution=store.manifest.attribution,
    )


def _known(value: float | None) -> float | None:
    """JSON has no NaN: what was never observed is None."""
    return value if value is not None and isfinite(value) else None


def _rows(collected: _Collected) -> list[dict[str, Any]]:
    """Errors by step of all forecasters, ready for JSON."""
    rows = [row for report in collected.finals.values() for row in report["errors"]]
    return [{key: _known(value) if isinstance(value, float) else value for key, value in row.items()} for row in rows]
