"""What runs on every worker: the job's arms, one after another. Knows neither Ray nor MLflow; figures leave as plain reports."""

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dynst.artifact import Description, artifact_digest, save_artifact
from dynst.breakdown import errors_by_step, overall_errors, sensor_groups
from dynst.build import Dataset, DatasetPlan, make_dataset
from dynst.comparison import Arm, Comparison
from dynst.data.store import SensorStore, open_store
from dynst.devices import CPU
from dynst.efficiency import measure_efficiency
from dynst.metrics import ErrorTable
from dynst.naive import persistence_errors, seasonal_naive_errors
from dynst.training.checkpoints import Checkpoints
from dynst.training.frames import evaluate_frames, value_ranges
from dynst.training.world import current_world
from dynst_platform.given import read_choice
from dynst_platform.spec import JobSpec
from dynst_platform.stores import plan_job
from dynst_platform.tracking.report_file import Report
from dynst_platform.workers.job_position import JobRun, TellsReport

__all__ = ["Report", "checkpoints_of", "run_job", "save_model"]


def run_job(job: JobSpec, store_path: Path, folder: Path, tell: TellsReport, device: torch.device = CPU) -> None:
    """Train every arm of the job and tell of epochs as they end; goes on from the last checkpoint, if the run has one.

    Every rank tells equally often. What was told before an interruption may be told again.

    Args:
        folder: of the run, seen by every worker: checkpoints, unless the job has another place for them, and ``models/<arm>``.
        device: what this worker computes on.
    """
    world = current_world(device)
    store = open_store(store_path)
    plan = plan_job(job, store)
    dataset = make_dataset(store, job.model, plan)
    comparison = Comparison(dataset, store.edges, job.model, job.training, job.sparsity, job.search, job.seed, world)
    run = JobRun(checkpoints_of(job, store, folder), job.training, tell, world)
    frame_metrics = _frame_judge(dataset, store, plan)
    for arm in _trained_arms(job, comparison, run):
        errors, frames = arm.test_errors(dataset), frame_metrics(arm)
        if arm.kind == "dense":
            run.position.dense = {"errors": vars(errors), "frames": frames}
        dense = run.position.dense
        final = _final_report(arm, errors, _references(dataset, dense) if arm.kind == "learned" else {}, store)
        final["metrics"] |= _named("test", frames)
        if arm.kind == "learned":
            final["metrics"] |= _named("dense", dense["frames"]) if dense else {}
            final["efficiency"] = vars(measure_efficiency(arm.training.model, dataset.test, arm.active))
        target = folder / "models" / arm.name
        if world.rank == 0:  # whose report is the one that counts
            target = _keep_model(target, arm, job, store)
        run.end(arm, final | {"artifact": str(target)})


def checkpoints_of(job: JobSpec, store: SensorStore, folder: Path) -> Checkpoints:
    """Of the run in ``folder``; where the job runs is no part of what they belong to."""
    address = f"{job.cluster.checkpoints.rstrip('/')}/{folder.name}" if job.cluster.checkpoints else str(folder / "checkpoints")
    spec = job.model_dump(mode="json", exclude={"cluster"}) | {"data_digest": store.manifest.digest}
    return Checkpoints(address, spec, job.cluster.keep_checkpoints)


def _trained_arms(job: JobSpec, comparison: Comparison, run: JobRun) -> Iterator[Arm]:
    """Dense first, so that the others can be held against it; fixed choices start from the learned one's warm-up."""
    ended = set(run.position.ended)
    if job.references.dense and "dense" not in ended:
        dense = comparison.dense()
        run.take_up(dense)
        yield run.advance(dense)
    if "dynst" not in ended:
        yield _learned(job, comparison, run)
    for name, make in _others(job, comparison).items():
        if name in ended:
            continue
        arm = make()
        if not run.take_up(arm):
            assert run.position.warm is not None
            arm.training.continue_from_state(run.position.warm)
        yield run.advance(arm)


def _learned(job: JobSpec, comparison: Comparison, run: JobRun) -> Arm:
    """The shared warm-up, the judged choice where the scheme has one, and the rest."""
    learned = comparison.learned()
    run.take_up(learned)
    if not run.position.warmed:
        run.advance(learned, until_epoch=comparison.warm_epochs(learned))
        warm = learned.training.state_dict() if _others(job, comparison) else None
        comparison.decide(learned)
        run.position.warmed, run.position.warm = True, warm
        run.keep(learned)
    return run.advance(learned)


def _others(job: JobSpec, comparison: Comparison) -> dict[str, Callable[[], Arm]]:
    """The arms that share the warm-up, each made when it is its turn."""
    others: dict[str, Callable[[], Arm]] = {}
    for number in range(job.references.random):
        others[f"random-{number}"] = partial(comparison.random, number)
    for name in job.references.baselines:
        others[name] = partial(comparison.ranked, name)
    if job.references.given is not None:
        choice = read_choice(job.references.given, comparison.dataset.network.sensors.ids)
        others["given"] = partial(comparison.given, choice)
    return others


def _final_report(arm: Arm, errors: ErrorTable, references: dict[str, ErrorTable], store: SensorStore) -> Report:
    """How the arm ended, and what the references reach at the very sensors that its mask keeps and switches off."""
    groups = sensor_groups(arm.active)
    channels = _target_names(arm, store)
    minutes = store.manifest.step_seconds / 60 if store.manifest.timed else None
    return {
        "kind": "arm",
        "arm": arm.name,
        "arm_kind": arm.kind,
        "step": arm.training.step,
        "active": arm.active.tolist(),
        "importance": arm.training.scheme.criterion.scores(arm.active).tolist(),
        "mae_by_sensor": errors.mae_by_sensor().tolist(),
        "metrics": _horizon_metrics(errors)
        | {
            f"{name}/{key}": value
            for name, table in ({"test": errors} | references).items()
            for key, value in overall_errors(table, groups, channels).items()
        },
        "errors": []
        if arm.kind == "dense"
        else [
            vars(row)
            for name, table in ({arm.name: errors} | references).items()
            for row in errors_by_step(name, table, groups, channels, minutes)
        ],
    }


def _target_names(arm: Arm, store: SensorStore) -> list[str]:
    """What is forecast, once for all cells of a patch."""
    training, quantities = arm.training, store.manifest.quantities
    measured = training.model.scaler.quantity[training.train.targets].tolist()
    return [quantities[number].name for number in dict.fromkeys(measured)]


def _references(dataset: Dataset, dense: dict[str, Any] | None) -> dict[str, ErrorTable]:
    """What stands beside the learned arm in its own report; random arms report for themselves."""
    tables = {
        "dense": None if dense is None else ErrorTable(**dense["errors"]),
        "persistence": persistence_errors(dataset.test, dataset.scaler),
        "seasonal_naive": seasonal_naive_errors(dataset.test, dataset.scaler),
    }
    return {name: table for name, table in tables.items() if table is not None}


def _frame_judge(dataset: Dataset, store: SensorStore, plan: DatasetPlan) -> Callable[[Arm], dict[str, float]]:
    """Similarity of pictures for a grid; nothing for other networks."""
    layout = store.manifest.layout
    if layout is None:
        return lambda arm: {}
    ranges = value_ranges(store.readings, plan.train, layout, plan.channels)

    def judge(arm: Arm) -> dict[str, float]:
        scores = evaluate_frames(arm.training.model, dataset.test, arm.active, layout, ranges, arm.training.world)
        return {"ssim": scores.ssim, "psnr": scores.psnr}

    return judge


def _named(prefix: str, figures: dict[str, float]) -> dict[str, float]:
    return {f"{prefix}/{name}": value for name, value in figures.items()}


def _horizon_metrics(errors: ErrorTable) -> dict[str, float]:
    """Numbered so that names sort as the steps do."""
    horizon = errors.count.shape[0]
    digits = max(2, len(str(horizon)))
    return {f"test/mae_all_h{step + 1:0{digits}d}": errors.mae(step=step) for step in range(horizon)}


def _keep_model(folder: Path, arm: Arm, job: JobSpec, store: SensorStore) -> Path:
    """Whole or not at all, and never changed again: where the arm had ended before, its report may be on its way to MLflow with
    the folder's name in it. The same model stays in its place, another one, which a GPU may make, gets a place of its own."""
    draft = folder.with_name(f".{folder.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    save_model(draft, arm, job, store)
    places = chain([folder], (folder.with_name(f"{folder.name}.{number}") for number in count(2)))
    for place in places:
        if not place.exists():
            draft.rename(place)
            return place
        if artifact_digest(place) == artifact_digest(draft):
            break
    shutil.rmtree(draft)
    return place


def save_model(folder: Path, arm: Arm, job: JobSpec, store: SensorStore) -> None:
    season = arm.training.model.scaler.season
    description = Description(
        model=job.model,
        sensors=store.sensors.ids,
        active=tuple(arm.active.tolist()),
        importance=tuple(arm.training.scheme.criterion.scores(arm.active).tolist()),
        channels=tuple(store.channel_names),
        targets=tuple(arm.training.train.targets.tolist()),
        season_period=season.period,
        season_slots=season.slots,
        season_step=season.step,
        step_seconds=store.manifest.step_seconds,
        data_digest=store.manifest.digest,
        patching=store.manifest.layout,
        blank=_blank(store),
    )
    save_artifact(folder, arm.training.model, description, store.edges, store.sensors.positions)


def _blank(store: SensorStore) -> tuple[tuple[int, int], ...]:
    """What a patch has no cell for, or no reading ever; a model's user is not asked for it."""
    if store.manifest.patching is None:
        return ()
    return tuple((sensor, channel) for sensor, channel in np.argwhere(~store.ever_observed).tolist())
