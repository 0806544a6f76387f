"""The time of an epoch, beside independent implementations and a loop written by hand.

    python -m benchmarks.parity.peer_epoch_time

Both sides have the same network, windows, batch size, optimizer and loss. Validation is included.
Times are processor seconds on one thread, the sides in turn, medians.

"By hand" is our own network in a plain PyTorch loop: a DataLoader over numpy windows, and readings
that are multiplied by a mask of 0 and 1, so that every sensor is computed. Peers are BasicTS 1.1
and tsl 0.9.5, each in a virtual environment that is made at the first use. Without SOURCE the
readings are synthetic: 207 sensors, a week of five minutes.
"""

from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import fmean, median
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from benchmarks.parity.peer_comparison import (
    PAIRS,
    Comparison,
    Pair,
    Records,
    dataset_of,
    imported,
    model_config,
)
from benchmarks.parity.peer_environments import CACHE, PeerError
from benchmarks.support.options import parser_for
from benchmarks.support.stopwatch import of_processor
from benchmarks.support.tables import header, row
from dynst.data.importers.import_store import GraphOptions
from dynst.data.store import SensorStore, open_store
from dynst.data.synthetic import write_synthetic_field
from dynst.data.windows import ForecastInputs, Windows
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
COLUMNS = (
    "network",
    "other side",
    "parameters, ours / theirs",
    "ours dense / theirs",
    "ours, half of the sensors off / theirs",
)
Epoch = Callable[[], float]  # trains one and validates; seconds


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("source", type=Path, nargs="?")
    parser.add_argument("--graph", type=Path)
    parser.add_argument(
        "--pairs", nargs="+", choices=PAIRS, default=["stid", "graph_wavenet", "agcrn"]
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-peers", action="store_true", help="only the loop by hand")
    parser.add_argument("--cache", type=Path, default=CACHE)
    options = parser.parse_args()
    torch.set_num_threads(1)
    recipe = Recipe(epochs=1, batch_size=64)
    print(header(COLUMNS, text=2))
    with TemporaryDirectory() as scratch:
        store = store_of(options.source, options.graph, Path(scratch) / "store")
        both = Comparison(store, dataset_of(store), recipe, options.cache, Records(None))
        for name in options.pairs:
            for line in compared(both, name, PAIRS[name], options):
                print(line, flush=True)


def store_of(source: Path | None, graph: Path | None, path: Path) -> SensorStore:
    if source is not None:
        return imported(source, path, GraphOptions(graph=graph))
    write_synthetic_field(path, NUM_SENSORS, STEPS, step_seconds=300)
    return open_store(path)


def compared(both: Comparison, name: str, pair: Pair, options: Namespace) -> Iterator[str]:
    """A line for each other side: the loop by hand, and the peer.

    A peer that does not run is named, and the others go on.
    """
    ours = forecaster_for(both.dataset, model_config(pair.ours), both.store.edges, seed=0)
    size = sum(weight.numel() for weight in ours.parameters())
    sides: dict[str, Epoch] = {
        "dense": our_epoch(both, pair, dense_scheme(len(both.store.sensors))),
        "sparse": our_epoch(both, pair, half(len(both.store.sensors))),
        "by hand": ByHand(ours, both).epoch,
    }
    seconds = in_turn(sides, options.rounds)
    by_hand = ratios(seconds, seconds["by hand"])
    yield row([f"`{name}`", "by hand, masked inputs", f"{size:,} / {size:,}", *by_hand])
    if options.no_peers:
        return
    try:
        outcomes = [both.theirs(pair, seed) for seed in range(options.rounds)]
    except PeerError as error:
        yield f"\n{pair.model}: {error}\n"
        return
    theirs = ratios(seconds, median(outcome.epoch_seconds for outcome in outcomes))
    sizes = f"{size:,} / {outcomes[0].parameters:,}"
    yield row([f"`{name}`", pair.model, sizes, *theirs])


def ratios(seconds: dict[str, float], other: float) -> list[str]:
    """Ours, dense and sparse, relative to the other side."""
    return [f"{seconds[side] / other:.2f}" for side in ("dense", "sparse")]


def in_turn(sides: dict[str, Epoch], rounds: int) -> dict[str, float]:
    """Medians, after an epoch of each that is not counted."""
    times = [{side: epoch() for side, epoch in sides.items()} for _ in range(rounds + 1)][1:]
    return {side: median(of_round[side] for of_round in times) for side in sides}


def half(num_sensors: int) -> Scheme:
    """A fixed random choice from the first step on."""
    config = SparsityConfig(scheme="one_shot", final=SPARSITY, start=0.0, dropout=False)
    return make_scheme(config, num_sensors, 1, 0, criterion=RandomScore(num_sensors, 0))


def our_epoch(both: Comparison, pair: Pair, scheme: Scheme) -> Epoch:
    data = both.dataset
    model = forecaster_for(data, model_config(pair.ours), both.store.edges, seed=0)
    recipe = both.recipe.model_copy(update={"epochs": 1000})
    reports = Training(model, scheme, recipe, TrainingData(data.train, data.val), 0, World()).run()
    return lambda: of_processor(lambda: next(reports))


class ByHand:
    """The common loop: a DataLoader, and readings that are multiplied by a mask."""

    def __init__(self, model: SparseForecaster, both: Comparison) -> None:
        self.model, self.clip_norm = model, both.recipe.clip_norm
        self.sensors = torch.arange(model.shape.num_sensors)
        draws = torch.rand(len(self.sensors), generator=torch.Generator().manual_seed(0))
        self.mask = (draws < SPARSITY).float()[:, None]
        self.train, self.val = (
            loader(windows, both.recipe.batch_size)
            for windows in (both.dataset.train, both.dataset.val)
        )
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=both.recipe.learning_rate)

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
        forecast: Tensor = self.model(
            ForecastInputs(past * self.mask, known & (self.mask > 0), calendar, self.sensors)
        )
        return ((forecast - ahead).abs() * observed).sum() / observed.sum().clamp(min=1)


class NumpyWindows(Dataset[tuple[np.ndarray, ...]]):
    """Slices of arrays, a sample at a time."""

    def __init__(self, windows: Windows) -> None:
        series = windows.series
        values, observed = series.at(torch.arange(len(series.time)), windows.targets)
        self.values, self.observed = values.numpy(), observed.numpy()
        self.calendar, self.starts = series.calendar.numpy(), windows.starts.tolist()
        self.window, self.horizon = windows.window, windows.horizon

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        middle = self.starts[index] + self.window
        past, ahead = slice(self.starts[index], middle), slice(middle, middle + self.horizon)
        return (
            self.values[past],
            self.observed[past],
            self.calendar[middle],
            self.values[ahead],
            self.observed[ahead],
        )


def loader(windows: Windows, batch_size: int) -> DataLoader[tuple[np.ndarray, ...]]:
    return DataLoader(NumpyWindows(windows), batch_size, shuffle=True)


if __name__ == "__main__":
    main()
