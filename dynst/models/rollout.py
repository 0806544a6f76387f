"""Long horizons a few steps at a time: the forecaster reads its own forecasts, as simulators on
meshes do.
"""

import torch
from torch import Tensor

from dynst.data.windows import shifted_calendar
from dynst.models.forecaster import SparseForecaster
from dynst.models.protocol import Shape

__all__ = ["RolledOut"]


class RolledOut(SparseForecaster):
    """Asks ``inner`` as often as the horizon needs.

    In between, the window moves on over what was forecast at the active sensors.

    The training sees the whole way, so that errors that grow from step to step are learned to be
    small (as the rollouts of Pfaff et al. 2021, without their noise).
    """

    def __init__(self, shape: Shape, inner: SparseForecaster) -> None:
        """``inner`` forecasts all channels in their order, fewer steps at a time than
        ``shape.horizon``.
        """
        super().__init__(shape, inner.scaler)
        self.inner = inner

    def forward(
        self,
        readings: Tensor,
        observed: Tensor,
        calendar: Tensor,
        sensors: Tensor,
        gates: Tensor | None = None,
        locations: Tensor | None = None,
    ) -> Tensor:
        window, horizon, at_once = self.shape.window, self.shape.horizon, self.inner.shape.horizon
        seconds = self.scaler.season.step or 0
        both, asked, own = _both(locations, sensors)
        steps: list[Tensor] = []
        for step in range(0, horizon, at_once):
            later = shifted_calendar(calendar, step * seconds)
            ahead = self.inner(
                readings, observed, later, sensors, gates, both
            )  # [B, h, S, C], or of both alone
            steps.append(ahead[:, :, asked])
            told = ahead[:, :, own]
            readings = torch.cat([readings, told], dim=1)[:, -window:]
            observed = torch.cat([observed, torch.ones_like(told, dtype=torch.bool)], dim=1)[
                :, -window:
            ]
        return torch.cat(steps, dim=1)[:, :horizon]


def _both(
    locations: Tensor | None, sensors: Tensor
) -> tuple[Tensor | None, Tensor | slice, Tensor]:
    """What has to be forecast on the way: locations and sensors.

    And where those and these stand among them.
    """
    if locations is None:
        return None, slice(None), sensors
    both = torch.cat([locations, sensors]).unique()
    return both, torch.searchsorted(both, locations), torch.searchsorted(both, sensors)
