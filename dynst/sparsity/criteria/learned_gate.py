"""Importance as a gate that training learns."""

import torch
from torch import Tensor

from dynst.sparsity.criteria.protocol import Criterion

__all__ = ["LearnedGate"]

FLOOR = 1e-3  # a gate of 0 would be a switched-off sensor, and could not be learned any more


class LearnedGate(Criterion):
    """One gate a sensor, learned on probe steps by gradient descent with an L1 term that pulls it
    towards 0; its magnitude is the score (UGS, Chen et al. 2021). Steps are taken in units of
    the usual gradient, so that ``rate`` holds for any unit of readings.

    A sensor that is off passes no gradient to its gate, so its score is the one it left with: it
    comes back only once an active sensor's gate has fallen below that.
    """

    needs_probes = True

    def __init__(
        self, num_sensors: int, rate: float = 0.005, penalty: float = 0.1, decay: float = 0.98
    ) -> None:
        self.rate, self.penalty, self.decay = rate, penalty, decay
        self.gate = torch.ones(num_sensors, dtype=torch.float64)
        self.usual = torch.zeros(
            2, dtype=torch.float64
        )  # average absolute gradient, and the weight it rests on

    def gates(self, active: Tensor) -> Tensor:
        return (active * self.gate).float()

    def observe(self, gate_gradient: Tensor, active: Tensor) -> None:
        learning = active & gate_gradient.isfinite()
        if not learning.any():
            return
        gradient = gate_gradient[learning].double()
        now = torch.stack([gradient.abs().mean(), torch.ones((), dtype=torch.float64)])
        self.usual = self.decay * self.usual + (1 - self.decay) * now
        steepness = gradient / (self.usual[0] / self.usual[1]).clamp(min=1e-12)
        self.gate[learning] = (self.gate[learning] - self.rate * (steepness + self.penalty)).clamp(
            min=FLOOR
        )

    def scores(self, active: Tensor) -> Tensor:
        return self.gate.clone()

    def state_dict(self) -> dict[str, Tensor]:
        return {"gate": self.gate.clone(), "usual": self.usual.clone()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.gate, self.usual = state["gate"].clone(), state["usual"].clone()
