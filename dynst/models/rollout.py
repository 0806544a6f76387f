"""Long horizons a few steps at a time: the forecaster reads its own forecasts, as simulators on
meshes do.
"""

import torch
from torch import Tensor, nn

from dynst.data.calendar import shifted_calendar
from dynst.data.windows import ForecastInputs
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

    def forward(self, inputs: ForecastInputs) -> Tensor:
        window, horizon, at_once = self.shape.window, self.shape.horizon, self.inner.shape.horizon
        length, periods = self.scaler.season.step or 0, self.scaler.clock.periods
        both, asked, own = _both(inputs.locations, inputs.sensors)
        readings, observed, steps = inputs.readings, inputs.observed, list[Tensor]()
        for step in range(0, horizon, at_once):
            ahead = self.inner(  # [B, h, S, C], or of both alone
                inputs._replace(
                    readings=readings,
                    observed=observed,
                    calendar=shifted_calendar(inputs.calendar, step * length, periods),
                    locations=both,
                )
            )
            steps.append(ahead[:, :, asked])
            latest = ahead[:, :, own]
            known = torch.ones_like(latest, dtype=torch.bool)
            readings = torch.cat([readings, latest], dim=1)[:, -window:]
            observed = torch.cat([observed, known], dim=1)[:, -window:]
        return torch.cat(steps, dim=1)[:, :horizon]

    def reading(self, sensors: Tensor) -> nn.Module:
        inner = self.inner.reading(sensors)
        return RolledOut(self.shape, inner) if isinstance(inner, SparseForecaster) else self


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
