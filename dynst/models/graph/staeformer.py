"""STAEformer: a plain transformer over time, then over sensors, that rests on one embedding for
each sensor and step.
"""

from collections.abc import Callable
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from dynst.errors import ConfigError
from dynst.models.layers.gated_aggregation import stream_unmorph
from dynst.models.protocol import Neighborhood, Shape, Topology, Traits
from dynst.models.renamed import read_old_names

__all__ = ["Staeformer"]

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Query, key, value ``[B, heads, L, E]`` to the aggregated values, the same shape."""


class Staeformer(nn.Module):
    """Self-attention of each sensor over its window, then of each step over the active sensors (Liu
    et al. 2023).

    Embeddings are added instead of laid side by side, so that the width stays ``hidden``. Scores
    over sensors depend on the readings: K² for each window, step and head, of which the geometry
    holds few at once. Lists of neighbours are not taken: their sums would run over windows, steps
    and heads one by one.
    """

    traits = Traits(compact=True, max_all_pairs=1024, takes_lists=False)

    def __init__(
        self,
        shape: Shape,
        topology: Topology,
        num_calendar: int,
        node_embedding: Tensor,
        *,
        blocks: Annotated[int, Field(ge=1)] = 1,
        heads: Annotated[int, Field(ge=1)] = 4,
    ) -> None:
        """``node_embedding [S, E]`` is what each step's embeddings begin as.

        ``blocks`` layers over time precede as many over sensors.

        Raises:
            ConfigError: the width is no multiple of ``heads``.
        """
        super().__init__()
        hidden = shape.hidden
        if hidden % heads:
            raise ConfigError(
                f"model.hidden must be a multiple of staeformer's {heads} heads, but got "
                f"{hidden}; change either"
            )
        self.topology = topology
        self.window = shape.window
        self.adaptive = nn.Parameter(node_embedding.repeat(shape.window, 1, 1))  # [T, S, E]
        self.encode = nn.Linear(2 * shape.num_channels, hidden)
        self.encode_adaptive = nn.Linear(node_embedding.shape[1], hidden, bias=False)
        self.encode_calendar = nn.Linear(num_calendar, hidden, bias=False)
        self.over_time = nn.ModuleList(_Layer(hidden, heads) for _ in range(blocks))
        self.over_sensors = nn.ModuleList(_Layer(hidden, heads) for _ in range(blocks))
        self.collapse = nn.Linear(shape.window * hidden, hidden)

    def forward(
        self, morphed: Tensor, calendar: Tensor, sensors: Tensor, gates: Tensor | None
    ) -> Tensor:
        sensor_to_sensor = _attend_by(self.topology.sensor_to_sensor(sensors, gates))
        adaptive = self.encode_adaptive(self.adaptive[:, sensors])  # [T, K, D]
        state = (
            self.encode(stream_unmorph(morphed, self.window))
            + adaptive
            + self.encode_calendar(calendar)[:, None, None]
        )
        for layer in self.over_time:
            state = _along(1, layer, state, scaled_dot_product_attention)
        for layer in self.over_sensors:
            state = _along(2, layer, state, sensor_to_sensor)
        out: Tensor = self.collapse(state.transpose(1, 2).flatten(2))
        return out


class _Layer(nn.Module):
    """Attention, then each element alone, both normalised after they are added, as published."""

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(hidden, 3 * hidden)
        self.out_proj = nn.Linear(hidden, hidden)
        self.ffn = nn.Sequential(
            nn.Linear(hidden, 2 * hidden), nn.ReLU(), nn.Linear(2 * hidden, hidden)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in range(2))
        read_old_names(self, {"project": "qkv", "join": "out_proj", "alone": "ffn"})

    def forward(self, hidden: Tensor, attend: Attend) -> Tensor:
        """``[B, L, D]`` to the same; L are the elements that attend to one another."""
        # [B, 3·heads, L, E]
        parts = self.qkv(hidden).unflatten(-1, (3 * self.heads, -1)).transpose(1, 2)
        aggregated = attend(*parts.chunk(3, dim=1)).transpose(1, 2).flatten(2)  # [B, L, D]
        state = self.norms[0](hidden + self.out_proj(aggregated))
        out: Tensor = self.norms[1](state + self.ffn(state))
        return out


def _attend_by(neighborhood: Neighborhood) -> Attend:
    return lambda query, key, value: neighborhood.attend(query / query.shape[-1] ** 0.5, key)(value)


def _along(dim: int, layer: nn.Module, state: Tensor, attend: Attend) -> Tensor:
    """``[B, T, K, D]`` to the same, where the elements of ``dim``, 1 or 2, attend to one
    another.
    """
    lists = state.transpose(dim, 2)
    out: Tensor = layer(lists.flatten(0, 1), attend).view_as(lists).transpose(dim, 2)
    return out
