"""Networks as a user would bring them.

Named in tests as ``tests.dynst.models.own_networks:Name``.
"""

import torch
from torch import Tensor, nn

from dynst.models.protocol import Topology, Traits

__all__ = ["Compact", "Lost", "Normalised", "OnGraph", "Simple", "WrongShape"]


class Simple(nn.Module):
    """Reads and forecasts every location; knows nothing of DynST."""

    def __init__(
        self, window: int, horizon: int, num_sensors: int, width: int = 8, activation: str = "relu"
    ) -> None:
        super().__init__()
        self.mix = nn.Linear(num_sensors, num_sensors)
        self.ahead = nn.Sequential(
            nn.Linear(window, width),
            nn.ReLU() if activation == "relu" else nn.GELU(),
            nn.Linear(width, horizon),
        )

    def forward(self, readings: Tensor) -> Tensor:
        """``[B, T, S, C]`` to ``[B, H, S, C]``."""
        signals = readings.transpose(2, 3)  # [B, T, C, S]
        sensor_to_location = signals + self.mix(signals)
        return self.ahead(sensor_to_location.permute(0, 3, 2, 1)).permute(0, 3, 1, 2)


class Compact(nn.Module):
    """Follows the compact protocol: one hidden state for each active sensor."""

    traits = Traits(compact=True)

    def __init__(self, window: int, num_channels: int, hidden: int, topology: Topology) -> None:
        super().__init__()
        self.encode = nn.Linear(window * 2 * num_channels, hidden)
        self.topology = topology

    def forward(
        self, morphed: Tensor, calendar: Tensor, sensors: Tensor, gates: Tensor | None
    ) -> Tensor:
        hidden = torch.relu(self.encode(morphed))
        return hidden + self.topology.sensor_to_sensor(sensors, gates).average()(hidden)


class Normalised(nn.Module):
    """Takes statistics of a batch, which one window has none of."""

    def __init__(self, horizon: int, num_sensors: int) -> None:
        super().__init__()
        self.norm, self.horizon = nn.BatchNorm1d(num_sensors), horizon

    def forward(self, readings: Tensor) -> Tensor:
        """``[B, T, S, 1]`` to ``[B, H, S, 1]``."""
        return self.norm(readings[:, -1, :, 0])[:, None, :, None].expand(-1, self.horizon, -1, -1)


class OnGraph(nn.Module):
    """Keeps the store's edges as its own, and may write to them."""

    def __init__(self, horizon: int, edge_index: Tensor, edge_weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("index", edge_index)
        self.register_buffer("weight", edge_weight)


class WrongShape(nn.Module):
    """Forecasts one step too many."""

    def __init__(self, horizon: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(horizon + 1))

    def forward(self, readings: Tensor) -> Tensor:
        return readings[:, -1:] * self.weight[:, None, None]


Lost = 3  # no class at all
