"""Scores that training does not change."""

import torch
from torch import Tensor

from dynst.random_streams import Stream, generator
from dynst.sparsity.criteria.protocol import Criterion

__all__ = ["FixedScores", "RandomScore"]


class FixedScores(Criterion):
    """Scores fixed from outside: a mask from a file, or a baseline's ranking."""

    needs_probes = False

    def __init__(self, scores: Tensor) -> None:
        self._scores = scores.double()

    def scores(self, active: Tensor) -> Tensor:
        return self._scores

    def state_dict(self) -> dict[str, Tensor]:
        return {"scores": self._scores.clone()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self._scores = state["scores"].clone()


class RandomScore(FixedScores):
    """A random ranking, drawn once: chance, the baseline that every choice must beat."""

    def __init__(self, num_sensors: int, seed: int, number: int = 0) -> None:
        """Each ``number`` is another draw of the same experiment."""
        chance = generator(seed, Stream.RANKING, number)
        super().__init__(torch.rand(num_sensors, generator=chance, dtype=torch.float64))
