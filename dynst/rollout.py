"""Long horizons a few steps at a time: the forecaster reads its own forecasts, as simulators on meshes do."""

import torch
from torch import Tensor

from dynst.backbones.protocol import Shape
from dynst.data.windows import shifted_calendar
from dynst.forecaster import SparseForecaster

__all__ = ["RolledOut"]


class RolledOut(SparseForecaster):
    """Asks ``inner`` as often as the horizon needs; in between, the window moves on over what was forecast at the active sensors.

    The training sees the whole way, so that errors that grow from step to step are learned to be small (as the rollouts of
    Pfaff et al. 2021, without their noise).
    """

    def __init__(self, shape: Shape, inner: SparseForecaster) -> None:
        """``inner`` forecasts all channels in their order, fewer steps at a time than ``shape.horizon``."""
        super().__init__(shape, inner.scaler)
        self.inner = inner

    def forward(self, readings: Tensor, observed: Tensor, calendar: Tensor, sensors: Tensor, gates: Tensor | None = None) -> Tensor:
        window, horizon, at_once = self.shape.window, self.shape.horizon, self.inner.shape.horizon
        seconds = self.scaler.season.step or 0
        steps: list[Tensor] = []
        for step in range(0, horizon, at_once):
            ahead = self.inner(readings, observed, shifted_calendar(calendar, step * seconds), sensors, gates)  # [B, h, S, C]
            steps.append(ahead)
            told = ahead[:, :, sensors]
            readings = torch.cat([readings, told], dim=1)[:, -window:]
            observed = torch.cat([observed, torch.ones_like(told, dtype=torch.bool)], dim=1)[:, -window:]
        return torch.cat(steps, dim=1)[:, :horizon]
