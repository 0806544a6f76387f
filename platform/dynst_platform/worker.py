"""What runs on every worker: the job's arms, one after another. Knows neither Ray nor MLflow; figures leave as plain reports."""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from dynst.artifact import Description, save_artifact
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
from dynst_platform.spec import JobSpec
from dynst_platform.stores import plan_job

__all__ = ["Report", "ReportSink", "run_job"]

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
    comparison = Comparison(dataset, store.edges, job.model, job.training, job.sparsity, job.seed, world)
    dense_errors: ErrorTable | None = None
    frame_metrics = _frame_judge(dataset, store, plan)
    dense_frames: dict[str, float] = {}
    for arm in _trained_arms(job, comparison, report):
        errors = arm.test_errors(dataset)
        if arm.kind == "dense":
            dense_errors, dense_frames = errors, frame_metrics("dense", arm)
        final = _final_report(arm, errors)
        final["metrics"] |= frame_metrics("test", arm)
        if arm.kind == "learned":
            final["metrics"] |= _reference_metrics(arm, dataset, dense_errors) | dense_frames
            final["efficiency"] = vars(measure_efficiency(arm.training.model, dataset.test, arm.active))
        with TemporaryDirectory() as folder:
            if world.rank == 0:
                _save(Path(folder), arm, job, store)
            report(final, Path(folder) if world.rank == 0 else None)


def _trained_arms(job: JobSpec, comparison: Comparison, report: ReportSink) -> Iterator[Arm]:
    """Dense first, so that the others can be held against it; random ones start from the learned one's warm-up."""
    if job.references.dense:
        dense = comparison.dense()
        yield _run(dense, report)
    learned = comparison.learned()
    _run(learned, report, until_epoch=comparison.warm_epochs(learned))
    random_arms = [comparison.random(number) for number in range(job.references.random)]
    for arm in random_arms:
        arm.training.continue_from(learned.training)
    yield _run(learned, report)
    for arm in random_arms:
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


def _final_report(arm: Arm, errors: ErrorTable) -> Report:
    scores = arm.training.scheme.criterion.scores()
    return {
        "kind": "arm",
        "arm": arm.name,
        "arm_kind": arm.kind,
        "step": arm.training.step,
        "active": arm.active.tolist(),
        "importance": scores.tolist(),
        "mae_by_sensor": errors.mae_by_sensor().tolist(),
        "metrics": _group_metrics("test", errors, arm) | _horizon_metrics(errors),
    }


def _reference_metrics(arm: Arm, dataset: Dataset, dense: ErrorTable | None) -> dict[str, float]:
    """What others reach at the very sensors that the learned mask keeps and switches off."""
    references = {
        "dense": dense,
        "persistence": persistence_errors(dataset.test, dataset.scaler),
        "seasonal_naive": seasonal_naive_errors(dataset.test, dataset.scaler),
    }
    return {
        key: value
        for name, errors in references.items()
        if errors is not None
        for key, value in _group_metrics(name, errors, arm).items()
    }


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


def _group_metrics(prefix: str, errors: ErrorTable, arm: Arm) -> dict[str, float]:
    groups = {"all": None, "active": arm.active} | ({} if arm.active.all() else {"inactive": ~arm.active})
    measures = {"mae": errors.mae, "rmse": errors.rmse, "wape": errors.wape}
    return {
        f"{prefix}/{measure}_{group}": compute(sensors)
        for measure, compute in measures.items()
        for group, sensors in groups.items()
    }


def _horizon_metrics(errors: ErrorTable) -> dict[str, float]:
    return {f"test/mae_all_h{step + 1:02d}": errors.mae(step=step) for step in range(errors.count.shape[0])}


def _save(folder: Path, arm: Arm, job: JobSpec, store: SensorStore) -> None:
    season = arm.training.model.scaler.season
    description = Description(
        model=job.model,
        sensors=store.sensors.ids,
        active=tuple(arm.active.tolist()),
        importance=tuple(arm.training.scheme.criterion.scores().tolist()),
        channels=tuple(store.channel_names),
        targets=tuple(arm.training.train.targets.tolist()),
        season_period=season.period,
        season_slots=season.slots,
        step_seconds=store.manifest.step_seconds,
        data_digest=store.manifest.digest,
        patching=store.manifest.patching,
        blank=_blank(store),
    )
    save_artifact(folder, arm.training.model, description, store.edges)


def _blank(store: SensorStore) -> tuple[tuple[int, int], ...]:
    """What a patch has no cell for, or no reading ever; a model's user is not asked for it."""
    if store.manifest.patching is None:
        return ()
    return tuple((sensor, channel) for sensor, channel in np.argwhere(~store.ever_observed).tolist())
