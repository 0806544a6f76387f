"""Whether a backbone forecasts as well as the same model of an independent implementation.

    python -m benchmarks.parity.peer_accuracy metr-la-week1.h5 --graph adj_mx.pkl --pairs stid

Makes the peer's virtual environment, and trains both sides with every sensor on, three seeds each.
Prints errors of the test part over all locations, in raw units, with their spread.

Both sides have the same data, split, batches, learning rate of each step, AdamW, clipping, masked
mean absolute error, and choice of the best epoch by validation. Theirs is their model class with
their defaults, unless ``PAIRS`` says otherwise, on readings that are z-scored over the whole
network. Ours is the job that a user would write. Seconds of an epoch include its validation. They
are those of the processor, on one thread.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import fmean, median, stdev
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

import numpy as np
import torch

from benchmarks.parity.peer_environments import CACHE, PeerError, python_with, run
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
from dynst.training.trainer import Training, TrainingData

WINDOW, HORIZON = 12, 12
SHOWN_STEPS = (3, 6, 12)
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
    """Outcomes by everything that was set, in a file of JSON lines, so that a long comparison may
    be stopped and goes on.
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
class Bench:
    """What both sides train on."""

    store: SensorStore
    dataset: Dataset
    recipe: Recipe
    cache: Path
    records: Records

    def outcomes(self, pair: Pair, side: str, seeds: range) -> list[Outcome]:
        """Of ``ours`` or ``theirs``."""
        train = {"ours": self.ours, "theirs": self.theirs}[side]
        what = {
            "side": side,
            "options": getattr(pair, side),
            "model": pair.model,
            "recipe": self.recipe.model_dump(),
        }
        return [
            self.records.outcome(what | {"seed": seed}, partial(train, pair, seed))
            for seed in seeds
        ]

    def task(self, seed: int) -> PeerTask:
        """The very batches and learning rates of our training."""
        data, recipe, readings, edges = (
            self.dataset,
            self.recipe,
            self.store.readings,
            self.store.edges,
        )
        steps = recipe.steps_in_epoch(len(data.train))
        rates = [
            recipe.learning_rate_at(step, recipe.epochs * steps)
            for step in range(recipe.epochs * steps)
        ]
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
            batches=np.stack([self._batches(seed, epoch, steps) for epoch in range(recipe.epochs)]),
            rates=np.array(rates).reshape(recipe.epochs, steps),
            window=WINDOW,
            horizon=HORIZON,
            weight_decay=recipe.weight_decay,
            clip_norm=recipe.clip_norm,
        )

    def _batches(self, seed: int, epoch: int, steps: int) -> np.ndarray:
        batches = epoch_batches(
            len(self.dataset.train), self.recipe.batch_size, seed, epoch, World()
        )
        return torch.stack([batch for _, batch in zip(range(steps), batches, strict=False)]).numpy()

    def ours(self, pair: Pair, seed: int) -> Outcome:
        model = forecaster_for(self.dataset, model_config(pair.ours), self.store.edges, seed)
        scheme = dense_scheme(len(self.store.sensors))
        training = Training(
            model,
            scheme,
            self.recipe,
            TrainingData(self.dataset.train, self.dataset.val),
            seed,
            World(),
        )
        reports, ends = [], [process_time()]
        for report in training.run():
            reports.append(report)
            ends.append(process_time())
        errors = evaluate(model, self.dataset.test, scheme.active)
        return Outcome(
            mae=errors.mae(),
            by_step=[errors.mae(step=step) for step in range(HORIZON)],
            val_mae=min(report.val_mae for report in reports),
            parameters=sum(weight.numel() for weight in model.parameters()),
            epoch_seconds=median(end - began for began, end in pairwise(ends)),
        )

    def theirs(self, pair: Pair, seed: int) -> Outcome:
        python = python_with(pair.packages, self.cache)
        with TemporaryDirectory() as scratch:
            task = Path(scratch) / "task.npz"
            self.task(seed).save(task)
            command = [
                str(python),
                "-m",
                PEER,
                str(task),
                pair.model,
                str(seed),
                json.dumps(pair.theirs),
            ]
            return Outcome(**json.loads(run(command, pair.model).splitlines()[-1]))


def main() -> None:
    arguments = parse()
    torch.set_num_threads(1)
    recipe = Recipe(
        epochs=arguments.epochs, learning_rate=arguments.learning_rate, batch_size=arguments.batch
    )
    print(
        "| model | implementation | MAE | "
        + " | ".join(f"step {step}" for step in SHOWN_STEPS)
        + " | parameters | s an epoch |"
    )
    print("|---|---|" + "---:|" * (3 + len(SHOWN_STEPS)))
    with TemporaryDirectory() as scratch:
        store = imported(
            arguments.source, Path(scratch) / "store", GraphOptions(graph=arguments.graph)
        )
        bench = Bench(store, dataset_of(store), recipe, arguments.cache, Records(arguments.records))
        for name in arguments.pairs:
            for line in compared(bench, name, PAIRS[name], range(arguments.seeds)):
                print(line, flush=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "source", type=Path, help="readings in any form that dynst imports, one quantity"
    )
    parser.add_argument("--graph", type=Path, help="edge list or adjacency matrix")
    parser.add_argument("--pairs", nargs="+", choices=PAIRS, default=list(PAIRS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=0.002)
    parser.add_argument(
        "--cache", type=Path, default=CACHE, help="where the peers' virtual environments are kept"
    )
    parser.add_argument(
        "--records",
        type=Path,
        help="file of outcomes to go on from; they do not know of changes of code or data",
    )
    return parser.parse_args()


def imported(source: Path, store: Path, graph: GraphOptions) -> SensorStore:
    import_store(source, store, graph=graph)
    return open_store(store)


def dataset_of(store: SensorStore) -> Dataset:
    model = model_config({})
    return make_dataset(store, model, plan_dataset(store, model, season="none"))


def model_config(options: Options) -> ModelConfig:
    return ModelConfig.model_validate({"window": WINDOW, "horizon": HORIZON} | options)


def compared(bench: Bench, name: str, pair: Pair, seeds: range) -> Iterator[str]:
    """Two lines of the table, and one for the ratio.

    A peer that does not run is said and costs nobody else.
    """
    ours = bench.outcomes(pair, "ours", seeds)
    yield row(name, "ours", ours)
    try:
        theirs = bench.outcomes(pair, "theirs", seeds)
    except PeerError as error:
        yield f"\n{pair.model}: {error}\n"
        return
    yield row(name, pair.model, theirs)
    errors, seconds = (
        fmean(getattr(outcome, what) for outcome in ours)
        / fmean(getattr(outcome, what) for outcome in theirs)
        for what in ("mae", "epoch_seconds")
    )
    yield (
        f"| {name} | ours / theirs | {errors:.3f} |"
        + " |" * (1 + len(SHOWN_STEPS))
        + f" {seconds:.2f} |"
    )


def row(name: str, implementation: str, outcomes: list[Outcome]) -> str:
    steps = [
        with_spread([outcome.by_step[step - 1] for outcome in outcomes]) for step in SHOWN_STEPS
    ]
    figures = [
        with_spread([outcome.mae for outcome in outcomes]),
        *steps,
        f"{outcomes[0].parameters:,}",
    ]
    return (
        f"| {name} | {implementation} | "
        + " | ".join(figures)
        + f" | {fmean(o.epoch_seconds for o in outcomes):.2f} |"
    )


def with_spread(values: list[float]) -> str:
    """Mean and standard deviation."""
    return f"{fmean(values):.3f}" + (f" ± {stdev(values):.3f}" if len(values) > 1 else "")


if __name__ == "__main__":
    main()
