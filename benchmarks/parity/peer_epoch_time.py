"""The time of an epoch, beside independent implementations and a loop written by hand.

    python -m benchmarks.parity.peer_epoch_time

Both sides have the same network, windows, batch size, optimizer and loss. Validation is included.
Times are processor seconds on one thread, the sides in turn, medians.

"By hand" is our own network in a plain PyTorch loop: a DataLoader over numpy windows, and readings
that are multiplied by a mask of 0 and 1, so that every sensor is computed. Peers are BasicTS 1.1
and tsl 0.9.5, each in a virtual environment that is made at the first use. Without SOURCE the
readings are synthetic: 207 sensors, a week of five minutes.
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import fmean, median
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from benchmarks.parity.peer_accuracy import (
    PAIRS,
    Bench,
    Pair,
    Records,
    dataset_of,
    imported,
    model_config,
)
from benchmarks.parity.peer_environments import CACHE, PeerError
from benchmarks.support.stopwatch import of_processor
from dynst.data.importers.import_store import GraphOptions
from dynst.data.store import SensorStore, open_store
from dynst.data.synthetic import write_synthetic_field
from dynst.data.windows import Windows
from dynst.distributed.world import World
from dynst.experiment.dataset import forecaster_for
from dynst.models.forecaster import SparseForecaster
from dynst.sparsity.config import SparsityConfig, make_scheme
from dynst.sparsity.criteria import RandomScore
from dynst.sparsity.scheme import Scheme, dense_scheme
from dynst.training.config import Recipe
from dynst.training.trainer import Training, TrainingData

SPARSITY = 0.5
NUM_SENSORS, STEPS = 207, 2016
Epoch = Callable[[], float]  # trains one and validates; seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, nargs="?")
    parser.add_argument("--graph", type=Path)
    parser.add_argument(
        "--pairs", nargs="+", choices=PAIRS, default=["stid", "graph_wavenet", "agcrn"]
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--no-peers", action="store_true", help="leave out what has to be installed"
    )
    parser.add_argument("--cache", type=Path, default=CACHE)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(
        "| network | other side | parameters, ours / theirs | ours dense / theirs | ours, half of "
        "the sensors off / theirs |"
    )
    print("|---|---|---:|---:|---:|")
    with TemporaryDirectory() as scratch:
        store = store_of(options.source, options.graph, Path(scratch) / "store")
        bench = Bench(
            store, dataset_of(store), Recipe(epochs=1, batch_size=64), options.cache, Records(None)
        )
        for name in options.pairs:
            for line in compared(bench, name, PAIRS[name], options):
                print(line, flush=True)


def store_of(source: Path | None, graph: Path | None, path: Path) -> SensorStore:
    if source is not None:
        return imported(source, path, GraphOptions(graph=graph))
    write_synthetic_field(path, NUM_SENSORS, STEPS, step_seconds=300)
    return open_store(path)


def compared(bench: Bench, name: str, pair: Pair, options: argparse.Namespace) -> Iterator[str]:
    """A line for each other side: the hand-written loop, and the peer.

    One that does not run is said and costs nobody else.
    """
    ours = forecaster_for(bench.dataset, model_config(pair.ours), bench.store.edges, seed=0)
    size = sum(weight.numel() for weight in ours.parameters())
    sides: dict[str, Epoch] = {
        "dense": our_epoch(bench, pair, dense_scheme(len(bench.store.sensors))),
        "sparse": our_epoch(bench, pair, half(len(bench.store.sensors))),
        "by hand": ByHand(ours, bench).epoch,
    }
    seconds = in_turn(sides, options.rounds)
    yield line(f"`{name}` | by hand, masked inputs", size, size, seconds, "by hand")
    if options.no_peers:
        return
    try:
        theirs = [bench.theirs(pair, seed) for seed in range(options.rounds)]
    except PeerError as error:
        yield f"\n{pair.model}: {error}\n"
        return
    seconds["theirs"] = median(outcome.epoch_seconds for outcome in theirs)
    yield line(f"`{name}` | {pair.model}", size, theirs[0].parameters, seconds, "theirs")


def line(title: str, size: int, other_size: int, seconds: dict[str, float], other: str) -> str:
    ratios = " | ".join(f"{seconds[side] / seconds[other]:.2f}" for side in ("dense", "sparse"))
    return f"| {title} | {size:,} / {other_size:,} | {ratios} |"


def in_turn(sides: dict[str, Epoch], rounds: int) -> dict[str, float]:
    """Medians, after an epoch of each that is not counted."""
    times = [{side: epoch() for side, epoch in sides.items()} for _ in range(rounds + 1)][1:]
    return {side: median(of_round[side] for of_round in times) for side in sides}


def half(num_sensors: int) -> Scheme:
    """A fixed random choice from the first step on."""
    config = SparsityConfig(scheme="one_shot", final=SPARSITY, start=0.0, dropout=False)
    return make_scheme(config, num_sensors, 1, 0, criterion=RandomScore(num_sensors, 0))


def our_epoch(bench: Bench, pair: Pair, scheme: Scheme) -> Epoch:
    data = bench.dataset
    model = forecaster_for(data, model_config(pair.ours), bench.store.edges, seed=0)
    recipe = bench.recipe.model_copy(update={"epochs": 1000})
    reports = Training(model, scheme, recipe, TrainingData(data.train, data.val), 0, World()).run()
    return lambda: of_processor(lambda: next(reports))


class ByHand:
    """What stands in most repositories: a DataLoader, a mask that multiplies the readings, a
    loop.
    """

    def __init__(self, model: SparseForecaster, bench: Bench) -> None:
        self.model, self.clip_norm = model, bench.recipe.clip_norm
        self.sensors = torch.arange(model.shape.num_sensors)
        self.mask = (
            torch.rand(len(self.sensors), generator=torch.Generator().manual_seed(0)) < SPARSITY
        ).float()[:, None]
        self.train, self.val = (
            loader(windows, bench.recipe.batch_size)
            for windows in (bench.dataset.train, bench.dataset.val)
        )
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=bench.recipe.learning_rate)

    def epoch(self) -> float:
        return of_processor(self._epoch)

    def _epoch(self) -> None:
        self.model.train()
        for batch in self.train:
            self.optimizer.zero_grad()
            self._error(*batch).backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.clip_norm)
            self.optimizer.step()
        self.model.eval()
        with torch.no_grad():
            fmean(self._error(*batch).item() for batch in self.val)

    def _error(
        self, past: Tensor, known: Tensor, calendar: Tensor, ahead: Tensor, observed: Tensor
    ) -> Tensor:
        """Mean absolute error over what was observed; past and ahead are ``[B, ·, S, 1]``."""
        forecast = self.model(past * self.mask, known & (self.mask > 0), calendar, self.sensors)
        return ((forecast - ahead).abs() * observed).sum() / observed.sum().clamp(min=1)


class NumpyWindows(Dataset[tuple[np.ndarray, ...]]):
    """Slices of arrays, a sample at a time."""

    def __init__(self, windows: Windows) -> None:
        series = windows.series
        self.values, self.observed, self.calendar = (
            series.values.numpy(),
            series.observed.numpy(),
            series.calendar.numpy(),
        )
        self.starts, self.window, self.horizon = (
            windows.starts.tolist(),
            windows.window,
            windows.horizon,
        )

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        first = self.starts[index]
        past, ahead = (
            slice(first, first + self.window),
            slice(first + self.window, first + self.window + self.horizon),
        )
        return (
            self.values[past],
            self.observed[past],
            self.calendar[ahead.start],
            self.values[ahead],
            self.observed[ahead],
        )


def loader(windows: Windows, batch_size: int) -> DataLoader[tuple[np.ndarray, ...]]:
    return DataLoader(NumpyWindows(windows), batch_size, shuffle=True)


if __name__ == "__main__":
    main()
