"""What switching sensors off saves in a forecast.

    python -m benchmarks.speed.inference

Every network with compact steps forecasts all locations. It does so from all sensors, and from
those that are left. The calls take turns in one process, on one thread. A figure is the median over
the turns of the dense time divided by the sparse time.

"Of the ideal" compares the speed-up with that of a network whose time is proportional to its
number of sensors. Where a batch of 64 does not fit, a smaller one is taken and named. With
``--compile`` the calls go through ``torch.compile`` (static shapes).
"""

from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from time import perf_counter

import numpy as np
import torch

from benchmarks.support.forecasters import forecast_call, forecaster
from benchmarks.support.options import parser_for
from benchmarks.support.stopwatch import by_clock
from benchmarks.support.tables import header, row
from dynst.devices import module_on
from dynst.models.registry import BACKBONES, backbone_class, traits_of

COMPACT = [name for name in BACKBONES if traits_of(backbone_class(name)).compact]
SIZES, BATCHES, SPARSITIES = (207, 2_000, 20_000), (1, 64), (0.3, 0.5, 0.6, 0.7, 0.8)
ROWS = 2**15  # sensors of all windows of a batch, at most
WARM = 2  # calls before the first that counts
Calls = Sequence[Callable[[], None]]


def main() -> None:
    options = parsed()
    torch.set_num_threads(1)
    shares = [f"{sparsity:.0%} off" for sparsity in options.sparsities]
    print(header(["backbone", "sensors", "batch", *shares, "of the ideal"]))
    for name in options.backbones:
        for size in fitting(name, options.sensors):
            for cells in measured(name, size, options):
                print(row(cells), flush=True)


def parsed() -> Namespace:
    parser = parser_for(__doc__)
    parser.add_argument("--backbones", nargs="+", default=COMPACT, choices=COMPACT)
    parser.add_argument("--sensors", type=int, nargs="+", default=SIZES)
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES)
    parser.add_argument("--sparsities", type=float, nargs="+", default=SPARSITIES)
    parser.add_argument("--turns", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=6.0, help="of each row, at most")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--device", default="cpu")
    return parser.parse_args()


def fitting(name: str, sizes: Sequence[int]) -> list[int]:
    traits = traits_of(backbone_class(name))
    return [size for size in sizes if traits.takes_lists or size <= traits.max_all_pairs]


def measured(name: str, size: int, options: Namespace) -> Iterator[list[str]]:
    """The cells of one backbone and network size, for each batch."""
    model = module_on(forecaster(name, size), torch.device(options.device))
    for batch in sorted({min(batch, max(1, ROWS // size)) for batch in options.batches}):
        calls = [
            forecast_call(model, batch, sparsity, options.compile)
            for sparsity in (0.0, *options.sparsities)
        ]
        ratios = speed_ups(calls, options.turns, options.seconds)
        shares = [ratio * (1 - off) for ratio, off in zip(ratios, options.sparsities, strict=True)]
        figures = [f"{ratio:.2f} ×" for ratio in ratios]
        ideal = f"{min(shares):.0%}–{max(shares):.0%}"
        yield [f"`{name}`", f"{size:,}", str(batch), *figures, ideal]


def speed_ups(calls: Calls, turns: int, seconds: float) -> list[float]:
    """Of every call after the first, relative to the first of the same turn."""
    times = np.array(list(timed_turns(calls, turns, seconds)))  # [turns, calls]
    return [median(times[:, 0] / column) for column in times[:, 1:].T]


def timed_turns(calls: Calls, turns: int, seconds: float) -> Iterator[list[float]]:
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
