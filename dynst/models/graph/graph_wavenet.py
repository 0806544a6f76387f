"""Graph WaveNet: dilated gated convolutions over time, diffusion over the known graph both ways and
over a learned one.
"""

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from dynst.errors import ConfigError
from dynst.models.layers.gated_aggregation import scores_by_product
from dynst.models.layers.temporal import StepEncoder, Taps, aggregate, shifted
from dynst.models.protocol import Aggregation, Shape, Topology, Traits
from dynst.models.renamed import read_old_names

__all__ = ["GraphWaveNet"]

SHARPNESS = 5.0
KERNEL = 2
FEWEST_LAYERS = 2
NUM_GRAPHS = 3


class GraphWaveNet(nn.Module):
    """Each layer convolves over time, then diffuses along the edges, against them, and over an
    adaptive adjacency (Wu et al. 2019).

    Other than there, all three graphs are gated walks, and the adaptive one a softmax without ReLU;
    LayerNorm stands for batch normalisation; all sizes are ``hidden``; the calendar is read, and
    the shared readout takes the place of the last convolution.
    """

    traits = Traits(compact=True)

    def __init__(
        self,
        shape: Shape,
        topology: Topology,
        backward: Topology,
        num_calendar: int,
        node_embedding: Tensor,
        *,
        blocks: Annotated[int, Field(ge=1)] = 4,
        layers: Annotated[int | None, Field(ge=1)] = None,
        hops: Annotated[int, Field(ge=1)] = 2,
    ) -> None:
        """``layers`` are those of a block, each twice as dilated as the one before.

        By default 2, or more for a long window.

        Raises:
            ConfigError: the layers do not reach back over the whole window.
        """
        super().__init__()
        hidden, embedding = shape.hidden, node_embedding.shape[1]
        dilations = blocks * _dilations(shape.window, blocks, layers)
        self.topology, self.against = topology, backward
        self.node_embedding = nn.Parameter(node_embedding.clone())
        read_old_names(self, {"identity": "node_embedding"})
        self.query, self.key = (
            scores_by_product(embedding, [SHARPNESS]),
            scores_by_product(embedding, [SHARPNESS]),
        )
        self.encode = StepEncoder(shape, num_calendar, 1 + sum(dilations))
        self.convolve = nn.ModuleList(_GatedConvolution(hidden, dilation) for dilation in dilations)
        self.diffuse = nn.ModuleList(_Diffusion(hidden, hops) for _ in dilations[1:])
        self.skip = nn.Linear(len(dilations) * hidden, hidden)
        self.end = nn.Linear(hidden, hidden)

    def forward(
        self, morphed: Tensor, calendar: Tensor, sensors: Tensor, gates: Tensor | None
    ) -> Tensor:
        graphs = self.graphs(sensors, gates)
        first, *others = self.convolve
        states = self.encode(morphed, calendar)  # [T, K, B, D]
        convolved = first(states)
        skipped = [convolved[-1]]
        for diffuse, convolve in zip(self.diffuse, others, strict=True):
            states = diffuse(states, convolved, graphs)
            convolved = convolve(states)
            skipped.append(convolved[-1])
        summed = self.skip(torch.cat(skipped, dim=-1)).relu()  # [K, B, D]
        hidden: Tensor = self.end(summed).relu().transpose(0, 1)  # [B, K, D]
        return hidden

    def graphs(self, sensors: Tensor, gates: Tensor | None) -> list[Aggregation]:
        embedding = self.node_embedding[None, sensors]  # [1, K, E]
        neighborhood = self.topology.sensor_to_sensor(sensors, gates)
        against = self.against.sensor_to_sensor(sensors, gates)
        return [
            neighborhood.average(),
            against.average(),
            neighborhood.attend(self.query(embedding), self.key(embedding)),
        ]


class _GatedConvolution(nn.Module):
    def __init__(self, hidden: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.convolve = Taps(KERNEL, hidden, 2 * hidden)

    def forward(self, states: Tensor) -> Tensor:
        """``[T, K, B, D]`` to ``[T − dilation, K, B, D]``."""
        content, gate = self.convolve(shifted(states, KERNEL, self.dilation)).chunk(2, dim=-1)
        gated: Tensor = content.tanh() * gate.sigmoid()
        return gated


class _Diffusion(nn.Module):
    def __init__(self, hidden: int, hops: int) -> None:
        super().__init__()
        self.hops = hops
        self.convolve = Taps(1 + NUM_GRAPHS * hops, hidden, hidden)
        self.norm = nn.LayerNorm(hidden)

    def forward(self, states: Tensor, convolved: Tensor, graphs: Sequence[Aggregation]) -> Tensor:
        """What the layer began with is added, as far as ``convolved [T, K, B, D]`` reaches back."""
        taps = [convolved]
        for graph in graphs:
            taps += _walk(graph, convolved, self.hops)
        out: Tensor = self.norm(self.convolve(taps) + states[-len(convolved) :])
        return out


def _walk(graph: Aggregation, states: Tensor, hops: int) -> list[Tensor]:
    reached = [states]
    for _ in range(hops):
        reached.append(aggregate(graph, reached[-1]))
    return reached[1:]


def _dilations(window: int, blocks: int, layers: int | None) -> list[int]:
    """Of the layers of one block: 1, 2, 4 and so on."""
    needed = 1
    while blocks * (2**needed - 1) < window - 1:
        needed += 1
    if layers is not None and layers < needed:
        raise ConfigError(
            f"layers must be at least {needed} for {blocks} blocks to reach back over a window of "
            f"{window} steps, but got {layers}; raise layers or blocks, or leave layers out"
        )
    return [2**layer for layer in range(layers or max(needed, FEWEST_LAYERS))]
