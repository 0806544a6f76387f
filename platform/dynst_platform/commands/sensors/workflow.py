"""The deployment plan: which sensors a model needs, what each is worth, and how well a location is
forecast without its own.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from dynst.data.store import SensorStore
from dynst.experiment.protocol import error_figures, model_errors
from dynst.models.artifact import Artifact
from dynst.selection.subset_evaluator import SubsetEvaluator, evenly
from dynst_platform.config.experiment import experiment_of
from dynst_platform.config.job import JobSpec, UseGpu
from dynst_platform.config.locations import tracking_uri
from dynst_platform.config.stores import first_unit
from dynst_platform.execution.computing import computing_here
from dynst_platform.log import quiet_libraries
from dynst_platform.model_registry.references import (
    fetched,
    model_id_of,
    store_that_fits,
)
from dynst_platform.tracking.clients import reader_of

__all__ = ["Plan", "plan_of"]

WINDOWS = 512  # of the test part, to estimate the loss of a sensor on
MOST_LOST_ONE_BY_ONE = 512  # sensors; beyond, a first-order estimate


@dataclass(frozen=True)
class Plan:
    """``sensors`` has one row a sensor, in the order of the model.

    ``sensor`` (the user's own id, as the model has it), ``on``, ``importance``, ``cost`` and
    ``group`` as the store has them today, ``mae`` at its location over all steps of the test part,
    ``mae_all_if_lost`` where it is on: the error over ALL locations without it; ``x`` and ``y``
    where positions are known.
    """

    model: str
    store: SensorStore
    unit: str
    mae_all: float
    mae_active: float
    mae_inactive: float | None
    exact_losses: bool
    sensors: pd.DataFrame

    @property
    def cost(self) -> float:
        return float(self.sensors["cost"][self.sensors["on"]].sum())

    @property
    def cost_before(self) -> float:
        return float(self.sensors["cost"].sum())

    def summary(self) -> dict[str, Any]:
        """Plain data."""
        on = self.sensors["on"]
        return {
            "model": self.model,
            "sensors": len(on),
            "on": int(on.sum()),
            "off": self.sensors["sensor"][~on].tolist(),
            "cost_before": self.cost_before,
            "cost": self.cost,
            "mae_all": self.mae_all,
            "mae_active": self.mae_active,
            "mae_inactive": self.mae_inactive,
            "unit": self.unit,
        }


def plan_of(
    reference: str,
    store_name: str | None,
    trust_code: bool = False,
    use_gpu: UseGpu = "auto",
) -> Plan:
    """The plan of a champion, a version or a run's model, measured on the test part of its data.

    ``use_gpu`` is that of ``computing_here``.

    Raises:
        ConfigError: no such model, or the store holds other data.
        DataError: the store is damaged.
        ArtifactError: the model's files were changed.
        RefusedError: it runs code that is not trusted here, and ``trust_code`` is not set.
        RunError: a GPU is demanded, and PyTorch sees none.
    """
    quiet_libraries()
    uri = tracking_uri()
    client = reader_of(uri)
    with fetched(client, uri, model_id_of(client, uri, reference), trust_code) as found:
        store = store_that_fits(found, store_name)
        with computing_here(use_gpu) as device:
            return _plan(reference, found.artifact.on(device), found.job, store)


def _plan(reference: str, artifact: Artifact, job: JobSpec, store: SensorStore) -> Plan:
    experiment = experiment_of(
        job.model_copy(update={"model": artifact.description.model}), store.path
    )
    test, active = experiment.dataset.test, torch.tensor(artifact.description.active)
    errors = model_errors(experiment, artifact.model, active)
    figures = error_figures(errors, active)
    evaluator = SubsetEvaluator(artifact.model, [(test, evenly(len(test), WINDOWS))])
    exact = int(active.sum()) <= MOST_LOST_ONE_BY_ONE
    lost = _lost(evaluator, active) if exact else _lost_about(evaluator, active)
    sensors = pd.DataFrame(
        {
            "sensor": artifact.description.sensors,
            "on": active.numpy(),
            "importance": artifact.description.importance,
            "cost": store.sensors.cost,
            "group": store.sensors.group,
            "mae": errors.mae_by_sensor().numpy(),
            "mae_all_if_lost": lost + (errors.mae() - evaluator.loss(active)),
        }
    )
    if store.sensors.positions is not None:
        sensors[["x", "y"]] = store.sensors.positions
    return Plan(
        model=reference,
        store=store,
        unit=first_unit(job, store),
        mae_all=figures["mae_all"],
        mae_active=figures["mae_active"],
        mae_inactive=figures.get("mae_inactive"),
        exact_losses=exact,
        sensors=sensors,
    )


def _lost(evaluator: SubsetEvaluator, active: torch.Tensor) -> np.ndarray:
    """``[S]``; NaN for a sensor that is off, or the last one that is on."""
    out = np.full(len(active), np.nan)
    on = active.nonzero().squeeze(1).tolist() if active.sum() > 1 else []
    out[on] = evaluator.losses([active & (torch.arange(len(active)) != sensor) for sensor in on])
    return out


def _lost_about(evaluator: SubsetEvaluator, active: torch.Tensor) -> np.ndarray:
    """To first order, for networks where one evaluation for each sensor would take too long."""
    estimate = evaluator.loss(active) + evaluator.importance(active)
    found: np.ndarray = torch.where(active, estimate, torch.nan).numpy()
    return found
