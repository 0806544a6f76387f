"""How much each sensor matters. A criterion watches probe steps and answers with one score a sensor, larger is better."""

from typing import Protocol

import torch
from torch import Tensor

__all__ = ["Criterion", "Given", "RandomScore", "SignedFirstOrder"]


class Criterion(Protocol):
    needs_probes: bool

    def observe(self, gate_gradient: Tensor) -> None:
        """Take in ``∂L/∂g`` ``[S]`` of one probe step, averaged over ranks; NaN where a sensor was no candidate."""

    def scores(self) -> Tensor:
        """``[S]`` float64."""

    def state_dict(self) -> dict[str, Tensor]: ...

    def load_state_dict(self, state: dict[str, Tensor]) -> None: ...


class SignedFirstOrder:
    """``importance_j = −EMA(∂L/∂g_j)``: for an active sensor what the loss gains by keeping it, for an inactive one what it would
    gain by taking it back. First-order Taylor expansion of the loss in the gate (Molchanov et al. 2017), with its sign;
    in the unit of the loss.

    Measured on random subsets it averages a sensor's contribution over the company it may keep.
    """

    needs_probes = True

    def __init__(self, num_sensors: int, decay: float = 0.98) -> None:
        self.decay = decay
        self.average = torch.zeros(num_sensors, dtype=torch.float64)
        self.weight = torch.zeros(num_sensors, dtype=torch.float64)

    def observe(self, gate_gradient: Tensor) -> None:
        seen = gate_gradient.isfinite()
        gain = -gate_gradient[seen].double()
        self.average[seen] = self.decay * self.average[seen] + (1 - self.decay) * gain
        self.weight[seen] = self.decay * self.weight[seen] + (1 - self.decay)

    def scores(self) -> Tensor:
        return self.average / self.weight.clamp(min=1e-12)

    def state_dict(self) -> dict[str, Tensor]:
        return {"average": self.average.clone(), "weight": self.weight.clone()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.average, self.weight = state["average"].clone(), state["weight"].clone()


class Given:
    """Scores fixed from outside: a mask from a file, or a baseline's ranking."""

    needs_probes = False

    def __init__(self, scores: Tensor) -> None:
        self._scores = scores.double()

    def observe(self, gate_gradient: Tensor) -> None:
        pass

    def scores(self) -> Tensor:
        return self._scores

    def state_dict(self) -> dict[str, Tensor]:
        return {"scores": self._scores.clone()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self._scores = state["scores"].clone()


class RandomScore(Given):
    """A random ranking, drawn once: chance, the baseline that every choice must beat."""

    def __init__(self, num_sensors: int, seed: int) -> None:
        super().__init__(torch.rand(num_sensors, generator=torch.Generator().manual_seed(seed), dtype=torch.float64))
