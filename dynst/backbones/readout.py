"""From K hidden states to forecasts for all S locations, the switched-off ones included."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dynst.backbones.mixing import scores_by_product
from dynst.backbones.protocol import Geometry, Mixing, Shape

__all__ = ["Readout"]

SHARPEST = 40.0  # head; each next one listens more widely


class Readout(nn.Module):
    """Each location mixes the other active sensors' states, by location embeddings and proximity, and adds its own state where it
    is itself active. Attention weights do not depend on the readings, so they are computed once for a batch.

    Beside the states runs a linear path: each active sensor extrapolates its own window, at first by its last reading (as the
    linear models of Zeng et al. 2023), and a location that is off mixes what the others extrapolate by the same weights.
    """

    def __init__(self, shape: Shape, geometry: Geometry, targets: Sequence[int], location: Tensor, *, heads: int = 4) -> None:
        """``location [S, E]`` is what the embeddings begin as; each location listens most to those with a large dot product."""
        super().__init__()
        embedding = location.shape[1]
        if shape.hidden % heads:
            raise ValueError(f"hidden must be a multiple of {heads} heads, but got {shape.hidden}")
        self.shape, self.heads = shape, heads
        self.geometry = geometry
        self.location = nn.Parameter(location.clone())
        sharpness = [SHARPEST / 2**head for head in range(heads)]
        self.query, self.key = scores_by_product(embedding, sharpness), scores_by_product(embedding, sharpness)
        self.nearness = nn.Parameter(torch.full((heads, 1, 1), 2.0))
        self.others = nn.Linear(shape.hidden, shape.hidden)
        self.own = nn.Linear(shape.hidden, shape.hidden)
        self.place = nn.Linear(embedding, shape.hidden)
        self.forecast = nn.Linear(shape.hidden, shape.horizon * shape.num_targets)
        self.extrapolate = _last_reading(shape, targets)

    def forward(self, hidden: Tensor, morphed: Tensor, sensors: Tensor, gates: Tensor | None) -> Tensor:
        """``hidden [B, K, D]`` and ``morphed [B, K, T·2C]`` to scaled forecasts ``[B, H, S, targets]``."""
        batch, shape, size = len(hidden), self.shape, self.shape.hidden // self.heads
        extrapolated = self.extrapolate(morphed)  # [B, K, H·targets]
        values = self.others(hidden).unflatten(-1, (self.heads, size)).permute(0, 2, 1, 3)  # [B, heads, K, D/heads]
        told = extrapolated[:, None].expand(-1, self.heads, -1, -1)
        heard = self.mixing(sensors, gates)(torch.cat([values, told], dim=-1))  # [B, heads, S, D/heads + H·targets]
        mixed, guessed = heard[..., :size].permute(0, 2, 1, 3).flatten(2), heard[..., size:].mean(1)
        on = hidden.new_ones(len(sensors)) if gates is None else gates
        state = (mixed + self.place(self.location)).index_add(1, sensors, self.own(hidden) * on[:, None])
        straight = guessed.index_add(1, sensors, (extrapolated - guessed[:, sensors]) * on[:, None])
        out: Tensor = self.forecast(nn.functional.gelu(state)) + straight  # [B, S, H·targets]
        return out.view(batch, shape.num_sensors, shape.horizon, shape.num_targets).transpose(1, 2)

    def mixing(self, sensors: Tensor, gates: Tensor | None) -> Mixing:
        """How each location listens to the active sensors, ``[B, heads, K, D]`` to ``[B, heads, S, D]``."""
        query = self.query(self.location).unflatten(-1, (self.heads, -1)).transpose(0, 1)  # [heads, S, E]
        key = self.key(self.location[sensors]).unflatten(-1, (self.heads, -1)).transpose(0, 1)  # [heads, K, E]
        return self.geometry.everywhere(sensors, gates).attend(query, key, self.nearness)


def _last_reading(shape: Shape, targets: Sequence[int]) -> nn.Linear:
    """From a stream-morphed window to all horizon steps; begins as the last reading of each target."""
    linear = nn.Linear(shape.window * 2 * shape.num_channels, shape.horizon * shape.num_targets, bias=False)
    last_step = (shape.window - 1) * 2 * shape.num_channels
    with torch.no_grad():
        linear.weight.zero_()
        for output in range(linear.out_features):
            linear.weight[output, last_step + targets[output % shape.num_targets]] = 1.0
    return linear
