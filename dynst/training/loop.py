"""The training loop: one step is one batch over the sensors that the scheme says exist."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import chain, count, islice
from statistics import fmean
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from dynst.data.parts import Part
from dynst.data.windows import Windows
from dynst.forecaster import SparseForecaster
from dynst.metrics import masked_mae
from dynst.sparsity.mask import MaskUpdate
from dynst.sparsity.scheme import Scheme, StepSensors
from dynst.training.consensus import check_consensus
from dynst.training.evaluate import evaluate, windows_at_once
from dynst.training.recipe import Recipe
from dynst.training.rotation import Rotation, Turns, within
from dynst.training.sampling import epoch_batches
from dynst.training.world import World

__all__ = ["EpochReport", "Training", "TrainingData"]


@dataclass(frozen=True)
class TrainingData:
    """Windows to train on and to choose the best epoch by; the ``parts`` of a network that is too large for one step."""

    train: Windows
    val: Windows
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True)
class EpochReport:
    """What one epoch did; plain figures, the same on every rank."""

    epoch: int
    step: int
    train_loss: float  # MAE in the unit of the first target, over the sensors of each step
    val_mae: float  # ALL locations, with the mask as it stands; in the warm-up the mean over a few random choices
    sparsity: float
    exchanged: int
    seconds: float
    updates: tuple[MaskUpdate, ...] = field(default=())


class Training:
    """Model, optimizer and scheme, advanced together; ``state_dict`` holds all that a resumed training needs.

    Args:
        rewind: the step whose weights every pruning goes back to (Frankle et al. 2020); None keeps on training.
    """

    def __init__(
        self,
        model: SparseForecaster,
        scheme: Scheme,
        recipe: Recipe,
        data: TrainingData,
        seed: int,
        world: World,
        rewind: int | None = None,
    ) -> None:
        self.model, self.scheme, self.recipe = model, scheme, recipe
        self.train, self.val, self.seed, self.world = data.train, data.val, seed, world
        self.rotation = Rotation(data.parts, scheme.num_sensors, seed, world)
        self.windows_at_once = windows_at_once(scheme.num_sensors, len(data.parts))
        self.steps_per_epoch = recipe.steps_in_epoch(len(data.train))
        self.total_steps = recipe.epochs * self.steps_per_epoch
        self.rewind, self.rewound_to = rewind, dict[str, Tensor]()
        self._updates: list[MaskUpdate] = []  # since the last report
        self._loss = torch.zeros(2, dtype=torch.float64)  # since the last report: sum and entries of this rank
        self.step = 0
        self.best: tuple[float, dict[str, Tensor]] | None = None
        self._parallel = world.wrap(model)
        self._optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
        scale = model.scaler.scale[:, self.train.targets]
        self._unit = model.scaler.spread_of(self.train.targets)[None]  # [1, targets]
        self._weight = scale / self._unit  # [S, targets]

    def run(self, until_epoch: int | None = None, pause: Callable[[], None] | None = None) -> Iterator[EpochReport]:
        """Train to the end, or to an earlier epoch; yields after each one. At the end the best settled weights are restored.

        Args:
            pause: called inside epochs, after every ``recipe.checkpoint_every_steps`` steps, where the state may be kept.
        """
        last = self.recipe.epochs if until_epoch is None else until_epoch
        while self.step < last * self.steps_per_epoch:
            yield self._run_epoch(pause)
        if self.step == self.total_steps and self.best is not None:
            self.model.load_state_dict(self.best[1])

    def state_dict(self) -> dict[str, Any]:
        """A deep copy: later steps do not change it."""
        return deepcopy(
            {
                "model": self.model.state_dict(),
                "optimizer": self._optimizer.state_dict(),
                "scheme": self.scheme.state_dict(),
                "step": self.step,
                "best": self.best,
                "rewound_to": self.rewound_to,
                "updates": [vars(update) for update in self._updates],
                "loss": self._loss,
            }
        )

    def load_state_dict(self, state: dict[str, Any]) -> None:
        state = deepcopy(state)
        self.model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.scheme.load_state_dict(state["scheme"])
        self.step, self.best, self.rewound_to = state["step"], state["best"], state["rewound_to"]
        self._updates = [MaskUpdate(**update) for update in state["updates"]]
        self._loss = state["loss"] if self.world.rank == 0 else torch.zeros_like(state["loss"])

    def decide(self, active: Tensor, importance: Tensor) -> None:
        """Fix the choice of sensors between two epochs; the next report tells of it."""
        update = self.scheme.decide(self.step, active, importance)
        self._updates.append(update)
        check_consensus(self.step, self.scheme.active, self.world)
        self._go_back(update)

    def continue_from(self, warm: "Training") -> None:
        """Take over another training's weights, optimizer and position, but not its mask or scores: a shared warm-up."""
        self.continue_from_state(warm.state_dict())

    def continue_from_state(self, warm: dict[str, Any]) -> None:
        """The same from what its ``state_dict`` gave."""
        self.load_state_dict(warm | {"scheme": self.scheme.state_dict(), "best": None, "updates": []})

    def _run_epoch(self, pause: Callable[[], None] | None) -> EpochReport:
        started = perf_counter()
        epoch = self.step // self.steps_per_epoch
        self.model.train()
        for index in self._batches(epoch):
            self._updates += self._update()
            self._loss += self._train_step(index)
            self.step += 1
            if pause is not None and self._may_pause():
                pause()
        loss_sum, updates = self.world.total(self._loss), self._updates
        self._loss, self._updates = torch.zeros_like(loss_sum), []
        choices = self.scheme.val_choices(self.step)
        val_mae = fmean(evaluate(self.model, self.val, choice, self.world, self.windows_at_once).mae() for choice in choices)
        self._keep_best(val_mae)
        return EpochReport(
            epoch=epoch + 1,
            step=self.step,
            train_loss=float(loss_sum[0] / loss_sum[1]) * float(self._unit[0, 0]),
            val_mae=val_mae,
            sparsity=self.scheme.sparsity,
            exchanged=sum(len(update.grown) for update in updates),
            seconds=perf_counter() - started,
            updates=tuple(updates),
        )

    def _may_pause(self) -> bool:
        """Whether it is time to, inside an epoch; the first rank then holds the loss of all, since its state is the one kept."""
        every = self.recipe.checkpoint_every_steps
        if every is None or self.step % every or self.step % self.steps_per_epoch == 0:
            return False
        total = self.world.total(self._loss)
        self._loss = total if self.world.rank == 0 else torch.zeros_like(total)
        return True

    def _update(self) -> list[MaskUpdate]:
        """Move the mask if it is time; where sensors were pruned, go back to the weights of ``rewind`` with a fresh optimizer."""
        if self.step == self.rewind:
            self.rewound_to = deepcopy(self.model.state_dict())
        probes = (sensors for sensors in self.scheme.first_probes(self.step) for _ in range(self.rotation.turns))
        for turn, (sensors, index) in enumerate(zip(probes, self._fresh_batches(), strict=False)):
            self._measure(index, sensors, self.rotation.part_at(turn, Turns.FIRST_PROBES))
        update = self.scheme.update(self.step)
        if update is None:
            return []
        check_consensus(self.step, self.scheme.active, self.world)
        self._go_back(update)
        return [update]

    def _go_back(self, update: MaskUpdate) -> None:
        if update.pruned and self.rewound_to:
            self.model.load_state_dict(self.rewound_to)
            self._optimizer.state.clear()

    def _batches(self, epoch: int) -> Iterator[Tensor]:
        """What is left of the epoch's steps for this rank."""
        return islice(self._shuffled(epoch), self.step % self.steps_per_epoch, self.steps_per_epoch)

    def _fresh_batches(self) -> Iterator[Tensor]:
        """Without end, in shuffles that no epoch of the training has."""
        return chain.from_iterable(self._shuffled(epoch) for epoch in count(self.recipe.epochs))

    def _shuffled(self, epoch: int) -> Iterator[Tensor]:
        return epoch_batches(len(self.train), self.recipe.batch_size, self.seed, epoch, self.world, self.recipe.sharding)

    def _train_step(self, index: Tensor) -> Tensor:
        """One optimizer step; returns (sum of errors, number of observed entries) of this rank."""
        sensors = self.scheme.sensors_at(self.step)
        errors = self._measure(index, sensors, self._part_for(sensors))
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip_norm)
        for group in self._optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate_at(self.step, self.total_steps)
        self._optimizer.step()
        return errors

    def _part_for(self, sensors: StepSensors) -> Part | None:
        if sensors.gates is None:
            return self.rotation.part_at(self.step, Turns.TRAINING)
        return self.rotation.part_at(self.step // self.scheme.probes.every, Turns.PROBES)

    def _measure(self, index: Tensor, sensors: StepSensors, part: Part | None) -> Tensor:
        """Gradients of one batch on one part; those of gates go to the scheme. Returns what ``_train_step`` returns."""
        mine = sensors if part is None else within(sensors, part, self.scheme.num_sensors)
        locations, weight = (None, self._weight) if part is None else (part.locations, self._weight[part.locations])
        gates = None if mine.gates is None else mine.gates.clone().requires_grad_()
        batch = self.train.batch(index, mine.index, locations)
        forecast = self._parallel(batch.readings, batch.observed, batch.calendar, mine.index, gates, locations)
        total, entries = masked_mae(forecast, batch.target, batch.target_observed, weight)
        everyone = self.world.total(entries.clone().float())
        loss = total * self.world.size / everyone.clamp(min=1)  # ranks are averaged: this makes it the mean over all entries
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if gates is not None:
            assert gates.grad is not None
            self.scheme.observe(sensors, self._of_all_ranks(sensors, mine, gates.grad, part) * float(self._unit[0, 0]))
        return torch.stack([total.detach(), entries]).double()

    def _of_all_ranks(self, sensors: StepSensors, mine: StepSensors, gradient: Tensor, part: Part | None) -> Tensor:
        """The gradient of each gate of ``sensors``, the same on every rank."""
        if part is None:
            return self.world.total(gradient) / self.world.size
        return self.rotation.together(mine, gradient, part)[sensors.index]

    def _keep_best(self, val_mae: float) -> None:
        if not self.scheme.is_settled(self.step):
            return
        if self.best is None or val_mae < self.best[0]:
            self.best = (val_mae, deepcopy(self.model.state_dict()))
