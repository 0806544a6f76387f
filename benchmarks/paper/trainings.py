"""One training of one cell of a table."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from math import nan
from pathlib import Path
from statistics import mean
from time import perf_counter
from typing import Any

import torch

from benchmarks.support.experiments import experiment_for
from benchmarks.support.rows import RowFile
from dynst.experiment.arms import Arm
from dynst.experiment.experiment import Experiment
from dynst.experiment.protocol import evaluate, time_inference, train
from dynst_platform.config.files import load_job

__all__ = ["ROWS", "Cell", "Found", "averaged", "horizon_of", "measured"]

ROWS = Path(__file__).parent / "rows"
DENSE, RANDOM = "dense", "random"


@dataclass(frozen=True)
class Cell:
    """What a training is.

    Args:
        job: name of a job of ``jobs/evidence``.
        backbone: by its name.
        horizon: steps that are forecast.
        scheme: of pruning, or ``random`` for a random choice, or ``dense``.
        sparsity: share of sensors that is off.
        seed: of weights, batches and choices.
        epochs: of the training.
    """

    job: str
    backbone: str
    horizon: int
    scheme: str
    sparsity: float
    seed: int
    epochs: int


@dataclass(frozen=True)
class Found:
    """What was measured, over ALL locations of the test part.

    Args:
        mae: mean absolute error, in the unit of the first target.
        rmse: root of the mean square, in the same unit.
        ssim: structural similarity of the frames of a grid; NaN for other networks.
        psnr: peak signal-to-noise ratio of the frames, in dB.
        dense_ms: of 64 forecasts by the same network with every sensor on.
        compact_ms: of 64 forecasts from the sensors that are on.
        flops_ratio: products of a forecast, dense over compact.
        seconds: of the training, its search included.
    """

    mae: float
    rmse: float
    ssim: float
    psnr: float
    dense_ms: float
    compact_ms: float
    flops_ratio: float
    seconds: float


def measured(cells: Iterable[Cell], file: RowFile, settings: list[str]) -> list[dict[str, Any]]:
    """A row for each cell; those that are in the file are not trained again."""
    torch.set_num_threads(1)
    return [file.row(cell, partial(_trained, cell, settings)) for cell in cells]


def horizon_of(job: str) -> int:
    """The steps that an evidence job forecasts."""
    return load_job(_path(job)).model.horizon


def averaged(rows: Iterable[dict[str, Any]], *keys: str) -> Iterator[dict[str, Any]]:
    """Means over seeds of the rows that agree in ``keys``, in their order."""

    def key(row: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(row[name] for name in keys)

    for _, group in groupby(rows, key):
        members = list(group)
        figures = Found.__annotations__
        yield members[0] | {name: mean(row[name] for row in members) for name in figures}


def _trained(cell: Cell, settings: list[str]) -> Found:
    experiment = experiment_for(_path(cell.job), [*_settings(cell), *settings])
    started, arm = perf_counter(), _arm(experiment, cell.scheme)
    train(experiment, arm)
    seconds, found = perf_counter() - started, evaluate(experiment, arm)
    cost = time_inference(experiment, arm, arm.training.model)
    assert cost is not None
    return Found(
        found.errors.mae(),
        found.errors.rmse(),
        found.images.get("ssim", nan),
        found.images.get("psnr", nan),
        cost.dense_ms,
        cost.compact_ms,
        cost.flops_ratio,
        seconds,
    )


def _path(job: str) -> Path:
    return Path("jobs/evidence") / f"{job}.yaml"


def _settings(cell: Cell) -> list[str]:
    scheme = "one_shot" if cell.scheme in (DENSE, RANDOM) else cell.scheme
    own = [f"sparsity.final={cell.sparsity}", f"sparsity.scheme={scheme}"] if cell.sparsity else []
    return [
        *own,
        f"model.backbone={cell.backbone}",
        f"model.horizon={cell.horizon}",
        f"training.epochs={cell.epochs}",
        f"seed={cell.seed}",
    ]


def _arm(experiment: Experiment, scheme: str) -> Arm:
    if scheme == DENSE:
        return experiment.dense()
    return experiment.random(0) if scheme == RANDOM else experiment.learned()
