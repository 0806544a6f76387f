"""What one product for all windows of a batch saves in message aggregation.

    python -m benchmarks.speed.aggregation

The aggregation is ``weight @ values``. It is computed in two ways: with the weights expanded to the
windows, and with the windows side by side in one product. A figure is milliseconds of the processor
on one thread, the best of several. The first rows have the shapes of the readout, with heads.
"""

from collections.abc import Callable
from time import process_time

import torch
from torch import Tensor

TURNS = 7
SHAPES = [
    (64, 4, 207, 207, 24),
    (64, 4, 207, 103, 24),
    (256, 4, 207, 207, 24),
    (1, 4, 207, 207, 24),
    (32, 4, 21, 21, 8),
]
WITHOUT_HEADS = [(64, 1, 207, 207, 384), (64, 1, 207, 207, 96), (32, 1, 21, 21, 384)]
Mix = Callable[[Tensor, Tensor], Tensor]


def main() -> None:
    torch.set_num_threads(1)
    print(
        "| windows, heads, locations, sensors, width | training, expanded | side by side | | "
        "forecast, expanded | side by side | |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|")
    for shape in SHAPES + WITHOUT_HEADS:
        cells = [cell for training in (True, False) for cell in compared(shape, training)]
        print(f"| {', '.join(map(str, shape))} | {' | '.join(cells)} |", flush=True)


def compared(shape: tuple[int, ...], training: bool) -> list[str]:
    windows, heads, locations, sensors, width = shape
    weight = torch.rand(heads, locations, sensors).softmax(-1).requires_grad_(training)
    values = torch.randn(windows, heads, sensors, width, requires_grad=training)
    if heads == 1:
        weight, values = (
            weight.detach()[0].requires_grad_(training),
            values.detach()[:, 0].requires_grad_(training),
        )
    times = {
        mix: 1e3 * min(seconds(mix, weight, values) for _ in range(TURNS))
        for mix in (expanded, side_by_side)
    }
    before, after = times.values()
    return [f"{before:.2f}", f"{after:.2f}", f"{after / before:.2f}"]


def seconds(mix: Mix, weight: Tensor, values: Tensor) -> float:
    began = process_time()
    heard = mix(weight, values)
    if heard.requires_grad:
        heard.backward(torch.ones_like(heard))
    return process_time() - began


def expanded(weight: Tensor, values: Tensor) -> Tensor:
    return weight.expand(*values.shape[:-2], -1, -1) @ values


def side_by_side(weight: Tensor, values: Tensor) -> Tensor:
    beside = values.movedim(0, -2)  # [..., K, B, D]
    heard: Tensor = (weight @ beside.flatten(-2)).unflatten(-1, beside.shape[-2:])
    return heard.movedim(-2, 0)


if __name__ == "__main__":
    main()
