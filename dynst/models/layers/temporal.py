"""A state for each step of the window and each sensor, and convolutions over them.

Time comes first, ``[T, K, B, D]``: a shift in time is then a view, and an aggregation takes
``[T, K, B·D]`` as it lies in memory, so that neither kind of convolution moves anything.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dynst.models.layers.gated_aggregation import stream_unmorph
from dynst.models.protocol import Aggregation, Shape

__all__ = ["StepEncoder", "Taps", "aggregate", "shifted"]


class StepEncoder(nn.Module):
    """The readings of each step with the calendar, from ``[B, K, T·2C]`` to ``[steps, K, B,
    D]``.
    """

    def __init__(self, shape: Shape, num_calendar: int, steps: int) -> None:
        """Steps before the window, where ``steps`` are more than it has, count as unobserved."""
        super().__init__()
        self.window, self.missing = shape.window, steps - shape.window
        self.readings = nn.Linear(2 * shape.num_channels, shape.hidden)
        self.calendar = nn.Linear(num_calendar, shape.hidden, bias=False)

    def forward(self, morphed: Tensor, calendar: Tensor) -> Tensor:
        readings = stream_unmorph(morphed, self.window).permute(1, 2, 0, 3)  # [T, K, B, 2C]
        padded = nn.functional.pad(readings, (0, 0, 0, 0, 0, 0, self.missing, 0))
        states: Tensor = self.readings(padded) + self.calendar(calendar)
        return states


class Taps(nn.Module):
    """A convolution, ``Σ taps[i] · weight[i] + bias``: over time the taps are shifts, over a graph
    they are hops.

    It begins as large as its taps: with torch's smaller weights, a window's first steps are lost on
    their way through many layers.
    """

    def __init__(self, num_taps: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(
            torch.randn(num_taps, inputs, outputs) / (num_taps * inputs) ** 0.5
        )
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, taps: Sequence[Tensor]) -> Tensor:
        """Of ``[..., inputs]`` each, to ``[..., outputs]``."""
        first, *others = zip((tap.flatten(0, -2) for tap in taps), self.weight, strict=True)
        total = torch.addmm(self.bias, *first)
        for tap, weight in others:
            total.addmm_(
                tap.to(total.dtype), weight.to(total.dtype)
            )  # in place, torch leaves precisions as they are
        return total.view(*taps[0].shape[:-1], -1)


def shifted(states: Tensor, kernel: int, dilation: int = 1) -> list[Tensor]:
    """What a causal convolution reads, oldest first: ``kernel`` views of ``[T − (kernel − 1) ·
    dilation, K, B, D]``.
    """
    steps = len(states) - (kernel - 1) * dilation
    return [states[tap * dilation :][:steps] for tap in range(kernel)]


def aggregate(mixing: Aggregation, states: Tensor) -> Tensor:
    """What each sensor aggregates at each step, ``[T, K, B, D]`` to the same."""
    return mixing(states.flatten(2)).reshape(states.shape)
