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

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from statistics import median
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.speed.inference import call_of, forecaster
from benchmarks.support.stopwatch import of_processor

SIZE, BATCH = 207, 64
VIEWS = {
    "view",
    "expand",
    "permute",
    "transpose",
    "t",
    "select",
    "slice",
    "unsqueeze",
    "squeeze",
    "detach",
    "split",
    "as_strided",
}


class Traffic(TorchDispatchMode):
    """Bytes that operators read and write, and how many there are; views move nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.num_bytes = self.calls = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self.calls += 1
        if func.overloadpacket.__name__ not in VIEWS:
            tensors = [
                leaf for leaf in tree_leaves((args, kwargs, out)) if isinstance(leaf, torch.Tensor)
            ]
            self.num_bytes += sum(prod(tensor.shape) * tensor.element_size() for tensor in tensors)
        return out


@dataclass(frozen=True)
class Machine:
    products: float  # a second
    num_bytes: float
    calls: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbones", nargs="+", default=["morph_graph", "graph_wavenet", "stid"])
    parser.add_argument("--sensors", type=int, default=SIZE)
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    torch.set_num_threads(1)
    machine = measured_machine()
    print(
        f"This machine: {machine.products / 1e9:.0f} GFLOP/s in a product of 1,024³, "
        f"{machine.num_bytes / 1e9:.1f} GB/s read and "
        f"written by a copy, {machine.calls / 1e3:.0f} thousand calls a second.\n"
    )
    print(
        "| backbone | what | ms | GFLOP | MB moved | operator calls | share of products | of "
        "memory | of calls |"
    )
    print("|---|---|" + "---:|" * 7)
    for name in options.backbones:
        for what, call in calls(name, options.sensors).items():
            print(line(f"`{name}` | {what}", call, machine, options.repeats), flush=True)


def calls(name: str, size: int) -> dict[str, Callable[[], object]]:
    model = forecaster(name, size)
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    readings, calendar, everyone = (
        torch.randn(BATCH, model.shape.window, size, 1),
        torch.randn(BATCH, 6),
        torch.arange(size),
    )
    observed = torch.ones_like(readings, dtype=torch.bool)

    def step() -> None:
        optimizer.zero_grad()
        model(readings, observed, calendar, everyone).abs().mean().backward()
        optimizer.step()

    return {"training step": step, "forecast": call_of(model, size, BATCH, 0.0, False)}


def line(title: str, call: Callable[[], object], machine: Machine, repeats: int) -> str:
    call()
    seconds = median(of_processor(call) for _ in range(repeats))
    with FlopCounterMode(display=False) as counter:
        call()
    with Traffic() as traffic:
        call()
    products = counter.get_total_flops()
    shares = (
        products / machine.products,
        traffic.num_bytes / machine.num_bytes,
        traffic.calls / machine.calls,
    )
    figures = (
        f"{1e3 * seconds:.1f} | {products / 1e9:.2f} | {traffic.num_bytes / 1e6:.0f} | "
        f"{traffic.calls:,}"
    )
    return (
        f"| {title} | {figures} | "
        + " | ".join(f"{share / seconds:.0%}" for share in shares)
        + " |"
    )


def measured_machine() -> Machine:
    left, large, small = torch.randn(1024, 1024), torch.randn(2**24), torch.randn(4)
    target = torch.empty_like(large)
    return Machine(
        products=2 * 1024**3 / best(lambda: left @ left),
        num_bytes=2 * large.nbytes / best(lambda: target.copy_(large)),
        calls=1000 / best(lambda: [small.add_(1.0) for _ in range(1000)]),
    )


def best(call: Callable[[], object]) -> float:
    call()
    return min(of_processor(call) for _ in range(7))


if __name__ == "__main__":
    main()
