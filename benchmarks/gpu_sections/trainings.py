"""Trainings of synthetic networks by DynST's own trainer, and how fast their steps are."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu_sections.scale import Scale
from dynst.data.store import SensorStore, open_store
from dynst.data.synthetic import write_synthetic_field
from dynst.distributed.world import current_world
from dynst.experiment.config import ExperimentConfig
from dynst.experiment.dataset import Dataset
from dynst.experiment.experiment import Experiment
from dynst.models.factory import ModelConfig
from dynst.models.registry import BACKBONES, backbone_class, traits_of
from dynst.sparsity.scheme import fixed_scheme
from dynst.training.config import Recipe
from dynst.training.trainer import EpochResult, Training

__all__ = ["NAMES", "Pace", "experiment", "half_of", "in_turn", "network", "pace", "peak_gib"]

SPLIT = (0.8, 0.1, 0.1)
WINDOW = HORIZON = 12
NAMES = [name for name in BACKBONES if traits_of(backbone_class(name)).compact]


@contextmanager
def network(num_sensors: int, num_steps: int) -> Iterator[SensorStore]:
    """A synthetic one, in a temporary folder."""
    with TemporaryDirectory() as folder:
        write_synthetic_field(Path(folder) / "store", num_sensors, num_steps)
        yield open_store(Path(folder) / "store")


def experiment(
    store: SensorStore,
    scale: Scale,
    model: str | dict[str, Any],
    batch: int,
    dataset: Dataset | None = None,
    split: tuple[float, float, float] = SPLIT,
    **recipe: Any,
) -> Experiment:
    """Twelve steps from twelve, by a backbone or other settings of a model."""
    named = {"backbone": model} if isinstance(model, str) else model
    settings = {"epochs": scale.epochs, "steps_per_epoch": scale.steps, "batch_size": batch}
    config = ExperimentConfig(
        model=ModelConfig.model_validate({"window": WINDOW, "horizon": HORIZON} | named),
        training=Recipe.model_validate(settings | recipe),
        season="none",
        split=split,
    )
    return Experiment(store, config, current_world(), dataset)


def half_of(made: Experiment) -> Training:
    """Trains on a random half of the sensors from the first step on."""
    return made.training(fixed_scheme(half(made.num_sensors)))


def half(num_sensors: int) -> Tensor:
    active = torch.zeros(num_sensors, dtype=torch.bool)
    chance = torch.Generator().manual_seed(0)
    active[torch.randperm(num_sensors, generator=chance)[: num_sensors // 2]] = True
    return active


@dataclass(frozen=True)
class Pace:
    """Of a training: medians over the epochs after the first, which warms up.

    Args:
        step_ms: milliseconds of a step.
        windows: that are trained on in a second.
        first_s: seconds of the first epoch.
        loss: of the last epoch.
    """

    step_ms: float
    windows: float
    first_s: float
    loss: float

    @classmethod
    def of(cls, training: Training, epochs: Sequence[EpochResult]) -> "Pace":
        windows = median(epoch.windows_per_second for epoch in epochs[1:])
        batch = min(training.recipe.batch_size, len(training.train))
        return cls(1e3 * batch / windows, windows, epochs[0].seconds, epochs[-1].train_loss)


def pace(training: Training) -> Pace:
    """Train to the end."""
    return Pace.of(training, list(training.run()))


def in_turn(one: Training, other: Training) -> tuple[Pace, Pace]:
    """Train both to the end, an epoch of each in turn."""
    epochs = list(zip(one.run(), other.run(), strict=True))
    return Pace.of(one, [pair[0] for pair in epochs]), Pace.of(other, [pair[1] for pair in epochs])


def peak_gib(device: torch.device) -> str:
    """Of all tensors since the last call of ``reset_peak_memory_stats``; a CPU does not say."""
    if device.type != "cuda":
        return "–"
    return f"{torch.cuda.max_memory_allocated(device) / 2**30:.2f}"
