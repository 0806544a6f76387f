"""An adaptive graph convolutional recurrent network: a GRU over a learned graph whose weights are
each sensor's own.
"""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from dynst.models.layers.gated_aggregation import scores_by_product
from dynst.models.layers.temporal import StepEncoder
from dynst.models.protocol import Aggregation, Shape, Topology, Traits
from dynst.models.renamed import read_old_names

__all__ = ["AGCRN"]

SHARPNESS = 5.0


class AGCRN(nn.Module):
    """Recurrent layers in which every product is a graph convolution with node-adaptive parameters
    (Bai et al. 2020).

    Other than there, the learned graph is a gated softmax without ReLU; a sensor's share of the
    weight pool is a linear map of its embedding, since embeddings are long here; readings are
    encoded with the calendar first, and the shared readout forecasts.
    """

    traits = Traits(compact=True)

    def __init__(
        self,
        shape: Shape,
        topology: Topology,
        num_calendar: int,
        node_embedding: Tensor,
        *,
        layers: Annotated[int, Field(ge=1)] = 2,
        pool: Annotated[int, Field(ge=1)] = 10,
    ) -> None:
        """``pool`` is how many sets of weights there are, of which each sensor takes its own
        sum.
        """
        super().__init__()
        embedding = node_embedding.shape[1]
        self.topology = topology
        self.node_embedding = nn.Parameter(node_embedding.clone())
        self.query, self.key = (
            scores_by_product(embedding, [SHARPNESS]),
            scores_by_product(embedding, [SHARPNESS]),
        )
        self.pool_weights = _pool_weights(embedding, pool)
        self.encode = StepEncoder(shape, num_calendar, shape.window)
        self.layers = nn.ModuleList(_Recurrence(pool, shape.hidden) for _ in range(layers))
        read_old_names(self, {"identity": "node_embedding", "share": "pool_weights"})

    def forward(
        self, morphed: Tensor, calendar: Tensor, sensors: Tensor, gates: Tensor | None
    ) -> Tensor:
        embedding = self.node_embedding[None, sensors]  # [1, K, E]
        learned = self.topology.sensor_to_sensor(sensors, gates).attend(
            self.query(embedding), self.key(embedding)
        )
        pool_weights = self.pool_weights(embedding[0])  # [K, P]
        states = self.encode(morphed, calendar).transpose(0, 1)  # [K, T, B, D]
        for layer in self.layers:
            states = layer(states, pool_weights, learned)
        hidden: Tensor = states[:, -1].transpose(0, 1)  # [B, K, D]
        return hidden


class _Recurrence(nn.Module):
    """A GRU whose products read a sensor's values beside those aggregated from its neighbours.

    The products of the inputs are computed for all steps at once.
    """

    def __init__(self, pool: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.of_inputs = _PooledLinear(pool, 2 * hidden, 3 * hidden)
        self.bias = nn.Parameter(torch.zeros(pool, 3 * hidden))
        self.of_state = _PooledLinear(pool, 2 * hidden, 2 * hidden)
        self.of_candidate = _PooledLinear(pool, 2 * hidden, hidden)
        read_old_names(self, {"of_kept": "of_candidate"})

    def forward(self, inputs: Tensor, pool_weights: Tensor, learned: Aggregation) -> Tensor:
        """``[K, T, B, D]`` to the same, ``pool_weights [K, P]`` of the pool."""
        projected = (
            _with_neighbours(inputs, learned).flatten(1, 2) @ self.of_inputs(pool_weights)
            + (pool_weights @ self.bias)[:, None]
        )
        input_gates, input_candidate = projected.unflatten(1, inputs.shape[1:3]).split(
            [2 * self.hidden, self.hidden], dim=-1
        )
        of_state, of_candidate = self.of_state(pool_weights), self.of_candidate(pool_weights)
        state, states = torch.zeros_like(inputs[:, 0]), []  # [K, B, D]
        for step_gates, step_candidate in zip(
            input_gates.unbind(1), input_candidate.unbind(1), strict=True
        ):
            reset, update = (
                (step_gates + _with_neighbours(state, learned) @ of_state)
                .sigmoid()
                .chunk(2, dim=-1)
            )
            candidate = (
                step_candidate + _with_neighbours(reset * state, learned) @ of_candidate
            ).tanh()
            state = torch.lerp(candidate, state, update)
            states.append(state)
        return torch.stack(states, dim=1)


class _PooledLinear(nn.Module):
    def __init__(self, pool: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.pool = nn.Parameter(torch.randn(pool, inputs, outputs) / inputs**0.5)

    def forward(self, pool_weights: Tensor) -> Tensor:
        """Each sensor's own weights, ``[K, P]`` to ``[K, inputs, outputs]``."""
        return (pool_weights @ self.pool.flatten(1)).view(-1, *self.pool.shape[1:])


def _pool_weights(embedding: int, pool: int) -> nn.Linear:
    """Of length near 1 for embeddings of length 1.

    Sensors begin with half of their weights in common.
    """
    linear = nn.Linear(embedding, pool)
    for parameter in linear.parameters():
        nn.init.normal_(parameter, std=(2 * pool) ** -0.5)
    return linear


def _with_neighbours(values: Tensor, learned: Aggregation) -> Tensor:
    """``[K, ..., D]`` to ``[K, ..., 2D]``."""
    aggregated = learned(values.reshape(1, len(values), -1)).reshape(values.shape)
    return torch.cat([values, aggregated], dim=-1)
