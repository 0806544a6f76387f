"""A forecaster as it is put into service: raw readings of its active sensors in, forecasts of all
locations out.
"""

import torch
from torch import Tensor, nn

from dynst.data.windows import ForecastInputs
from dynst.models.forecaster import SparseForecaster

__all__ = ["ServedForecaster"]


class ServedForecaster(nn.Module):
    """Scaling, network and its undoing as one module of two tensors, so that it can be exported
    whole.

    Args:
        active: bool ``[S]``.
        targets: channels that are forecast.
        step: between two readings, in the unit of the model's clock.
    """

    def __init__(self, model: SparseForecaster, active: Tensor, targets: Tensor, step: int) -> None:
        super().__init__()
        self.model, self.step = model, step
        self.sensors: Tensor
        self.targets: Tensor
        self.register_buffer("sensors", active.nonzero().squeeze(1))
        self.register_buffer("targets", targets)
        self.network = model.reading(self.sensors)

    def times_ahead(self, time: Tensor) -> Tensor:
        """``[H]`` after the last of ``time``, in the unit of the model's clock."""
        ahead = torch.arange(1, self.model.shape.horizon + 1, device=time.device)
        return time[-1] + self.step * ahead

    def forward(self, time: Tensor, readings: Tensor) -> Tensor:
        """``[H, S, targets]`` from ``time [T]`` int64 and ``readings [T, K, C]``.

        NaN is read as the location's profile.
        """
        scaler, observed = self.model.scaler, ~readings.isnan()
        scaled = (readings - scaler.profile_at(time)[:, self.sensors]) / scaler.scale[self.sensors]
        scaled = torch.where(observed, scaled, 0.0)
        ahead = self.times_ahead(time)
        calendar = scaler.calendar(ahead[:1])
        out = self.network(ForecastInputs(scaled[None], observed[None], calendar, self.sensors))
        return scaler.restore(out, ahead[None], self.targets)[0]
