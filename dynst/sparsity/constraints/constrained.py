"""Choices of sensors under constraints: pinned and excluded ones by sorting, everything else by an
integer program.
"""

import numpy as np
import torch
from torch import Tensor

from dynst.sparsity.constraints.base import Constraints
from dynst.sparsity.constraints.integer_program import Program, Swap, objective
from dynst.sparsity.constraints.spec import ConstraintSpec
from dynst.sparsity.mask import drop_and_grow, num_active_at, prune_to

__all__ = ["Constrained", "PinExclude"]


class PinExclude(Constraints):
    """Any choice of an exact number of sensors with the pinned ones and without the excluded
    ones.
    """

    def __init__(self, pinned: Tensor, excluded: Tensor) -> None:
        self.pinned, self.excluded = pinned, excluded

    def allowed(self) -> Tensor:
        return ~self.excluded

    def prune(self, active: Tensor, importance: Tensor, sparsity: float) -> Tensor:
        return prune_to(active, self._marked(importance), num_active_at(sparsity, len(active)))

    def exchange(self, active: Tensor, importance: Tensor, num: int) -> Tensor:
        return drop_and_grow(active, self._marked(importance), num)

    def _marked(self, importance: Tensor) -> Tensor:
        return importance.masked_fill(self.pinned, torch.inf).masked_fill(self.excluded, -torch.inf)


class Constrained(Constraints):
    """Groups, a budget and a minimum distance too.

    The distance holds from the final sparsity on; before, each choice holds one that satisfies
    everything. Where groups or costs do not add up to a round's number, as many sensors as fit
    below it stay.
    """

    def __init__(self, demands: ConstraintSpec) -> None:
        self.demands = demands

    def allowed(self) -> Tensor:
        return torch.from_numpy(self.demands.allowed)

    def prune(self, active: Tensor, importance: Tensor, sparsity: float) -> Tensor:
        units, limit = self._units(active), self.demands.limit_at(sparsity)
        last = limit <= self.demands.limit
        program = Program(self.demands, units, limit, exact=last and self.demands.exact, last=last)
        return self._best(program, importance, units)

    def exchange(self, active: Tensor, importance: Tensor, num: int) -> Tensor:
        units = self._units(active)
        last = self.demands.fulfils(units)
        limit = self.demands.limit if last else float(self.demands.weight[units].sum())
        swap = Swap(units, num)
        program = Program(
            self.demands,
            ~self.demands.excluded,
            limit,
            exact=self.demands.exact,
            last=last,
            swap=swap,
        )
        return self._best(program, importance, units)

    def _units(self, active: Tensor) -> np.ndarray:
        units = np.zeros(len(self.demands.size), bool)
        units[self.demands.unit[active.numpy()]] = True
        return units

    def _best(self, program: Program, importance: Tensor, active: np.ndarray) -> Tensor:
        chosen = program.solve(
            objective(self.demands, importance.double().numpy(), program.within, active)
        )
        assert chosen is not None, "the present choice was checked to hold a final one"
        return torch.from_numpy(chosen[self.demands.unit])
