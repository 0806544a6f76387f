"""What one product for all windows of a batch saves in message aggregation.

    python -m benchmarks.speed.aggregation

The aggregation is ``weight @ values``. It is computed in two ways: with the weights expanded to the
windows, and with the windows side by side in one product. A figure is milliseconds of the processor
on one thread, the best of several. The first rows have the shapes of the readout, with heads.
"""

from collections.abc import Callable, Iterator
from time import process_time

import torch
from torch import Tensor

from benchmarks.support.options import parser_for
from benchmarks.support.tables import header, row

REPEATS = 7
WITH_HEADS = [
    (64, 4, 207, 207, 24),
    (64, 4, 207, 103, 24),
    (256, 4, 207, 207, 24),
    (1, 4, 207, 207, 24),
    (32, 4, 21, 21, 8),
]
WITHOUT_HEADS = [(64, 1, 207, 207, 384), (64, 1, 207, 207, 96), (32, 1, 21, 21, 384)]
COLUMNS = (
    "windows, heads, locations, sensors, width",
    "training, expanded",
    "side by side",
    "",
    "forecast, expanded",
    "side by side",
    "",
)
Aggregate = Callable[[Tensor, Tensor], Tensor]


def main() -> None:
    parser_for(__doc__).parse_args()
    torch.set_num_threads(1)
    print(header(COLUMNS))
    for shape in WITH_HEADS + WITHOUT_HEADS:
        cells = [cell for training in (True, False) for cell in compared(shape, training)]
        print(row([", ".join(map(str, shape)), *cells]), flush=True)


def compared(shape: tuple[int, ...], training: bool) -> Iterator[str]:
    """Milliseconds of both ways, and their ratio."""
    weight, values = inputs(shape, training)
    before, after = (
        1e3 * min(seconds(aggregate, weight, values) for _ in range(REPEATS))
        for aggregate in (expanded, side_by_side)
    )
    yield from (f"{before:.2f}", f"{after:.2f}", f"{after / before:.2f}")


def inputs(shape: tuple[int, ...], training: bool) -> tuple[Tensor, Tensor]:
    """``[heads, locations, sensors]`` and ``[windows, heads, sensors, width]``.

    A single head has no dimension of its own.
    """
    windows, heads, locations, sensors, width = shape
    weight = torch.rand(heads, locations, sensors).softmax(-1)
    values = torch.randn(windows, heads, sensors, width)
    if heads == 1:
        weight, values = weight[0], values[:, 0]
    return weight.requires_grad_(training), values.requires_grad_(training)


def seconds(aggregate: Aggregate, weight: Tensor, values: Tensor) -> float:
    began = process_time()
    out = aggregate(weight, values)
    if out.requires_grad:
        out.backward(torch.ones_like(out))
    return process_time() - began


def expanded(weight: Tensor, values: Tensor) -> Tensor:
    return weight.expand(*values.shape[:-2], -1, -1) @ values


def side_by_side(weight: Tensor, values: Tensor) -> Tensor:
    beside = values.movedim(0, -2)  # [..., sensors, windows, width]
    out: Tensor = (weight @ beside.flatten(-2)).unflatten(-1, beside.shape[-2:])
    return out.movedim(-2, 0)


if __name__ == "__main__":
    main()
