"""Chance that is drawn anew for every update."""

import torch
from torch import Tensor

from dynst.random_streams import Stream, generator
from dynst.sparsity.criteria.protocol import Criterion

__all__ = ["Redrawn"]


class Redrawn(Criterion):
    """A fresh random ranking for each update, a pure function of the seed and the update's number.

    Sensors go and come back at random, as SET grows its weights (Mocanu et al. 2018; SET drops by
    magnitude, which sensors lack).
    """

    needs_probes = False

    def __init__(self, num_sensors: int, seed: int) -> None:
        self.num_sensors, self.seed = num_sensors, seed
        self.number = 0

    def begin_update(self) -> None:
        self.number += 1

    def scores(self, active: Tensor) -> Tensor:
        chance = generator(self.seed, Stream.REDRAWN_RANKING, self.number)
        return torch.rand(self.num_sensors, generator=chance, dtype=torch.float64)

    def state_dict(self) -> dict[str, Tensor]:
        return {"number": torch.tensor(self.number)}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.number = int(state["number"])
