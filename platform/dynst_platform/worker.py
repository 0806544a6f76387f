"""What runs on every worker: the job's arms, one after another. Knows neither Ray nor MLflow; figures leave as plain reports."""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from dynst.artifact import Description, save_artifact
from dynst.breakdown import errors_by_step, overall_errors, sensor_groups
from dynst.build import Dataset, DatasetPlan, make_dataset
from dynst.comparison import Arm, Comparison
from dynst.data.store import SensorStore, open_store
from dynst.efficiency import measure_efficiency
from dynst.metrics import ErrorTable
from dynst.naive import persistence_errors, seasonal_naive_errors
from dynst.sparsity.mask import MaskUpdate
from dynst.training.frames import evaluate_frames, value_ranges
from dynst.training.loop import EpochReport
from dynst.training.world import current_world
from dynst_platform.given import read_choice
from dynst_platform.spec import JobSpec
from dynst_platform.stores import plan_job

__all__ = ["Report", "ReportSink", "run_job", "save_model"]

Report = dict[str, Any]  # plain figures: kind is "epoch", or "arm" at the end of a training
ReportSink = Callable[[Report, Path | None], None]  # a folder goes with the report that ends an arm, on rank 0


def run_job(job: JobSpec, store_path: Path, report: ReportSink) -> None:
    """Train every arm of the job and report epochs as they end.

    Every rank reports equally often. The folder handed over with an arm's last report holds its model and lives only for the call.
    """
    world = current_world()
    store = open_store(store_path)
    plan = plan_job(job, store)
    dataset = make_dataset(store, job.model, plan)
    comparison = Comparison(dataset, store.edges, job.model, job.training, job.sparsity, job.search, job.seed, world)
    dense_errors: ErrorTable | None = None
    frame_metrics = _frame_judge(dataset, store, plan)
    dense_frames: dict[str, float] = {}
    for arm in _trained_arms(job, comparison, report):
        errors = arm.test_errors(dataset)
        if arm.kind == "dense":
            dense_errors, dense_frames = errors, frame_metrics("dense", arm)
        final = _final_report(arm, errors, _references(dataset, dense_errors) if arm.kind == "learned" else {}, store)
        final["metrics"] |= frame_metrics("test", arm)
        if arm.kind == "learned":
            final["metrics"] |= dense_frames
            final["efficiency"] = vars(measure_efficiency(arm.training.model, dataset.test, arm.active))
        with TemporaryDirectory() as folder:
            if world.rank == 0:
                save_model(Path(folder), arm, job, store)
            report(final, Path(folder) if world.rank == 0 else None)


def _trained_arms(job: JobSpec, comparison: Comparison, report: ReportSink) -> Iterator[Arm]:
    """Dense first, so that the others can be held against it; fixed choices start from the learned one's warm-up."""
    if job.references.dense:
        dense = comparison.dense()
        yield _run(dense, report)
    learned = comparison.learned()
    _run(learned, report, until_epoch=comparison.warm_epochs(learned))
    others = [comparison.random(number) for number in range(job.references.random)]
    others += [comparison.ranked(name) for name in job.references.baselines]
    if job.references.given is not None:
        others.append(comparison.given(read_choice(job.references.given, comparison.dataset.network.sensors.ids)))
    for arm in others:
        arm.training.continue_from(learned.training)
    comparison.decide(learned)
    yield _run(learned, report)
    for arm in others:
        yield _run(arm, report)


def _run(arm: Arm, report: ReportSink, until_epoch: int | None = None) -> Arm:
    for epoch in arm.training.run(until_epoch):
        report(_epoch_report(arm, epoch), None)
    return arm


def _epoch_report(arm: Arm, epoch: EpochReport) -> Report:
    figures = {name: value for name, value in vars(epoch).items() if name != "updates"}
    updates = [_plain_update(update) for update in epoch.updates]
    return (
        {"kind": "epoch", "arm": arm.name, "arm_kind": arm.kind, "epochs": arm.training.recipe.epochs}
        | figures
        | {"updates": updates}
    )


def _plain_update(update: MaskUpdate) -> dict[str, Any]:
    return vars(update) | {"active": update.active.tolist(), "importance": update.importance.tolist()}


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


def _references(dataset: Dataset, dense: ErrorTable | None) -> dict[str, ErrorTable]:
    """What stands beside the learned arm in its own report; random arms report for themselves."""
    tables = {
        "dense": dense,
        "persistence": persistence_errors(dataset.test, dataset.scaler),
        "seasonal_naive": seasonal_naive_errors(dataset.test, dataset.scaler),
    }
    return {name: table for name, table in tables.items() if table is not None}


def _frame_judge(dataset: Dataset, store: SensorStore, plan: DatasetPlan) -> Callable[[str, Arm], dict[str, float]]:
    """Similarity of pictures for a grid; nothing for other networks."""
    layout = store.manifest.layout
    if layout is None:
        return lambda prefix, arm: {}
    ranges = value_ranges(store.readings, plan.train, layout, plan.channels)

    def judge(prefix: str, arm: Arm) -> dict[str, float]:
        scores = evaluate_frames(arm.training.model, dataset.test, arm.active, layout, ranges, arm.training.world)
        return {f"{prefix}/ssim": scores.ssim, f"{prefix}/psnr": scores.psnr}

    return judge


def _horizon_metrics(errors: ErrorTable) -> dict[str, float]:
    """Numbered so that names sort as the steps do."""
    horizon = errors.count.shape[0]
    digits = max(2, len(str(horizon)))
    return {f"test/mae_all_h{step + 1:0{digits}d}": errors.mae(step=step) for step in range(horizon)}


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
