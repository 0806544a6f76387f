"""How far an update may exchange sensors: the drop fraction as a function of the training step."""

from dataclasses import dataclass
from math import cos, pi

from dynst.errors import ConfigError

__all__ = ["ConstantDrop", "CosineDrop", "Drop", "LinearDrop"]


@dataclass(frozen=True)
class Drop:
    """Share of the active sensors that an update may exchange, ``initial`` at ``start``."""

    initial: float
    start: int
    stop: int

    def __post_init__(self) -> None:
        if not 0 <= self.initial <= 1:
            raise ConfigError(
                f"sparsity.drop_fraction must be between 0 and 1, but got {self.initial}; choose "
                f"a share"
            )

    def fraction_at(self, step: int) -> float:
        progress = min(1.0, max(0.0, (step - self.start) / max(1, self.stop - self.start)))
        return self._fraction(progress)

    def _fraction(self, progress: float) -> float:
        raise NotImplementedError


class ConstantDrop(Drop):
    """The same share up to the last update, as in SET (Mocanu et al. 2018)."""

    def _fraction(self, progress: float) -> float:
        return self.initial


class LinearDrop(Drop):
    """Evenly down to 0 at ``stop``."""

    def _fraction(self, progress: float) -> float:
        return self.initial * (1 - progress)


class CosineDrop(Drop):
    """Slowly at first, down to 0 at ``stop`` (RigL, Evci et al. 2020)."""

    def _fraction(self, progress: float) -> float:
        return self.initial * (1 + cos(pi * progress)) / 2
