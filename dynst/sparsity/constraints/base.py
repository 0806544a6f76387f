"""Which choices of sensors are allowed, and the best one among them."""

from typing import Protocol

import torch
from torch import Tensor

from dynst.sparsity.mask import drop_and_grow, num_active_at, prune_to

__all__ = ["Constraints", "Unconstrained"]


class Constraints(Protocol):
    """``sparsity`` is the share of the sensors (or of their cost, where there is a budget) that is
    off.
    """

    def allowed(self) -> Tensor:
        """``[S]`` bool: the sensors that may be on at all."""
        ...

    def prune(self, active: Tensor, importance: Tensor, sparsity: float) -> Tensor:
        """Switch off the least important active sensors until ``sparsity`` is reached.

        Switches none on.
        """
        ...

    def exchange(self, active: Tensor, importance: Tensor, num: int) -> Tensor:
        """The most important choice of the same size that is at most ``num`` exchanged sensors away
        from ``active``.
        """
        ...


class Unconstrained(Constraints):
    """Any choice of an exact number of sensors."""

    def __init__(self, num_sensors: int) -> None:
        self.num_sensors = num_sensors

    def allowed(self) -> Tensor:
        return torch.ones(self.num_sensors, dtype=torch.bool)

    def prune(self, active: Tensor, importance: Tensor, sparsity: float) -> Tensor:
        return prune_to(active, importance, num_active_at(sparsity, self.num_sensors))

    def exchange(self, active: Tensor, importance: Tensor, num: int) -> Tensor:
        return drop_and_grow(active, importance, num)
