"""What switching sensors off saves in a forecast.

    python -m benchmarks.speed.inference

Every network with compact steps forecasts all locations. It does so from all sensors, and from
those that are left. The calls take turns in one process, on one thread. A figure is the median over
the turns of the dense time divided by the sparse time.

"Of the ideal" compares the speed-up with that of a network whose time is proportional to its
number of sensors. Where a batch of 64 does not fit, a smaller one is taken and named. With
``--compile`` the calls go through ``torch.compile`` (static shapes).
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from time import perf_counter

import numpy as np
import torch
from torch import Tensor

from benchmarks.support.stopwatch import by_clock
from dynst.data.edges import Edges, nearest_neighbour_edges
from dynst.data.scaler import SEASONS, SeasonalScaler
from dynst.devices import module_on, synchronize
from dynst.models.factory import ModelConfig, build_forecaster
from dynst.models.forecaster import SparseForecaster
from dynst.models.registry import BACKBONES, backbone_class, traits_of

COMPACT = [name for name in BACKBONES if traits_of(backbone_class(name)).compact]
SIZES, BATCHES, SPARSITIES = (207, 2_000, 20_000), (1, 64), (0.3, 0.5, 0.6, 0.7, 0.8)
ROWS = 2**15  # sensors of all windows of a batch
WARM = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbones", nargs="+", default=COMPACT, choices=COMPACT)
    parser.add_argument("--sensors", type=int, nargs="+", default=SIZES)
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES)
    parser.add_argument("--sparsities", type=float, nargs="+", default=SPARSITIES)
    parser.add_argument("--turns", type=int, default=20)
    parser.add_argument(
        "--seconds", type=float, default=6.0, help="for each row, whatever the number of turns"
    )
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(1)
    shares = " | ".join(f"{sparsity:.0%} off" for sparsity in options.sparsities)
    print(
        f"| backbone | sensors | batch | {shares} | of the ideal |\n|---|"
        + "---:|" * (len(options.sparsities) + 3)
    )
    for name in options.backbones:
        for size in fitting(name, options.sensors):
            model = module_on(forecaster(name, size), torch.device(options.device))
            for batch in sorted({min(batch, max(1, ROWS // size)) for batch in options.batches}):
                calls = [
                    call_of(model, size, batch, sparsity, options.compile)
                    for sparsity in (0.0, *options.sparsities)
                ]
                ratios = speed_ups(calls, options.turns, options.seconds)
                print(row(f"`{name}` | {size:,} | {batch}", ratios, options.sparsities), flush=True)


def fitting(name: str, sizes: Sequence[int]) -> list[int]:
    traits = traits_of(backbone_class(name))
    return [size for size in sizes if traits.takes_lists or size <= traits.max_all_pairs]


def row(title: str, ratios: list[float], sparsities: Sequence[float]) -> str:
    shares = [ratio * (1 - sparsity) for ratio, sparsity in zip(ratios, sparsities, strict=True)]
    figures = " | ".join(f"{ratio:.2f} ×" for ratio in ratios)
    return f"| {title} | {figures} | {min(shares):.0%}–{max(shares):.0%} |"


def forecaster(name: str, size: int) -> SparseForecaster:
    """Twelve steps from twelve, over sensors that are strewn at random.

    Over all pairs up to 512 of them, by lists above.
    """
    positions = np.random.default_rng(0).random((size, 2))
    edges: Edges = nearest_neighbour_edges(positions, lonlat=False)
    config = ModelConfig.model_validate({"backbone": name})
    scaler, at = SeasonalScaler(SEASONS["none"], size, 1), torch.from_numpy(positions)
    return build_forecaster(config, scaler, edges, targets=[0], seed=0, positions=at).eval()


def call_of(
    model: SparseForecaster, size: int, batch: int, sparsity: float, compiled: bool
) -> Callable[[], None]:
    device = next(model.parameters()).device
    generator = torch.Generator().manual_seed(0)
    kept = (
        torch.randperm(size, generator=generator)[: size - round(sparsity * size)]
        .sort()
        .values.to(device)
    )
    readings = torch.randn(batch, model.shape.window, len(kept), 1, device=device)
    observed, calendar = (
        torch.ones_like(readings, dtype=torch.bool),
        torch.randn(batch, 6, device=device),
    )
    forward: Callable[..., Tensor] = torch.compile(model, dynamic=False) if compiled else model

    @torch.no_grad()
    def call() -> None:
        forward(readings, observed, calendar, kept)
        synchronize(device)

    return call


def speed_ups(calls: Sequence[Callable[[], None]], turns: int, seconds: float) -> list[float]:
    """Of every call after the first, against the first of the same turn."""
    times = np.array(list(timed_turns(calls, turns, seconds)))  # [turns, calls]
    return [median(times[:, 0] / column) for column in times[:, 1:].T]


def timed_turns(
    calls: Sequence[Callable[[], None]], turns: int, seconds: float
) -> Iterator[list[float]]:
    for _ in range(WARM):
        for call in calls:
            call()
    deadline = perf_counter() + seconds
    for turn in range(turns):
        if turn > 2 and perf_counter() > deadline:
            return
        yield [by_clock(call) for call in calls]


if __name__ == "__main__":
    main()
