"""A scheme decides, at every training step, which sensors exist: a schedule, a criterion, and a
rule of exchange.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from dynst.errors import ConfigError
from dynst.random_streams import Stream, generator
from dynst.sparsity.constraints.base import Constraints, Unconstrained
from dynst.sparsity.criteria import Criterion, FixedScores
from dynst.sparsity.drops import Drop
from dynst.sparsity.mask import MaskUpdate, random_subset
from dynst.sparsity.schedules import OneShot, Schedule

__all__ = [
    "Probes",
    "Scheme",
    "SensorDropout",
    "StepSensors",
    "dense_scheme",
    "fixed_scheme",
    "supernet_scheme",
]


VAL_CHOICES = 4
FIRST_PROBES = 50


@dataclass(frozen=True)
class SensorDropout:
    """The warm-up: until step ``until`` every step trains on its own random subset, so that one
    network learns to serve any. The ``pinned`` ones are in all of them.
    """

    until: int
    density: tuple[float, float] = (0.2, 1.0)
    pinned: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        low, high = self.density
        if not 0 < low <= high <= 1:
            raise ConfigError(
                f"sparsity.dropout_density must be two shares, 0 < low ≤ high ≤ 1, but got "
                f"{list(self.density)}; mend it"
            )


@dataclass(frozen=True)
class Probes:
    """When importance is measured, and of which sensors.

    Args:
        every: steps between two probes, for a criterion that needs them.
        candidates: sensors that are off and yet measured in one probe, drawn anew for each; None
            measures all.
    """

    every: int = 5
    candidates: int | None = None

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ConfigError(
                f"sparsity.probe_every must be at least 1 step, but got {self.every}; raise it"
            )


@dataclass(frozen=True)
class StepSensors:
    """What one training step reads: ``gates`` is None on a compact step, where every sensor in
    ``index`` is on.
    """

    index: Tensor  # [K] int64
    gates: Tensor | None  # [K] float32


class Scheme:
    """Holds the mask and moves it.

    Every rank that sees the same gradients takes the same decisions.

    Args:
        exchange: how many active sensors may be dropped and regrown at an update; None exchanges
            nothing.
        dropout: the sensor-dropout warm-up; None trains on all sensors until the first update.
        constraints: which choices are allowed; None allows any.
    """

    def __init__(
        self,
        num_sensors: int,
        schedule: Schedule,
        criterion: Criterion,
        *,
        exchange: Drop | None = None,
        dropout: SensorDropout | None = None,
        probes: Probes = Probes(),
        seed: int = 0,
        constraints: Constraints | None = None,
    ) -> None:
        self.num_sensors, self.schedule, self.criterion = num_sensors, schedule, criterion
        self.exchange, self.dropout, self.probes, self.seed = exchange, dropout, probes, seed
        self.constraints = constraints or Unconstrained(num_sensors)
        self.active = self.constraints.allowed()
        self.ever_active = self.active.clone()
        self._was_decided = False
        self.check_measured(1)

    def check_measured(self, turns: int) -> None:
        """Every sensor is measured before the first one goes.

        Args:
            turns: probes until each part of the network was measured.

        Raises:
            ConfigError: pruning starts before.
        """
        start, needed = self.schedule.start, turns * self.probes.every
        probed = self.criterion.needs_probes and self.dropout is None and self.schedule.final > 0
        if probed and start < needed:
            each = f" and measure each part once in {turns} of them" if turns > 1 else ""
            raise ConfigError(
                f"the first sensor must go after the first measurements of importance, but "
                f"pruning starts at step {start} and probes run every {self.probes.every} "
                f"steps{each}; raise sparsity.start, so that it starts at step {needed} or later"
            )

    @property
    def sparsity(self) -> float:
        return 1 - float(self.active.sum()) / self.num_sensors

    def is_settled(self, step: int) -> bool:
        """Whether the mask has its final sparsity and no update is left after ``step``."""
        return step > self.schedule.stop

    def is_fixed(self, step: int) -> bool:
        """Whether all steps from ``step`` on read the same sensors."""
        return self.is_settled(step) and (self.dropout is None or step >= self.dropout.until)

    def sensors_at(self, step: int) -> StepSensors:
        """Active sensors alone, or on a probe step, with gates, also those that are off and
        allowed, or some of them.
        """
        if self.dropout is not None and step < self.dropout.until:
            return StepSensors(self._subset(self.dropout.density, step).nonzero().squeeze(1), None)
        if (
            self.criterion.needs_probes
            and step % self.probes.every == 0
            and not self.is_settled(step)
        ):
            return self._probe(self.active, step)
        return StepSensors(self.active.nonzero().squeeze(1), None)

    def first_probes(self, step: int) -> Iterator[StepSensors]:
        """What to measure before the update that ends the warm-up, if it is at ``step``.

        Each time on another random subset.

        The warm-up itself has no probes, so that it is the same whatever the criterion.
        """
        if not self.criterion.needs_probes or self.dropout is None or step != self.schedule.start:
            return
        for number in range(1, FIRST_PROBES + 1):
            step = -VAL_CHOICES - number
            yield self._probe(self._subset(self.dropout.density, step), step)

    def val_choices(self, step: int) -> list[Tensor]:
        """What to validate on after ``step`` steps: the mask, or in the warm-up a few choices of
        evenly spread densities.
        """
        if self.dropout is None or step > self.dropout.until:
            return [self.active]
        low, high = self.dropout.density
        shares = [low + (high - low) * part / (VAL_CHOICES - 1) for part in range(VAL_CHOICES)]
        return [
            self._subset((share, share), step=-number)
            for number, share in enumerate(shares, start=1)
        ]

    def observe(self, sensors: StepSensors, gate_gradient: Tensor) -> None:
        """Hand the criterion a probe's gradient, averaged over ranks."""
        assert sensors.gates is not None
        full = torch.full((self.num_sensors,), float("nan"), dtype=torch.float64)
        full[sensors.index] = gate_gradient.double()
        active = torch.zeros(self.num_sensors, dtype=torch.bool)
        active[sensors.index] = sensors.gates > 0
        self.criterion.observe(full, active)

    def update(self, step: int) -> MaskUpdate | None:
        """Called before each step; changes the mask if the schedule says so."""
        if not self.schedule.is_update_step(step):
            return None
        self.criterion.begin_update()
        scores = self.criterion.scores(self.active)
        pruned = self.constraints.prune(self.active, scores, self.schedule.sparsity_at(step))
        return self._move(step, scores, pruned, self._exchanged(pruned, step))

    def decide(self, step: int, active: Tensor, importance: Tensor) -> MaskUpdate:
        """Take over a choice that was found outside; later updates find nothing left to prune."""
        self.criterion, self._was_decided = FixedScores(importance), True
        return self._move(step, importance, active, active)

    def state_dict(self) -> dict[str, Tensor]:
        state = {
            "active": self.active.clone(),
            "ever_active": self.ever_active.clone(),
            "was_decided": torch.tensor(self._was_decided),
        }
        return state | {
            f"criterion.{name}": value for name, value in self.criterion.state_dict().items()
        }

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.active, self.ever_active = state["active"].clone(), state["ever_active"].clone()
        if state["was_decided"] and not self._was_decided:
            self.criterion, self._was_decided = FixedScores(torch.zeros(self.num_sensors)), True
        prefix = "criterion."
        self.criterion.load_state_dict(
            {name[len(prefix) :]: value for name, value in state.items() if name.startswith(prefix)}
        )

    def _probe(self, active: Tensor, step: int) -> StepSensors:
        read, most = self.constraints.allowed().clone(), self.probes.candidates
        off = (read & ~active).nonzero().squeeze(1)
        if most is not None and len(off) > most:
            chance = generator(self.seed, Stream.PROBE_CANDIDATES, step)
            read[off[torch.randperm(len(off), generator=chance)[most:]]] = False
        index = read.nonzero().squeeze(1)
        return StepSensors(index, self.criterion.gates(active)[index])

    def _subset(self, density: tuple[float, float], step: int) -> Tensor:
        assert self.dropout is not None
        pinned = torch.zeros(self.num_sensors, dtype=torch.bool)
        pinned[list(self.dropout.pinned)] = True
        return random_subset(self.constraints.allowed(), pinned, density, self.seed, step)

    def _move(self, step: int, scores: Tensor, pruned: Tensor, exchanged: Tensor) -> MaskUpdate:
        update = MaskUpdate(
            step=step,
            sparsity=1 - float(exchanged.sum()) / self.num_sensors,
            active=exchanged.clone(),
            importance=scores.clone(),
            pruned=_indices(self.active & ~pruned),
            dropped=_indices(pruned & ~exchanged),
            grown=_indices(exchanged & ~pruned),
        )
        self.active = exchanged.clone()
        self.ever_active |= exchanged
        return update

    def _exchanged(self, active: Tensor, step: int) -> Tensor:
        if self.exchange is None:
            return active
        num = round(self.exchange.fraction_at(step) * int(active.sum()))
        return self.constraints.exchange(active, self.criterion.scores(active), num)


def dense_scheme(num_sensors: int) -> Scheme:
    """All sensors on, all the time: the reference."""
    return Scheme(num_sensors, OneShot(0.0, 0), FixedScores(torch.zeros(num_sensors)))


def fixed_scheme(active: Tensor) -> Scheme:
    """One choice from the first step to the last."""
    scheme = dense_scheme(len(active))
    scheme.active = active
    return scheme


def supernet_scheme(constraints: Constraints, dropout: SensorDropout, seed: int) -> Scheme:
    """Sensor dropout to the end: a network that serves any allowed choice, and is validated as
    such.
    """
    allowed = constraints.allowed()
    still = FixedScores(torch.zeros(len(allowed)))
    return Scheme(
        len(allowed), OneShot(0.0, 0), still, dropout=dropout, seed=seed, constraints=constraints
    )


def _indices(mask: Tensor) -> tuple[int, ...]:
    return tuple(mask.nonzero().squeeze(1).tolist())
