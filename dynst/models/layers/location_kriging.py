"""Kriging of every location from the active sensors, with a covariance that is learned."""

from copy import deepcopy

import torch
from torch import Tensor, nn

from dynst.devices import to_device
from dynst.models.layers.gated_aggregation import MAX_FACTOR, widened
from dynst.models.protocol import Shape

__all__ = ["LocationKriging"]

LOG_NOISE = -1.0  # at first; of readings that are scaled to a spread of 1
LEAST_SHARE = 1e-3  # of its own reading that a sensor's estimate from all is taken to lack


class LocationKriging(nn.Module):
    """Simple kriging (Cressie 1993) of scaled readings, whose mean is the seasonal profile.

    The covariance of two locations is the product of their factors (fixed rank kriging, Cressie
    and Johannesson 2008), so that its weights for any set of sensors cost one system of E
    equations. They do not depend on the readings. No location reads itself.

    Args:
        shape: of the forecaster.
        factors: ``[S, E]``, what the factors begin as.
    """

    fixed: Tensor | None

    def __init__(self, shape: Shape, factors: Tensor) -> None:
        super().__init__()
        self.factors = nn.Parameter(factors.clone())
        self.log_noise = nn.Parameter(torch.tensor(LOG_NOISE))
        self.share = nn.Parameter(torch.zeros(shape.horizon * shape.num_targets))
        self.register_buffer("fixed", None, persistent=False)

    def forward(
        self,
        guessed: Tensor,
        values: Tensor,
        sensors: Tensor,
        gates: Tensor | None,
        locations: Tensor | None = None,
    ) -> Tensor:
        """``guessed [B, L, H·targets]``, mixed with the kriged ``values [B, K, H·targets]`` by a
        share that is learned for each of them.
        """
        weight = self.weights(sensors, gates, locations) if self.fixed is None else self.fixed
        kriged = weight @ widened(values)
        return guessed + self.share.sigmoid() * (kriged - guessed)

    def weights(
        self, sensors: Tensor, gates: Tensor | None, locations: Tensor | None = None
    ) -> Tensor:
        """``[L, K]``, of the sensors for all locations or for these.

        A sensor's gate multiplies its precision: one of 0 leaves it out exactly.
        """
        factors = self.factors.double()  # which no lower precision touches
        of_sensors = factors[sensors]  # [K, E]
        of_locations = factors if locations is None else factors[locations]
        noise = self.log_noise.double().exp() * torch.eye(
            of_sensors.shape[1], device=of_sensors.device, dtype=of_sensors.dtype
        )
        if gates is not None and gates.requires_grad:
            gates = _switched(gates, of_sensors, noise)
        weighed = of_sensors if gates is None else of_sensors * gates[:, None]
        solved = torch.linalg.solve(of_sensors.mT @ weighed + noise, weighed.mT)  # [E, K]
        weight = of_locations @ solved
        place = torch.arange(len(factors), device=sensors.device)
        itself = (place if locations is None else locations)[:, None] == sensors
        own = torch.where(itself, weight, 0.0)
        without: Tensor = (weight - own) / (1 - own.sum(1, keepdim=True)).clamp(min=LEAST_SHARE)
        return without.to(self.factors.dtype)

    def reading(self, sensors: Tensor) -> "LocationKriging":
        """The same with its weights for ``sensors [K]`` computed once, for all locations."""
        copy = deepcopy(self)
        copy.fixed = self.weights(to_device(sensors, self.factors.device), None).detach()
        return copy


def _switched(gates: Tensor, factors: Tensor, noise: Tensor) -> Tensor:
    """The same gates, whose gradient is that of switching a sensor on or off.

    Let h be ``fᵀ A⁻¹ f`` of a sensor's factors f. Switching it on moves the estimates by
    1 / (1 + h) times the derivative at gate 0, switching it off by 1 / (1 − h) times the one at
    gate 1 (Sherman and Morrison 1950).
    """
    fixed, of_sensors = gates.detach(), factors.detach()
    system = of_sensors.mT @ (of_sensors * fixed[:, None]) + noise.detach()
    leverage = (of_sensors * torch.linalg.solve(system, of_sensors.mT).mT).sum(1)
    factor = 1 / torch.where(fixed > 0, 1 - leverage, 1 + leverage).clamp(min=1 / MAX_FACTOR)
    return fixed + (gates - fixed) * factor
