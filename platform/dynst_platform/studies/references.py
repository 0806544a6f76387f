"""What every study is held against: the training that reads every sensor, and forecasts that need
none.
"""

from math import nan
from time import perf_counter

import numpy as np
import pandas as pd
from torch import Tensor

from dynst.data.store import SensorStore
from dynst.evaluation.naive import persistence_errors, seasonal_naive_errors
from dynst.evaluation.ridge import PROFILE
from dynst.experiment.experiment import Experiment
from dynst.experiment.protocol import error_figures, model_errors
from dynst.models.forecaster import SparseForecaster
from dynst.training.config import HOW_KEPT
from dynst.training.trainer import Training
from dynst_platform.config.experiment import experiment_of
from dynst_platform.config.job import JobSpec
from dynst_platform.config.values import Document
from dynst_platform.studies.tasks import Row, Task, TaskResult

__all__ = [
    "FIGURES",
    "REFERENCES",
    "dense_task",
    "errors_of_all",
    "reference_errors",
    "run_to_the_end",
    "study_basis",
]

FIGURES = ("mae_all", "mae_active", "mae_inactive", "rmse_all", "wape_all")  # of a choice
REFERENCES = ("dense", "persistence", "seasonal_naive", PROFILE)


def dense_task(job: JobSpec, store: SensorStore, seed: int, epochs: int) -> Task:
    """The reference that reads everything, and the naive ones beside it."""
    where = (job, str(store.path), seed, epochs)
    return Task(
        f"seed-{seed}/dense",
        _dense,
        where,
        study_basis(job, store) | {"seed": seed, "epochs": epochs},
    )


def study_basis(job: JobSpec, store: SensorStore) -> Document:
    """What every task of a study depends on, wherever its store lies; a choice depends on the
    store's costs, groups and marks too.
    """
    settings = job.model_dump(
        mode="json",
        include={"data", "model", "training"},
        exclude={"data": {"store"}, "training": HOW_KEPT},
    )
    demands = {"dropout_density", "min_distance", "pinned", "excluded"}
    return (
        settings
        | job.sparsity.model_dump(mode="json", include=demands)
        | {"digest": store.manifest.digest}
    )


def _dense(job: JobSpec, store: str, seed: int, epochs: int) -> TaskResult:
    experiment = experiment_of(job.model_copy(update={"seed": seed}), store)
    training = experiment.dense(epochs).training
    row: Row = {"stage": "dense", "seconds": run_to_the_end(training)}
    row |= {"val_mae": training.best[0] if training.best else nan}
    row |= errors_of_all(experiment, training.model, training.scheme.active)
    dataset = experiment.dataset
    naive = {"persistence": persistence_errors, "seasonal_naive": seasonal_naive_errors}
    rows: list[Row] = [row | {"seed": seed}]
    for name, errors_of in naive.items():
        errors = errors_of(dataset.test, dataset.scaler)
        if errors is not None:
            rows.append(
                {"stage": name, "seed": seed, "mae_all": errors.mae(), "rmse_all": errors.rmse()}
            )
    return TaskResult(rows)


def errors_of_all(
    experiment: Experiment, model: SparseForecaster, active: Tensor
) -> dict[str, float]:
    errors = error_figures(model_errors(experiment, model, active), active)
    return {name: errors[name] for name in FIGURES if name.endswith("_all")}


def run_to_the_end(training: Training) -> float:
    """Train; returns the seconds that it took."""
    started = perf_counter()
    for _ in training.run():
        pass
    return perf_counter() - started


def reference_errors(table: pd.DataFrame) -> dict[str, float]:
    """Mean ALL-MAE over seeds of what stands beside the choices."""
    return {
        name: float(found)
        for name in REFERENCES
        if np.isfinite(found := table.loc[table.stage == name, "mae_all"].mean())
    }
