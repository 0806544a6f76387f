"""Masked errors, kept apart for every horizon step and location, so that any group of sensors can be asked about later."""

from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor

__all__ = ["ErrorTable", "masked_mae"]


def masked_mae(forecast: Tensor, target: Tensor, observed: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Weighted absolute error summed over the observed entries, and their number.

    Args:
        forecast, target: ``[B, H, S, C]``, scaled.
        observed: ``[B, H, S, C]`` bool.
        weight: ``[S, C]``, brings scaled errors to a common unit.
    """
    error = (forecast - target).abs() * weight
    return (error * observed).sum(), observed.sum()


@dataclass(frozen=True)
class ErrorTable:
    """Sums over windows in the channel's unit, each ``[H, S, C]`` float64; tables of several ranks add up."""

    absolute: Tensor
    squared: Tensor
    truth: Tensor
    count: Tensor

    @classmethod
    def zeros(cls, horizon: int, num_sensors: int, num_channels: int) -> "ErrorTable":
        return cls(*(torch.zeros(horizon, num_sensors, num_channels, dtype=torch.float64) for _ in range(4)))

    def add(self, error: Tensor, truth: Tensor, observed: Tensor) -> None:
        """Add a batch: ``[B, H, S, C]`` each, error and truth in raw units."""
        error = error.double() * observed
        self.absolute.add_(error.abs().sum(0))
        self.squared.add_(error.square().sum(0))
        self.truth.add_((truth.double().abs() * observed).sum(0))
        self.count.add_(observed.sum(0))

    def mae(self, sensors: Tensor | None = None, step: int | None = None) -> float:
        """Mean absolute error over ``sensors`` (bool ``[S]``, all by default) and one horizon step (all by default); NaN where
        nothing was observed."""
        return self._ratio(self.absolute, self.count, sensors, step)

    def rmse(self, sensors: Tensor | None = None, step: int | None = None) -> float:
        return sqrt(self._ratio(self.squared, self.count, sensors, step))

    def wape(self, sensors: Tensor | None = None, step: int | None = None) -> float:
        """Absolute error as a share of the absolute truth, so that zeros in the truth do no harm."""
        return self._ratio(self.absolute, self.truth, sensors, step)

    def mae_by_sensor(self) -> Tensor:
        """``[S]``, NaN for a sensor that was never observed."""
        return self.absolute.sum((0, 2)) / self.count.sum((0, 2))

    def _ratio(self, over: Tensor, under: Tensor, sensors: Tensor | None, step: int | None) -> float:
        steps = slice(None) if step is None else slice(step, step + 1)
        chosen = slice(None) if sensors is None else sensors
        return float((over[steps][:, chosen].sum() / under[steps][:, chosen].sum()).item())
