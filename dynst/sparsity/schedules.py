"""When sensors are switched off, and how many: sparsity as a function of the training step."""

from dataclasses import dataclass
from typing import Protocol

from dynst.errors import ConfigError

__all__ = ["Constant", "Cubic", "Geometric", "Linear", "OneShot", "Ramp", "Schedule"]


class Schedule(Protocol):
    """Sparsity never falls, and equals ``final`` from the last update on."""

    @property
    def final(self) -> float: ...

    @property
    def start(self) -> int:
        """The first step at which the mask may change."""
        ...

    @property
    def stop(self) -> int:
        """The last step at which the mask may change."""
        ...

    def sparsity_at(self, step: int) -> float: ...

    def is_update_step(self, step: int) -> bool: ...


@dataclass(frozen=True)
class Ramp:
    """Updates every ``update_every`` steps from ``start`` to ``stop``.

    ``final`` comes after the share ``grown_by`` of them.
    """

    final: float
    start: int
    stop: int
    update_every: int
    grown_by: float = 0.7

    def __post_init__(self) -> None:
        if not 0 <= self.final < 1:
            raise ConfigError(
                f"sparsity.final must be at least 0 and below 1, but got {self.final}; lower it"
            )
        if not 0 <= self.start < self.stop:
            raise ConfigError(
                f"pruning must start at step 0 or later and before it stops, but got {self.start} "
                f"to {self.stop}; set sparsity.start below sparsity.stop, or train for more steps"
            )
        if self.update_every < 1:
            raise ConfigError(
                f"sparsity.update_every must be at least 1 step, but got {self.update_every}; "
                f"raise it"
            )
        if not 0 < self.grown_by <= 1:
            raise ConfigError(
                f"sparsity.grown_by must be above 0 and at most 1, but got {self.grown_by}; "
                f"choose a share"
            )

    def is_update_step(self, step: int) -> bool:
        return self.start <= step <= self.stop and (step - self.start) % self.update_every == 0

    def sparsity_at(self, step: int) -> float:
        if step < self.start:
            return 0.0
        rounds = max(1, int((self.stop - self.start) * self.grown_by) // self.update_every + 1)
        done = min((step - self.start) // self.update_every + 1, rounds)
        return self.final if done == rounds else self._share(done / rounds)

    def _share(self, progress: float) -> float:
        raise NotImplementedError


class Constant(Ramp):
    """All at once at ``start``; every later update can only exchange, as in SET and RigL."""

    def _share(self, progress: float) -> float:
        return self.final


class Linear(Ramp):
    """The same number in every round."""

    def _share(self, progress: float) -> float:
        return self.final * progress


class Cubic(Ramp):
    """Fast at first, slow at the end (Zhu & Gupta 2017): ``final · (1 − (1 − progress)³)``."""

    def _share(self, progress: float) -> float:
        return self.final * (1 - (1 - progress) ** 3)


class Geometric(Ramp):
    """Every round switches off the same share of what is still on, as in iterative magnitude
    pruning (Frankle & Carbin 2019).
    """

    def _share(self, progress: float) -> float:
        return 1 - float((1 - self.final) ** progress)


@dataclass(frozen=True)
class OneShot:
    """Everything goes at one step, and never changes afterwards."""

    final: float
    start: int

    def __post_init__(self) -> None:
        if not 0 <= self.final < 1:
            raise ConfigError(
                f"sparsity.final must be at least 0 and below 1, but got {self.final}; lower it"
            )
        if self.start < 0:
            raise ConfigError(
                f"pruning must start at step 0 or later, but got {self.start}; raise sparsity.start"
            )

    @property
    def stop(self) -> int:
        return self.start

    def is_update_step(self, step: int) -> bool:
        return step == self.start

    def sparsity_at(self, step: int) -> float:
        return self.final if step >= self.start else 0.0
