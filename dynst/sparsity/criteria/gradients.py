"""Importance from the gradient that a gate receives on probe steps, averaged over them."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from dynst.sparsity.criteria.protocol import Criterion

__all__ = ["AbsoluteGradient", "SignedFirstOrder"]


class _Averaged(Criterion, ABC):
    """An exponential average over the probes in which a sensor was a candidate, corrected for its
    start; 0 if it never was.
    """

    needs_probes = True

    def __init__(self, num_sensors: int, decay: float = 0.98) -> None:
        self.decay = decay
        self.average = torch.zeros(num_sensors, dtype=torch.float64)
        self.weight = torch.zeros(num_sensors, dtype=torch.float64)

    @abstractmethod
    def _gain(self, gate_gradient: Tensor) -> Tensor:
        """What one probe says about each sensor."""

    def observe(self, gate_gradient: Tensor, active: Tensor) -> None:
        seen = gate_gradient.isfinite()
        gain = self._gain(gate_gradient[seen].double())
        self.average[seen] = self.decay * self.average[seen] + (1 - self.decay) * gain
        self.weight[seen] = self.decay * self.weight[seen] + (1 - self.decay)

    def scores(self, active: Tensor) -> Tensor:
        return self.average / self.weight.clamp(min=1e-12)

    def state_dict(self) -> dict[str, Tensor]:
        return {"average": self.average.clone(), "weight": self.weight.clone()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.average, self.weight = state["average"].clone(), state["weight"].clone()


class SignedFirstOrder(_Averaged):
    """``importance_j = −EMA(∂L/∂g_j)``: for an active sensor what the loss gains by keeping it, for
    an inactive one what it would gain by taking it back. First-order Taylor expansion of the
    loss in the gate (Molchanov et al. 2017), with its sign; in the unit of the loss.

    Measured on random subsets it averages a sensor's contribution over the subsets it may be in.
    """

    def _gain(self, gate_gradient: Tensor) -> Tensor:
        return -gate_gradient


class AbsoluteGradient(_Averaged):
    """``importance_j = EMA(|∂L/∂g_j|)``, RigL's measure for growth (Evci et al.

    2020), here for both sides of an exchange.

    It says how much the loss reacts to a sensor, not in which direction: a sensor that does harm
    counts as important too.
    """

    def _gain(self, gate_gradient: Tensor) -> Tensor:
        return gate_gradient.abs()
