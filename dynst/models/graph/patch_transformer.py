"""A compact transformer: the default backbone for grids cut into patches.

On a graph, every sensor is a token.
"""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from dynst.models.protocol import Neighborhood, Shape, Topology, Traits
from dynst.models.renamed import read_old_names

__all__ = ["PatchTransformer", "fourier_features"]

OCTAVES = 4
# initial score of the nearest neighbour in the most local head; the first head starts without any
# preference
NEAREST = 6.0


class PatchTransformer(nn.Module):
    """Pre-norm self-attention over the active tokens alone.

    A switched-off patch costs nothing, and no token attends to it.

    A token is what a Vision Transformer makes of a patch (Dosovitskiy et al. 2021), over all
    timestamps of the window at once, with a learned identity, its row and column, and the calendar.
    """

    traits = Traits(compact=True, max_all_pairs=4096, takes_lists=False)

    def __init__(
        self,
        shape: Shape,
        topology: Topology,
        num_calendar: int,
        positional_features: Tensor,
        node_embedding: Tensor,
        *,
        blocks: Annotated[int, Field(ge=1)] = 2,
        heads: Literal[1, 2, 4] = 4,
    ) -> None:
        """``positional_features [S, F]`` are features of where each token stands.

        ``node_embedding [S, E]`` is what the embeddings begin as.
        """
        super().__init__()
        hidden = shape.hidden
        self.topology = topology
        # saved: a loaded model does not know the store
        self.register_buffer("positional_features", positional_features)
        self.node_embedding = nn.Parameter(node_embedding.clone())
        self.encode = nn.Linear(shape.window * 2 * shape.num_channels, hidden)
        self.encode_token = nn.Linear(
            node_embedding.shape[1] + positional_features.shape[1], hidden, bias=False
        )
        self.encode_calendar = nn.Linear(num_calendar, hidden, bias=False)
        self.blocks = nn.ModuleList(_Block(hidden, heads) for _ in range(blocks))
        self.norm = nn.LayerNorm(hidden)
        read_old_names(self, {"identity": "node_embedding", "places": "positional_features"})

    positional_features: Tensor

    def forward(
        self, morphed: Tensor, calendar: Tensor, sensors: Tensor, gates: Tensor | None
    ) -> Tensor:
        token = torch.cat([self.node_embedding, self.positional_features], dim=-1)[
            sensors
        ]  # [K, E + F]
        neighborhood = self.topology.sensor_to_sensor(sensors, gates)
        hidden: Tensor = (
            self.encode(morphed)
            + self.encode_token(token)
            + self.encode_calendar(calendar)[:, None]
        )  # [B, K, D]
        for block in self.blocks:
            hidden = block(hidden, neighborhood)
        out: Tensor = self.norm(hidden)
        return out


class _Block(nn.Module):
    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        if hidden % heads:
            raise ValueError(f"hidden must be a multiple of {heads} heads, but got {hidden}")
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in range(2))
        self.qkv = nn.Linear(hidden, 3 * hidden)
        self.proximity_weight = nn.Parameter(torch.linspace(0, NEAREST, heads)[:, None, None])
        self.out_proj = nn.Linear(hidden, hidden)
        self.ffn = nn.Sequential(
            nn.Linear(hidden, 2 * hidden), nn.GELU(), nn.Linear(2 * hidden, hidden)
        )
        old = {"project": "qkv", "join": "out_proj", "alone": "ffn", "nearness": "proximity_weight"}
        read_old_names(self, old)

    def forward(self, hidden: Tensor, neighborhood: Neighborhood) -> Tensor:
        """``[B, K, D]`` to the same."""
        # [B, 3·heads, K, E]
        state = self.qkv(self.norms[0](hidden)).unflatten(-1, (3 * self.heads, -1)).transpose(1, 2)
        query, key, value = state.chunk(3, dim=1)
        aggregated = neighborhood.attend(
            query / query.shape[-1] ** 0.5, key, self.proximity_weight
        )(value)  # [B, heads, K, E]
        hidden = hidden + self.out_proj(aggregated.transpose(1, 2).flatten(2))
        changed: Tensor = hidden + self.ffn(self.norms[1](hidden))
        return changed


def fourier_features(positions: Tensor | None, num_sensors: int) -> Tensor:
    """Sines and cosines of both coordinates over a few octaves of the network's extent, ``[S, 4 ·
    OCTAVES]``; 0 where unknown.
    """
    if positions is None:
        return torch.zeros(num_sensors, 4 * OCTAVES)
    low, high = positions.amin(0), positions.amax(0)
    share = (positions - low) / (high - low).max().clamp(min=1e-9)  # [S, 2]
    angles = share[..., None] * torch.pi * 2.0 ** torch.arange(OCTAVES)  # [S, 2, OCTAVES]
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1).float()
