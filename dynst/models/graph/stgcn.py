"""A spatio-temporal graph convolutional network: gated convolutions over time around Chebyshev ones
over the known graph.
"""

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from dynst.models.layers.temporal import StepEncoder, Taps, aggregate, shifted
from dynst.models.protocol import Aggregation, Shape, Topology, Traits

__all__ = ["STGCN"]

NARROWING = 4  # of hidden sizes for the graph, 64 to 16 in the paper


class STGCN(nn.Module):
    """Each block convolves over time, over the graph on few channels, and over time again (Yu, Yin,
    Zhu 2018).

    Other than there, the polynomials are of the gated random walk, which is the scaled Laplacian
    but for signs that the weights absorb; layers are normalised sensor by sensor; a window too
    short for the kernels is padded in front; the calendar is read, and the shared readout
    forecasts.
    """

    traits = Traits(compact=True)

    def __init__(
        self,
        shape: Shape,
        topology: Topology,
        num_calendar: int,
        *,
        blocks: Annotated[int, Field(ge=1)] = 2,
        kernel: Annotated[int, Field(ge=1)] = 3,
        order: Annotated[int, Field(ge=2)] = 3,
    ) -> None:
        """``kernel`` is in steps of time, ``order`` the number of Chebyshev polynomials, the
        constant one included.
        """
        super().__init__()
        shrinking = 2 * blocks * (kernel - 1)
        steps = max(shape.window, shrinking + 1)
        self.topology = topology
        self.encode = StepEncoder(shape, num_calendar, steps)
        self.blocks = nn.ModuleList(_Block(shape.hidden, kernel, order) for _ in range(blocks))
        self.last = _GatedConvolution(shape.hidden, shape.hidden, steps - shrinking)
        self.norm = nn.LayerNorm(shape.hidden)

    def forward(
        self, morphed: Tensor, calendar: Tensor, sensors: Tensor, gates: Tensor | None
    ) -> Tensor:
        known = self.topology.sensor_to_sensor(sensors, gates).average()
        states = self.encode(morphed, calendar)  # [T, K, B, D]
        for block in self.blocks:
            states = block(states, known)
        hidden: Tensor = self.norm(self.last(states)[0]).transpose(0, 1)  # [B, K, D]
        return hidden


class _Block(nn.Module):
    def __init__(self, hidden: int, kernel: int, order: int) -> None:
        super().__init__()
        narrow = hidden // NARROWING
        self.order = order
        self.before = _GatedConvolution(hidden, narrow, kernel)
        self.graph = Taps(order, narrow, narrow)
        self.after = _GatedConvolution(narrow, hidden, kernel)
        self.norm = nn.LayerNorm(hidden)

    def forward(self, states: Tensor, known: Aggregation) -> Tensor:
        early = self.before(states)
        spread = nn.functional.relu(self.graph(chebyshev(known, early, self.order)) + early)
        after: Tensor = self.norm(self.after(spread))
        return after


class _GatedConvolution(nn.Module):
    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.kernel = kernel
        self.convolve = Taps(kernel, inputs, 2 * outputs)

    def forward(self, states: Tensor) -> Tensor:
        """``[T, K, B, inputs]`` to ``[T − kernel + 1, K, B, outputs]``."""
        return nn.functional.glu(self.convolve(shifted(states, self.kernel)))


def chebyshev(known: Aggregation, states: Tensor, order: int) -> list[Tensor]:
    """The first ``order`` ≥ 2 polynomials of the walk, applied to ``[T, K, B, D]``."""
    terms = [states, aggregate(known, states)]
    while len(terms) < order:
        terms.append(2 * aggregate(known, terms[-1]) - terms[-2])
    return terms
