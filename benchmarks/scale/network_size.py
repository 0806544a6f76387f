"""How time and memory of a training step grow with the number of sensors.

    python -m benchmarks.scale.network_size

Each size runs in a process of its own, so that its peak of memory is its own. Memory is counted
above what the imports take. A step is forward, backward and optimizer of the default forecaster
over short neighbour lists. The compact step reads half of the sensors. The probe step reads all of
them, with gates. A graph has random positions, a grid has its patches in rows and columns. One
thread, medians.
"""

import argparse
import json
import os
import resource
import subprocess
from collections.abc import Callable
from itertools import pairwise, product
from math import isqrt, log
from statistics import median

import numpy as np
import torch

from benchmarks.support.commands import python_module
from benchmarks.support.options import parser_for
from benchmarks.support.stopwatch import by_clock, clock_time
from benchmarks.support.tables import header, row
from dynst.data.edges import nearest_neighbour_edges
from dynst.data.scaler import SEASONS, SeasonalScaler
from dynst.data.windows import ForecastInputs
from dynst.models.factory import ModelConfig, build_forecaster

MODULE = "benchmarks.scale.network_size"
SIZES = (1_000, 10_000, 100_000)
NEIGHBOURS = 16  # at every size, also where all pairs would be the default
UNITS = {"build": "s", "compact step": "s", "probe step": "s", "memory": "MiB"}


def at_random(size: int) -> np.ndarray:
    return np.random.default_rng(0).random((size, 2))


def in_rows(size: int) -> np.ndarray:
    width = isqrt(size)
    return np.stack(np.divmod(np.arange(size), width), axis=1).astype(float)


POSITIONS = {"graph": at_random, "grid": in_rows}


def main() -> None:
    options = parsed()
    if options.child:
        kind, size, batch = options.child
        print(json.dumps(measured(kind, int(size), int(batch), options.repeats)))
        return
    sizes = [f"{size:,}" for size in options.sizes]
    print(header(["network", "batch", "what", *sizes, "ratios", "exponent"], text=3))
    for kind, batch in product(options.kinds, options.batches):
        found = [in_own_process(kind, size, batch, options.repeats) for size in options.sizes]
        for what, unit in UNITS.items():
            figures = growth(options.sizes, [figures[what] for figures in found])
            print(row([kind, str(batch), f"{what}, {unit}", *figures]), flush=True)


def parsed() -> argparse.Namespace:
    parser = parser_for(__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--kinds", nargs="+", choices=POSITIONS, default=list(POSITIONS))
    parser.add_argument("--batches", type=int, nargs="+", default=(1, 4))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    return parser.parse_args()


def growth(sizes: list[int], values: list[float]) -> list[str]:
    """The values, their ratios from one size to the next, and the exponent of a power law."""
    figures = [f"{value:.3g}" for value in values]
    ratios = " ".join(f"{after / before:.1f}×" for before, after in pairwise(values))
    return [*figures, ratios, f"{exponent(sizes, values):.2f}"]


def exponent(sizes: list[int], values: list[float]) -> float:
    """The slope of a straight line through the logarithms: 1 is linear, 2 is square."""
    x, y = [log(size) for size in sizes], [log(value) for value in values]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    products = ((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    return sum(products) / sum((a - mean_x) ** 2 for a in x)


def in_own_process(kind: str, size: int, batch: int, repeats: int) -> dict[str, float]:
    command = python_module(MODULE, "--child", kind, str(size), str(batch))
    command += ["--repeats", str(repeats)]
    variables = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=variables, check=True, stdout=subprocess.PIPE)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def measured(kind: str, size: int, batch: int, repeats: int) -> dict[str, float]:
    """Seconds, and MiB above what the imports alone take."""
    before = peak_mib()
    edges = nearest_neighbour_edges(POSITIONS[kind](size), lonlat=False)
    config, scaler = ModelConfig(neighbours=NEIGHBOURS), SeasonalScaler(SEASONS["none"], size, 1)
    built, model = clock_time(lambda: build_forecaster(config, scaler, edges, targets=[0], seed=0))
    optimizer = torch.optim.AdamW(model.parameters())
    readings, calendar = torch.randn(batch, config.window, size, 1), torch.randn(batch, 6)
    active = torch.rand(size) < 0.5
    compact = readings[:, :, active]

    def step(inputs: torch.Tensor, sensors: torch.Tensor, gates: torch.Tensor | None) -> None:
        optimizer.zero_grad()
        model(ForecastInputs(inputs, inputs < 2, calendar, sensors, gates)).abs().mean().backward()
        optimizer.step()

    kept, everyone = active.nonzero().squeeze(1), torch.arange(size)
    return {
        "build": built,
        "compact step": seconds(lambda: step(compact, kept, None), repeats),
        "probe step": seconds(
            lambda: step(readings, everyone, active.float().requires_grad_()), repeats
        ),
        "memory": peak_mib() - before,
    }


def seconds(call: Callable[[], None], repeats: int) -> float:
    call()
    return median(by_clock(call) for _ in range(repeats))


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
