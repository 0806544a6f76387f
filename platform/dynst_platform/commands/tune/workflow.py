"""The use case behind ``dynst tune``: shared work first, then the trials, then the front.

Stopped anywhere, it goes on there.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import NamedTuple, TypedDict

import pandas as pd

from dynst.data.store import SensorStore
from dynst.errors import ConfigError
from dynst.storage.addresses import without_credentials
from dynst.storage.files import replace_text
from dynst_platform.commands.tune.front import chosen_of, front_of, hypervolumes
from dynst_platform.commands.tune.plot import draw_front
from dynst_platform.commands.tune.ray_tune import run_trials
from dynst_platform.commands.tune.records import Followed, Record, Records, trial_path
from dynst_platform.commands.tune.trial_driver import Listener, SweepDriver, jobs_of
from dynst_platform.commands.tune.trial_process import Setting
from dynst_platform.commands.tune.trial_runs import job_of
from dynst_platform.commands.tune.warm_up import WARM_KEYS, warm_up_task
from dynst_platform.config.files import dump_spec, load_sweep
from dynst_platform.config.job import JobSpec
from dynst_platform.config.job_id import new_job_id
from dynst_platform.config.locations import (
    artifact_root,
    home,
    tracking_uri,
    typed,
)
from dynst_platform.config.stores import first_unit, open_questions
from dynst_platform.config.sweep import SCHEME, SweepSpec
from dynst_platform.config.values import Overrides
from dynst_platform.csv_files import write_csv
from dynst_platform.errors import RunError
from dynst_platform.execution.gpus import TaskShape
from dynst_platform.execution.job_package import network_codes
from dynst_platform.execution.nodes import check_for_job
from dynst_platform.execution.worker_group import GroupShape
from dynst_platform.log import quiet_libraries
from dynst_platform.network_code.kept_code import CODE
from dynst_platform.plots.figures import drawn
from dynst_platform.studies.references import dense_task
from dynst_platform.studies.study import closed_on_failure, logged, pieces_of
from dynst_platform.studies.tasks import OnDone, Row, Task, TaskResult, run_tasks
from dynst_platform.tracking.folders import kept_copy, notes_how_to_go_on, working_folder
from dynst_platform.tracking.mlflow_runs import Tracker
from dynst_platform.tracking.run_address import sweep_of_run
from dynst_platform.tracking.run_folder import (
    SWEEP_FILE,
    SWEEP_PREFIX,
    mark_finished,
    mark_unfinished,
)
from dynst_platform.tracking.shared_folder import (
    SharedFolder,
    check_storage,
    fetched_run,
    named_folder,
    shared_folder,
)

__all__ = ["Started", "SweepOutcome", "TrialLine", "find_sweep", "tune"]

PARENT = "sweep"
START_FAILURES = 20  # of a trial's workers, while those of a stopped trial make room


class TrialLine(TypedDict):
    """A ``Record`` without its sensors, and where it stands among the others."""

    number: int
    state: str
    reason: str
    attempts: int
    steps: int
    seconds: float
    overrides: Overrides
    objectives: dict[str, float]
    metrics: dict[str, float]
    history: list[Followed]
    front: bool
    chosen: bool


@dataclass(frozen=True)
class SweepOutcome:
    """What a sweep gave: plain data for the screen, for ``--format json`` and for tests."""

    run_id: str
    experiment: str
    num_sensors: int
    unit: str
    dense: dict[str, float]  # the reference's mae_all on the validation part, and on the test part
    trials: list[TrialLine]
    front: list[int]  # numbers of the trials that no other one beats in every objective
    chosen: int | None
    hypervolume: list[tuple[int, float]]
    artifacts: dict[str, str]
    attribution: str
    open_questions: list[str] = field(default_factory=list)  # of the store


def sweep_folder(name: str, job_id: str) -> Path:
    return home() / name / f"{SWEEP_PREFIX}{job_id}"


class Started(NamedTuple):
    """A sweep that was started before."""

    folder: Path

    @property
    def sweep_file(self) -> Path:
        return self.folder / SWEEP_FILE

    @property
    def job_id(self) -> str:
        return self.folder.name.removeprefix(SWEEP_PREFIX)


def find_sweep(name: str) -> Started:
    """A sweep from its folder, its place in the home folder (``EXPERIMENT/FOLDER``), or its MLflow
    run.

    A folder that is not here is fetched from ``DYNST_STORAGE``.

    Raises:
        ConfigError: there is no such run, it is of no sweep, or its folder is not here.
        StorageError: the copy of its folder cannot be read.
    """
    folder = named_folder(name, SWEEP_FILE)
    if folder is not None:
        return Started(folder)
    experiment, job_id = sweep_of_run(tracking_uri(), name)
    started = Started(sweep_folder(experiment, job_id))
    fetched_run(f"{experiment}/{started.folder.name}")
    if not started.sweep_file.is_file():
        raise ConfigError(
            f"the sweep of run {name} has no folder at {started.folder}; set DYNST_HOME to where "
            f"it was started"
        )
    return started


def tune(
    sweep: SweepSpec,
    store: SensorStore,
    on_task: OnDone,
    listener: Listener,
    resume: Started | None,
) -> SweepOutcome:
    """Run a sweep to its end, or what is left of one.

    Args:
        on_task: called for each task of shared work: the dense reference, and warm-ups.
        resume: a sweep to go on with.

    Raises:
        BusyError: another process works on the sweep, or on what sweeps of its name share.
        ConfigError: the sweep was started on other data, costs, groups or marks.
        RunError: shared work, Tune or the tracking store failed; all that ended is kept.
    """
    quiet_libraries()
    base = jobs_of(sweep, {})[0]
    check_for_job(base, store)
    check_storage()
    job_id = resume.job_id if resume else new_job_id()
    folder = sweep_folder(sweep.name, job_id)
    with (
        working_folder(folder) as work,
        kept_copy(folder, work) as shared,
        ExitStack() as others,
    ):
        pieces = others.enter_context(working_folder(pieces_of(sweep.name)))
        tracker = Tracker(tracking_uri(), artifact_root(), base, store, job_id=job_id)
        with (
            notes_how_to_go_on(lambda: _way_on(folder, sweep), work),
            logged(tracker, folder),
            closed_on_failure(tracker, "go on with --resume"),
        ):
            _fill(shared, sweep, goes_on=resume is not None)
            _open(tracker, resume)
            work.begin()
            pieces.begin()
            dense = _shared_work(sweep, store, on_task)
            others.close()
            outcome = _trained(sweep, store, tracker, shared, listener, dense)
            mark_finished(folder)
            return outcome


def _fill(shared: SharedFolder, sweep: SweepSpec, goes_on: bool) -> None:
    """Write down what a kill is gone on with.

    What is in the copy holds, since another machine may have gone on with the sweep.
    """
    folder = shared.folder
    if goes_on:
        shared.fetch_all()
        mark_unfinished(folder)
    codes = network_codes(sweep) if shared.address is not None else []
    if codes:
        (folder / CODE).mkdir(exist_ok=True)
        for code in codes:
            code.write(folder / CODE)
        shared.put(folder / CODE)
    replace_text(folder / SWEEP_FILE, dump_spec(sweep))
    shared.put(folder / SWEEP_FILE)


def _way_on(folder: Path, sweep: SweepSpec) -> str:
    """With the trials that were to be added, where a full disk kept them from being written down.

    The one parameter that a resumed sweep may change is their number.
    """
    try:
        added = sweep.trials - load_sweep(folder / SWEEP_FILE, recorded=True).trials
    except (ConfigError, OSError):
        added = 0
    return f"dynst tune --resume {typed(folder)}" + (f" --extend {added}" if added else "")


def _open(tracker: Tracker, resume: Started | None) -> None:
    if resume is None:
        tracker.start(PARENT, PARENT)
    else:
        tracker.check_store()
        tracker.resume_run(PARENT, PARENT)


def _trained(
    sweep: SweepSpec,
    store: SensorStore,
    tracker: Tracker,
    shared: SharedFolder,
    listener: Listener,
    dense: dict[str, float],
) -> SweepOutcome:
    """Run the trials that are left."""
    folder, address = shared.folder, jobs_of(sweep, {})[0].cluster.address
    records = Records(folder / "trials", shared)
    driver = SweepDriver(sweep, records, tracker, tracker.runs[PARENT], listener, dense["test"])
    if driver.left:
        setting = _setting(sweep, store, records, shared)
        run_trials(sweep, setting, driver.left, folder / "ray", driver, address)
    driver.all_sent()
    return _outcome(sweep, store, tracker, shared, records.all(), dense)


def _shared_work(sweep: SweepSpec, store: SensorStore, on_task: OnDone) -> dict[str, float]:
    """The dense reference of each seed, and the warm-ups where their settings are those of all
    trials: one of the searched scheme, one of the others.

    Returns the reference's errors.
    """
    jobs = jobs_of(sweep, {})
    tasks = [dense_task(job, store, job.seed, job.training.epochs) for job in jobs]
    if _warm_up_is_shared(sweep):
        tasks += _warm_ups(sweep, store)
    rows: list[Row] = []

    def on_done(task: Task, result: TaskResult) -> None:
        rows.extend(result.rows)
        on_task(task, result)

    address, each = jobs[0].cluster.address, TaskShape.of_sweep(sweep.resources)
    run_tasks(tasks, pieces_of(sweep.name), min(2, len(tasks)), on_done, address, each)
    table = pd.DataFrame(rows).query("stage == 'dense'")
    return {"val": fmean(table["val_mae"]), "test": fmean(table["mae_all"])}


def _warm_ups(sweep: SweepSpec, store: SensorStore) -> list[Task]:
    """Of all schemes that are tried, each once."""
    varied = sweep.space.get(SCHEME)
    schemes = (varied and varied.entries) or ()
    jobs = [job for scheme in schemes for job in jobs_of(sweep, {SCHEME: scheme})]
    tasks = [warm_up_task(job, store) for job in jobs or jobs_of(sweep, {})]
    return list({task.folder: task for task in tasks}.values())


def _warm_up_is_shared(sweep: SweepSpec) -> bool:
    return not any(
        key.startswith(warm) for key in sweep.space for warm in WARM_KEYS
    ) and _base_warms_up(sweep)


def _base_warms_up(sweep: SweepSpec) -> bool:
    job = JobSpec.model_validate(sweep.job)
    return job.sparsity.dropout and int(job.sparsity.start * job.training.epochs) >= 1


def _setting(
    sweep: SweepSpec, store: SensorStore, records: Records, shared: SharedFolder
) -> Setting:
    return Setting(
        store=str(store.path),
        warm_ups=str(pieces_of(sweep.name)),
        trials=str(records.folder),
        hung_after=60 * sweep.hung_after_minutes,
        group=GroupShape(
            sweep.resources.workers, sweep.resources.cpu, sweep.resources.gpu, START_FAILURES
        ),
        state_every=sweep.perturb_every if sweep.scheduler == "pbt" else None,
        shared=shared,
        shared_warm_ups=shared_folder(pieces_of(sweep.name)),
    )


def _outcome(
    sweep: SweepSpec,
    store: SensorStore,
    tracker: Tracker,
    shared: SharedFolder,
    records: Sequence[Record],
    dense: dict[str, float],
) -> SweepOutcome:
    front = front_of(records, sweep.objectives)
    if not front:
        reasons = "; ".join(
            f"trial {record.number}: {record.reason}" for record in records if record.reason
        )
        raise RunError(
            f"none of {len(records)} trials finished ({reasons or 'none started in time'}); mend "
            f"the sweep and go on with --resume"
        )
    base, folder = JobSpec.model_validate(sweep.job), shared.folder
    chosen, unit = chosen_of(front, dense["val"], sweep.within), first_unit(base, store)
    title = f"{store.manifest.name}: {len(store.sensors)} sensors, {len(records)} trials"
    result = folder / "result"
    result.mkdir(exist_ok=True)
    (result / SWEEP_FILE).write_text(dump_spec(sweep), encoding="utf-8")
    path, error = result / "front.png", dense["val"]
    picture = drawn(path, lambda: draw_front(path, records, front, chosen, error, title, unit))
    lines = [_line(record, record in front, record is chosen) for record in records]
    write_csv(result / "trials.csv", pd.json_normalize([dict(line) for line in lines]))
    for record in front:
        shared.refresh(trial_path(folder / "trials", record.number))
        tracker.log_model(
            record.run_id,
            trial_path(folder / "trials", record.number),
            record.steps,
            record.metrics,
            job_of(sweep, record),
        )
    volumes = hypervolumes(records, sweep.objectives)
    _finish(tracker, result, volumes, chosen, dense)
    return SweepOutcome(
        run_id=tracker.runs[PARENT],
        experiment=sweep.name,
        num_sensors=len(store.sensors),
        unit=unit,
        dense=dense,
        trials=lines,
        front=[record.number for record in front],
        chosen=None if chosen is None else chosen.number,
        hypervolume=volumes,
        artifacts={
            "folder": str(folder),
            "picture": str(picture),
            "tracking_uri": without_credentials(tracker.uri),
        },
        attribution=store.manifest.attribution,
        open_questions=open_questions(base, store),
    )


def _line(record: Record, front: bool, chosen: bool) -> TrialLine:
    return TrialLine(
        number=record.number,
        state=record.state,
        reason=record.reason,
        attempts=record.attempts,
        steps=record.steps,
        seconds=record.seconds,
        overrides=record.overrides,
        objectives=record.objectives,
        metrics=record.metrics,
        history=record.history,
        front=front,
        chosen=chosen,
    )


def _finish(
    tracker: Tracker,
    result: Path,
    volumes: list[tuple[int, float]],
    chosen: Record | None,
    dense: dict[str, float],
) -> None:
    series = [(number, {"sweep/hypervolume": volume}) for number, volume in volumes]
    last = {f"dense/{part}_mae_all": error for part, error in dense.items()}
    if chosen is not None:
        last |= {
            f"chosen/{name}": value for name, value in (chosen.objectives | chosen.metrics).items()
        }
    series.append((len(volumes), last))
    tracker.finish_study(PARENT, series, result)
