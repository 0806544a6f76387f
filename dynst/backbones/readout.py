"""From K hidden states to forecasts for all S locations, the switched-off ones included."""

import torch
from torch import Tensor, nn

from dynst.backbones.protocol import Geometry, Mixing, Shape

__all__ = ["Readout"]


class Readout(nn.Module):
    """Each location mixes the other active sensors' states, by location embeddings and proximity, and adds its own state where it
    is itself active. Attention weights do not depend on the readings, so they are computed once for a batch."""

    def __init__(self, shape: Shape, geometry: Geometry, *, heads: int = 4, embedding: int = 16) -> None:
        super().__init__()
        if shape.hidden % heads:
            raise ValueError(f"hidden must be a multiple of {heads} heads, but got {shape.hidden}")
        self.shape, self.heads = shape, heads
        self.geometry = geometry
        self.location = nn.Parameter(torch.randn(shape.num_sensors, embedding) / embedding**0.5)
        self.query = nn.Linear(embedding, heads * embedding, bias=False)
        self.key = nn.Linear(embedding, heads * embedding, bias=False)
        self.nearness = nn.Parameter(torch.full((heads, 1, 1), 2.0))
        self.others = nn.Linear(shape.hidden, shape.hidden)
        self.own = nn.Linear(shape.hidden, shape.hidden)
        self.place = nn.Linear(embedding, shape.hidden)
        self.forecast = nn.Linear(shape.hidden, shape.horizon * shape.num_targets)

    def forward(self, hidden: Tensor, sensors: Tensor, gates: Tensor | None) -> Tensor:
        """``hidden [B, K, D]`` to scaled forecasts ``[B, H, S, targets]``."""
        batch, shape = len(hidden), self.shape
        mix = self.mixing(sensors, gates)
        values = self.others(hidden).unflatten(-1, (self.heads, -1)).permute(0, 2, 1, 3)  # [B, heads, K, D/heads]
        mixed = mix(values).permute(0, 2, 1, 3).flatten(2)  # [B, S, D]
        own = self.own(hidden) if gates is None else self.own(hidden) * gates[:, None]
        state = (mixed + self.place(self.location)).index_add(1, sensors, own)
        out: Tensor = self.forecast(nn.functional.gelu(state))  # [B, S, H·targets]
        return out.view(batch, shape.num_sensors, shape.horizon, shape.num_targets).transpose(1, 2)

    def mixing(self, sensors: Tensor, gates: Tensor | None) -> Mixing:
        """How each location listens to the active sensors, ``[B, heads, K, D]`` to ``[B, heads, S, D]``."""
        query = self.query(self.location).unflatten(-1, (self.heads, -1)).transpose(0, 1)  # [heads, S, E]
        key = self.key(self.location[sensors]).unflatten(-1, (self.heads, -1)).transpose(0, 1)  # [heads, K, E]
        return self.geometry.everywhere(sensors, gates).attend(query, key, self.nearness)
