"""What runs on every worker: the job's arms, one after another.

Knows neither Ray nor MLflow; figures leave as plain reports.
"""

import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from dynst.data.clock import step_text
from dynst.data.store import SensorStore
from dynst.distributed.world import current_world
from dynst.evaluation.efficiency import Efficiency
from dynst.evaluation.error_table import ErrorTable
from dynst.evaluation.naive import persistence_errors, seasonal_naive_errors
from dynst.evaluation.ridge import PROFILE, RIDGE, profile_errors
from dynst.evaluation.summary import errors_by_step, overall_errors, sensor_groups
from dynst.experiment.arms import Arm, ArmKind
from dynst.experiment.dataset import Dataset
from dynst.experiment.experiment import Experiment
from dynst.experiment.protocol import (
    Evaluation,
    evaluate,
    prepare,
    present_errors,
    ridge_errors,
    save_arm,
    time_inference,
)
from dynst.models.artifact import artifact_digest
from dynst.training.checkpoint_store import Checkpoints
from dynst_platform.config.arms import BEST_RULE
from dynst_platform.config.credentials import redacted
from dynst_platform.config.earlier import with_earlier_defaults
from dynst_platform.config.experiment import experiment_of
from dynst_platform.config.job import JobSpec
from dynst_platform.config.sensor_choice import read_choice
from dynst_platform.config.values import Document
from dynst_platform.execution.run_state import DenseResult, Publish, ResumableRun, RunState
from dynst_platform.reports import COST, ArmReport, SelectionReport
from dynst_platform.tracking.shared_folder import ALONE, SharedFolder

__all__ = ["checkpoints_of", "run_job"]

DIGEST, DECISIONS = "data_digest", "decisions_digest"
PLACES: dict[str, Any] = {  # of a job, where it runs and where its files lie
    "cluster": True,
    "data": {"store"},
    "references": {"given"},
    "curve": {"given"},
}
logger = logging.getLogger(__name__)


def run_job(
    job: JobSpec,
    store_path: Path,
    folder: Path,
    publish: Publish,
    shared: SharedFolder = ALONE,
) -> None:
    """Train every arm of the job, on the device that this process computes on, and report epochs
    as they end.

    Goes on from the last checkpoint, if the run has one.

    Every rank reports equally often. A report from before an interruption may be repeated.

    Args:
        folder: of the run, for checkpoints, unless the job has another place for them, and
            ``models/<arm>``. Every worker sees it, or has its copy.
        shared: the folder with its copy.
    """
    world = current_world()
    experiment = experiment_of(job, store_path, world)
    logger.info("worker %d of %d on %s: %s", world.rank, world.size, world.device, job.name)
    run = ResumableRun(checkpoints_of(job, experiment.store, folder), job.training, publish, world)
    for arm in _trained_arms(job, experiment, run):
        found = evaluate(experiment, arm)
        if arm.kind == ArmKind.DENSE:
            run.state.dense = {"errors": vars(found.errors), "frames": found.images}
        whole = arm.training.whole_model()
        efficiency = time_inference(experiment, arm, whole) if arm.kind == ArmKind.LEARNED else None
        target = folder / "models" / arm.name
        if whole is not None and world.rank == 0:  # whose report is the one that counts
            save = partial(save_arm, experiment=experiment, arm=arm, whole=whole)
            target = _keep_model(target, save, shared)
        run.end(arm, _arm_report(experiment, arm, found, run.state, efficiency, target))


def checkpoints_of(job: JobSpec, store: SensorStore, folder: Path) -> Checkpoints:
    """Of the run in ``folder``; where the job runs, and where its files lie, is no part of what
    they belong to.
    """
    address = (
        f"{job.cluster.checkpoints.rstrip('/')}/{folder.name}"
        if job.cluster.checkpoints
        else str(folder / "checkpoints")
    )
    held = {DIGEST: store.manifest.digest, DECISIONS: store.decisions_digest}
    spec = _spec_of(job) | held
    return Checkpoints(
        address, spec, job.cluster.keep_checkpoints, partial(_upgraded, store=store, job=job)
    )


def _upgraded(spec: Mapping[str, Any], store: SensorStore, job: JobSpec) -> Mapping[str, Any]:
    """What an earlier DynST wrote, with today's names, and defaults for what it did not know.

    Its digest covered costs, groups and marks too. Its steps had a part for each worker, whose
    number could not change.
    """
    parts = {"parts_per_step": job.training.parts_per_step}
    held = {DIGEST: spec.get(DIGEST), DECISIONS: spec.get(DECISIONS, "")}
    try:
        settings = {key: spec[key] for key in spec if key not in held}
        settings["data"] = {"store": "of today", **settings.get("data", {})}
        settings["training"] = parts | settings.get("training", {})
        today = JobSpec.model_validate(with_earlier_defaults(redacted(settings)))
    except (ValidationError, TypeError):  # the difference will be named
        return spec
    if DECISIONS not in spec and store.has_content(str(spec.get(DIGEST))):
        held = {DIGEST: store.manifest.digest, DECISIONS: store.decisions_digest}
    return _spec_of(today) | held


def _spec_of(job: JobSpec) -> Document:
    return job.model_dump(mode="json", exclude=PLACES)


def _trained_arms(job: JobSpec, experiment: Experiment, run: ResumableRun) -> Iterator[Arm]:
    """Dense first, so that the others can be held against it.

    Fixed choices start from the learned one's warm-up.
    """
    ended = set(run.state.ended)
    if job.references.dense and "dense" not in ended:
        dense = experiment.dense()
        run.restore(dense)
        yield run.advance(dense)
    if "dynst" not in ended:
        yield _learned(job, experiment, run)
    for name, make in _others(job, experiment, run.state).items():
        if name in ended:
            continue
        arm = make()
        if not run.restore(arm):
            assert run.state.warm is not None
            arm.training.continue_from_state(run.state.warm)
        yield run.advance(arm)


def _learned(job: JobSpec, experiment: Experiment, run: ResumableRun) -> Arm:
    """The shared warm-up, the selection, and the rest."""
    learned, state = experiment.learned(), run.state
    run.restore(learned)
    if not state.warmed:
        shared = bool(_others(job, experiment, state))

        def keep_warm(arm: Arm) -> None:
            state.warm = arm.training.state_dict() if shared else None

        found = prepare(experiment, learned, run=run.advance, on_warm=keep_warm)
        if found is not None and found.verdict is not None:
            block = step_text(experiment.blocks.length, experiment.store.manifest.clock.unit)
            state.selection = SelectionReport.of(found.verdict, block).model_dump()
        state.warmed = True
        run.checkpoint(learned)
    return run.advance(learned)


def _others(job: JobSpec, experiment: Experiment, state: RunState) -> dict[str, Callable[[], Arm]]:
    """The arms that share the warm-up, each made when it is its turn."""
    others: dict[str, Callable[[], Arm]] = {}
    for number in range(job.references.random):
        others[f"random-{number}"] = partial(experiment.random, number)
    for name in job.references.baselines:
        others[name] = partial(experiment.ranked, name)
    if job.trains_best_rule:
        others[BEST_RULE] = partial(_best_rule, experiment, state)
    if job.references.given is not None:
        choice = read_choice(job.references.given, experiment.store.sensors.ids)
        others["given"] = partial(experiment.given, choice)
    return others


def _best_rule(experiment: Experiment, state: RunState) -> Arm:
    """The search has noted which choice that is."""
    selection = SelectionReport.model_validate(state.selection)
    assert selection.ruled is not None
    active = torch.zeros(experiment.num_sensors, dtype=torch.bool)
    active[list(selection.ruled)] = True
    return experiment.given(active, BEST_RULE)


def _arm_report(
    experiment: Experiment,
    arm: Arm,
    found: Evaluation,
    state: RunState,
    efficiency: Efficiency | None,
    artifact: Path,
) -> ArmReport:
    """How the arm ended, and what the references reach at the very sensors that its mask keeps and
    switches off.
    """
    store, groups = experiment.store, sensor_groups(arm.active)
    learned, dense = arm.kind == ArmKind.LEARNED, state.dense
    simpler = _simpler(experiment, arm.active) if learned else {}
    present = (
        present_errors(experiment, arm.training.model, arm.active)
        if learned and experiment.config.model.present
        else None
    )
    tables = {"test": found.errors} | (_references(experiment.dataset, dense) if learned else {})
    tables |= simpler
    channels = _target_names(arm, store)
    minutes = store.manifest.step / 60 if store.manifest.clock.unit == "second" else None
    metrics = _horizon_metrics(found.errors) | {COST: float(store.sensors.cost[arm.active].sum())}
    for name, table in tables.items():
        metrics |= _named(name, overall_errors(table, groups, channels))
    if present is not None:
        metrics |= _named("present", overall_errors(present, groups, channels))
    metrics |= _named("test", found.images) | (
        _named("dense", dense["frames"]) if learned and dense else {}
    )
    rows = [
        row
        for name, table in tables.items()
        for row in errors_by_step(
            arm.name if name == "test" else name, table, groups, channels, minutes
        )
    ]
    return ArmReport(
        arm=arm.name,
        arm_kind=arm.kind,
        step=arm.training.step,
        active=tuple(arm.active.tolist()),
        importance=tuple(arm.training.scheme.criterion.scores(arm.active).tolist()),
        mae_by_sensor=tuple(found.errors.mae_by_sensor().tolist()),
        simpler_by_sensor={
            name: tuple(table.mae_by_sensor().tolist()) for name, table in simpler.items()
        },
        present_by_sensor=() if present is None else tuple(present.mae_by_sensor().tolist()),
        metrics=metrics,
        errors=() if arm.kind == ArmKind.DENSE else tuple(rows),
        efficiency={} if efficiency is None else vars(efficiency),
        artifact=str(artifact),
        selection=SelectionReport.model_validate(state.selection)
        if learned and state.selection
        else None,
    )


def _target_names(arm: Arm, store: SensorStore) -> list[str]:
    """What is forecast, once for all cells of a patch."""
    training, quantities = arm.training, store.manifest.quantities
    measured = training.model.scaler.quantity[training.train.targets].tolist()
    return [quantities[number].name for number in dict.fromkeys(measured)]


def _references(dataset: Dataset, dense: DenseResult | None) -> dict[str, ErrorTable]:
    """What stands beside the learned arm in its own report; random arms report for themselves."""
    tables = {
        "dense": None if dense is None else ErrorTable(**dense["errors"]),
        "persistence": persistence_errors(dataset.test, dataset.scaler),
        "seasonal_naive": seasonal_naive_errors(dataset.test, dataset.scaler),
    }
    return {name: table for name, table in tables.items() if table is not None}


def _simpler(experiment: Experiment, active: Tensor) -> dict[str, ErrorTable]:
    """What a person would forecast without a network: a linear regression that reads the same
    sensors, where there are not too many of them, and the seasonal profile, which reads none.

    The report of the first rank is the one that counts.
    """
    data, device = experiment.dataset, experiment.world.device
    profile = {PROFILE: profile_errors(data.test, data.scaler, device)}
    ridge = None if experiment.world.rank else ridge_errors(experiment, active)
    return profile if ridge is None else {RIDGE: ridge} | profile


def _named(prefix: str, figures: dict[str, float]) -> dict[str, float]:
    return {f"{prefix}/{name}": value for name, value in figures.items()}


def _horizon_metrics(errors: ErrorTable) -> dict[str, float]:
    """Numbered so that names sort as the steps do."""
    horizon = errors.count.shape[0]
    digits = max(2, len(str(horizon)))
    return {
        f"test/mae_all_h{step + 1:0{digits}d}": errors.mae(step=step) for step in range(horizon)
    }


def _keep_model(folder: Path, save: Callable[[Path], None], shared: SharedFolder) -> Path:
    """Whole or not at all, and never changed again: where the arm had ended before, its report may
    be on its way to MLflow with the folder's name in it. The same model stays in its place,
    another one, which a GPU may make, gets a place of its own.
    """
    draft = folder.with_name(f".{folder.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    save(draft)
    places = chain([folder], (folder.with_name(f"{folder.name}.{number}") for number in count(2)))
    for place in places:
        shared.fetch(place)
        if not place.exists():
            shared.put(place, draft)
            draft.rename(place)
            return place
        if artifact_digest(place) == artifact_digest(draft):
            break
        logger.warning("%s holds another model of this arm; a place of its own is made", place)
    shutil.rmtree(draft)
    return place
