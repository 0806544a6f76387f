"""What ours and an independent implementation are trained on, and how each one is trained."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

import numpy as np
import torch

from benchmarks.parity.peer_environments import python_with, run
from benchmarks.parity.peer_task import PeerTask
from dynst.data.importers.import_store import GraphOptions, import_store
from dynst.data.store import SensorStore, open_store
from dynst.distributed.world import World
from dynst.evaluation.evaluate import evaluate
from dynst.experiment.dataset import Dataset, forecaster_for, make_dataset, plan_dataset
from dynst.models.factory import ModelConfig
from dynst.sparsity.scheme import dense_scheme
from dynst.training.config import Recipe
from dynst.training.sampler import epoch_batches
from dynst.training.step_shares import StepShares
from dynst.training.trainer import Training, TrainingData

__all__ = [
    "HORIZON",
    "PAIRS",
    "Comparison",
    "Outcome",
    "Pair",
    "Records",
    "dataset_of",
    "imported",
    "model_config",
]

WINDOW, HORIZON = 12, 12
PEER = "benchmarks.parity.peer_training"
Options = dict[str, Any]


@dataclass(frozen=True)
class Pair:
    """The same published model, there and here."""

    packages: str  # of peer_environments.PACKAGES
    model: str  # of peer_models.MODELS
    theirs: Options
    ours: Options  # of model


# No embedding of the day of the week: a single week is tested on other days than it is trained on,
# whose embeddings stay random.
PAIRS = {
    "stid": Pair(
        "basicts",
        "basicts.STID",
        {"num_layers": 3, "if_time_in_day": True},
        {"backbone": "stid", "hidden": 96},
    ),
    "stid-tsl": Pair("tsl", "tsl.STID", {}, {"backbone": "stid", "hidden": 96}),
    "graph_wavenet": Pair(
        "tsl", "tsl.GraphWaveNet", {}, {"backbone": "graph_wavenet", "hidden": 32}
    ),
    "agcrn": Pair("tsl", "tsl.AGCRN", {"n_layers": 2}, {"backbone": "agcrn", "hidden": 64}),
}


@dataclass(frozen=True)
class Outcome:
    """One training."""

    mae: float
    by_step: list[float]  # [H]
    val_mae: float
    parameters: int
    epoch_seconds: float


@dataclass(frozen=True)
class Records:
    """Outcomes by everything that was set, in a file of JSON lines.

    With them a long comparison can be stopped and continued.
    """

    path: Path | None

    def outcome(self, settings: Options, train: Callable[[], Outcome]) -> Outcome:
        """As it was recorded, or of a training now."""
        if self.path is None:
            return train()
        lines = self.path.read_text().splitlines() if self.path.is_file() else []
        for record in map(json.loads, lines):
            if record["settings"] == settings:
                return Outcome(**record["outcome"])
        outcome = train()
        with self.path.open("a") as file:
            file.write(json.dumps({"settings": settings, "outcome": asdict(outcome)}) + "\n")
        return outcome


@dataclass(frozen=True)
class Comparison:
    """What both sides train on."""

    store: SensorStore
    dataset: Dataset
    recipe: Recipe
    cache: Path
    records: Records

    def outcomes(self, pair: Pair, side: str, seeds: range) -> list[Outcome]:
        """Of ``ours`` or ``theirs``."""
        train = {"ours": self.ours, "theirs": self.theirs}[side]
        settings = {
            "side": side,
            "options": getattr(pair, side),
            "model": pair.model,
            "recipe": self.recipe.model_dump(),
        }
        return [
            self.records.outcome(settings | {"seed": seed}, partial(train, pair, seed))
            for seed in seeds
        ]

    def task(self, seed: int) -> PeerTask:
        """The very batches and learning rates of our training."""
        data, recipe, readings = self.dataset, self.recipe, self.store.readings
        edges, epochs = self.store.edges, range(recipe.epochs)
        steps = recipe.steps_in_epoch(len(data.train))
        total = recipe.epochs * steps
        rates = [recipe.learning_rate_at(step, total) for step in range(total)]
        return PeerTask(
            values=readings.values[..., 0],
            observed=readings.observed[..., 0],
            time=readings.time,
            sources=edges.source.astype(np.int64),
            targets=edges.target.astype(np.int64),
            weights=edges.weight,
            train=data.train.starts.numpy(),
            val=data.val.starts.numpy(),
            test=data.test.starts.numpy(),
            batches=np.stack([self._batches(seed, epoch, steps) for epoch in epochs]),
            rates=np.array(rates).reshape(recipe.epochs, steps),
            window=WINDOW,
            horizon=HORIZON,
            weight_decay=recipe.weight_decay,
            clip_norm=recipe.clip_norm,
        )

    def _batches(self, seed: int, epoch: int, steps: int) -> np.ndarray:
        size, count = self.recipe.batch_size, len(self.dataset.train)
        batches = epoch_batches(count, size, seed, epoch, StepShares.of(self.recipe, World()))
        alone = [batch for _, (batch,) in zip(range(steps), batches, strict=False)]
        return torch.stack(alone).numpy()

    def ours(self, pair: Pair, seed: int) -> Outcome:
        data = self.dataset
        model = forecaster_for(data, model_config(pair.ours), self.store.edges, seed)
        scheme = dense_scheme(len(self.store.sensors))
        material = TrainingData(data.train, data.val)
        training = Training(model, scheme, self.recipe, material, seed, World())
        reports, ends = [], [process_time()]
        for report in training.run():
            reports.append(report)
            ends.append(process_time())
        errors = evaluate(model, data.test, scheme.active)
        return Outcome(
            mae=errors.mae(),
            by_step=[errors.mae(step=step) for step in range(HORIZON)],
            val_mae=min(report.val_mae for report in reports),
            parameters=sum(weight.numel() for weight in model.parameters()),
            epoch_seconds=median(end - began for began, end in pairwise(ends)),
        )

    def theirs(self, pair: Pair, seed: int) -> Outcome:
        """By the peer's own interpreter.

        Raises:
            PeerError: it cannot be installed or run.
        """
        python = python_with(pair.packages, self.cache)
        with TemporaryDirectory() as scratch:
            task = Path(scratch) / "task.npz"
            self.task(seed).save(task)
            words = [str(task), pair.model, str(seed), json.dumps(pair.theirs)]
            printed = run([str(python), "-m", PEER, *words], pair.model)
        return Outcome(**json.loads(printed.splitlines()[-1]))


def imported(source: Path, store: Path, graph: GraphOptions) -> SensorStore:
    import_store(source, store, graph=graph)
    return open_store(store)


def dataset_of(store: SensorStore) -> Dataset:
    model = model_config({})
    return make_dataset(store, model, plan_dataset(store, model, season="none"))


def model_config(options: Options) -> ModelConfig:
    return ModelConfig.model_validate({"window": WINDOW, "horizon": HORIZON} | options)
