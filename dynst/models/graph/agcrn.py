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
        geometry: Topology,
        num_calendar: int,
        identity: Tensor,
        *,
        layers: Annotated[int, Field(ge=1)] = 2,
        pool: Annotated[int, Field(ge=1)] = 10,
    ) -> None:
        """``pool`` is how many sets of weights there are, of which each sensor takes its own
        sum.
        """
        super().__init__()
        embedding = identity.shape[1]
        self.geometry = geometry
        self.identity = nn.Parameter(identity.clone())
        self.query, self.key = (
            scores_by_product(embedding, [SHARPNESS]),
            scores_by_product(embedding, [SHARPNESS]),
        )
        self.share = _shares(embedding, pool)
        self.encode = StepEncoder(shape, num_calendar, shape.window)
        self.layers = nn.ModuleList(_Recurrence(pool, shape.hidden) for _ in range(layers))

    def forward(
        self, morphed: Tensor, calendar: Tensor, sensors: Tensor, gates: Tensor | None
    ) -> Tensor:
        identity = self.identity[None, sensors]  # [1, K, E]
        learned = self.geometry.among(sensors, gates).attend(
            self.query(identity), self.key(identity)
        )
        share = self.share(identity[0])  # [K, P]
        states = self.encode(morphed, calendar).transpose(0, 1)  # [K, T, B, D]
        for layer in self.layers:
            states = layer(states, share, learned)
        hidden: Tensor = states[:, -1].transpose(0, 1)  # [B, K, D]
        return hidden


class _Recurrence(nn.Module):
    """A GRU whose products read a sensor's values beside those that it hears.

    Those of the inputs, for all steps at once.
    """

    def __init__(self, pool: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.of_inputs = _PooledLinear(pool, 2 * hidden, 3 * hidden)
        self.bias = nn.Parameter(torch.zeros(pool, 3 * hidden))
        self.of_state = _PooledLinear(pool, 2 * hidden, 2 * hidden)
        self.of_kept = _PooledLinear(pool, 2 * hidden, hidden)

    def forward(self, inputs: Tensor, share: Tensor, learned: Aggregation) -> Tensor:
        """``[K, T, B, D]`` to the same, ``share [K, P]`` of the pool."""
        told = (
            _beside_heard(inputs, learned).flatten(1, 2) @ self.of_inputs(share)
            + (share @ self.bias)[:, None]
        )
        told_gates, told_content = told.unflatten(1, inputs.shape[1:3]).split(
            [2 * self.hidden, self.hidden], dim=-1
        )
        of_state, of_kept = self.of_state(share), self.of_kept(share)
        state, states = torch.zeros_like(inputs[:, 0]), []  # [K, B, D]
        for step_gates, step_content in zip(
            told_gates.unbind(1), told_content.unbind(1), strict=True
        ):
            reset, update = (
                (step_gates + _beside_heard(state, learned) @ of_state).sigmoid().chunk(2, dim=-1)
            )
            content = (step_content + _beside_heard(reset * state, learned) @ of_kept).tanh()
            state = torch.lerp(content, state, update)
            states.append(state)
        return torch.stack(states, dim=1)


class _PooledLinear(nn.Module):
    def __init__(self, pool: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.pool = nn.Parameter(torch.randn(pool, inputs, outputs) / inputs**0.5)

    def forward(self, share: Tensor) -> Tensor:
        """Each sensor's own weights, ``[K, P]`` to ``[K, inputs, outputs]``."""
        return (share @ self.pool.flatten(1)).view(-1, *self.pool.shape[1:])


def _shares(embedding: int, pool: int) -> nn.Linear:
    """Of length near 1 for embeddings of length 1.

    Sensors begin with half of their weights in common.
    """
    linear = nn.Linear(embedding, pool)
    for parameter in linear.parameters():
        nn.init.normal_(parameter, std=(2 * pool) ** -0.5)
    return linear


def _beside_heard(values: Tensor, learned: Aggregation) -> Tensor:
    """``[K, ..., D]`` to ``[K, ..., 2D]``."""
    heard = learned(values.reshape(1, len(values), -1)).reshape(values.shape)
    return torch.cat([values, heard], dim=-1)
