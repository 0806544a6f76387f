"""What bounds a training step and a forecast: products, memory, or the number of calls.

    python -m benchmarks.speed.roofline

A training step is forward, backward and AdamW. Times are processor seconds on one thread. For each
step the table has its products (multiply-adds, counted twice), the bytes that its operators read
and write, and the number of operator calls.

The machine's own rates are measured in the same process: of products, of copies, and of calls of an
operator that does almost nothing. Each share is the time that the machine's rate allows, divided by
the time that was taken. The largest share is the bound. Shares do not add up to one, since memory
traffic and calls overlap with computation.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from statistics import median
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.support.forecasters import CALENDAR, forecast_call, forecaster
from benchmarks.support.options import parser_for
from benchmarks.support.stopwatch import of_processor
from benchmarks.support.tables import header, row
from dynst.compat import TorchDispatchMode, tree_leaves
from dynst.data.windows import ForecastInputs

SIZE, BATCH = 207, 64
BACKBONES = ["morph_graph", "graph_wavenet", "stid"]
VIEWS = {  # operators that move nothing
    *("view", "expand", "permute", "transpose", "t", "select", "slice"),
    *("unsqueeze", "squeeze", "detach", "split", "as_strided"),
}
COLUMNS = (
    "backbone",
    "what",
    "ms",
    "GFLOP",
    "MB moved",
    "operator calls",
    "share of products",
    "of memory",
    "of calls",
)
Call = Callable[[], object]


class Traffic(TorchDispatchMode):
    """Bytes that operators read and write, and how many operators there are."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.num_bytes = self.calls = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self.calls += 1
        if func.overloadpacket.__name__ not in VIEWS:
            leaves = tree_leaves((args, kwargs, out))
            tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
            self.num_bytes += sum(prod(tensor.shape) * tensor.element_size() for tensor in tensors)
        return out


@dataclass(frozen=True)
class Rates:
    """Of this machine, each a second."""

    products: float
    num_bytes: float
    calls: float

    def __str__(self) -> str:
        return (
            f"This machine: {self.products / 1e9:.0f} GFLOP/s in a product of 1,024³, "
            f"{self.num_bytes / 1e9:.1f} GB/s read and written by a copy, "
            f"{self.calls / 1e3:.0f} thousand calls a second."
        )


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--backbones", nargs="+", default=BACKBONES)
    parser.add_argument("--sensors", type=int, default=SIZE)
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rates = measured_rates()
    print(f"{rates}\n")
    print(header(COLUMNS, text=2))
    for backbone in options.backbones:
        for what, call in calls(backbone, options.sensors).items():
            figures = measured(call, rates, options.repeats)
            print(row([f"`{backbone}`", what, *figures]), flush=True)


def calls(backbone: str, size: int) -> dict[str, Call]:
    model = forecaster(backbone, size)
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    readings, calendar = (
        torch.randn(BATCH, model.shape.window, size, 1),
        torch.randn(BATCH, CALENDAR),
    )
    observed = torch.ones_like(readings, dtype=torch.bool)
    inputs = ForecastInputs(readings, observed, calendar, torch.arange(size))

    def step() -> None:
        optimizer.zero_grad()
        model(inputs).abs().mean().backward()
        optimizer.step()

    return {"training step": step, "forecast": forecast_call(model, BATCH, sparsity=0.0)}


def measured(call: Call, rates: Rates, repeats: int) -> Iterator[str]:
    call()
    seconds = median(of_processor(call) for _ in range(repeats))
    with FlopCounterMode(display=False) as counter:
        call()
    with Traffic() as traffic:
        call()
    products = counter.get_total_flops()
    yield from (f"{1e3 * seconds:.1f}", f"{products / 1e9:.2f}")
    yield from (f"{traffic.num_bytes / 1e6:.0f}", f"{traffic.calls:,}")
    for count, rate in (
        (products, rates.products),
        (traffic.num_bytes, rates.num_bytes),
        (traffic.calls, rates.calls),
    ):
        yield f"{count / rate / seconds:.0%}"


def measured_rates() -> Rates:
    left, large, small = torch.randn(1024, 1024), torch.randn(2**24), torch.randn(4)
    target = torch.empty_like(large)
    return Rates(
        products=2 * 1024**3 / best(lambda: left @ left),
        num_bytes=2 * large.nbytes / best(lambda: target.copy_(large)),
        calls=1000 / best(lambda: [small.add_(1.0) for _ in range(1000)]),
    )


def best(call: Call) -> float:
    call()
    return min(of_processor(call) for _ in range(7))


if __name__ == "__main__":
    main()
