"""The training loop: one step is one batch over the sensors that the scheme says exist."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import chain, count, islice
from statistics import fmean
from time import perf_counter
from typing import Any, NotRequired, TypedDict, cast

import torch
from torch import Tensor

from dynst.data.windows import Windows
from dynst.devices import CPU, module_on, synchronize, to_cpu
from dynst.distributed.consensus import check_consensus
from dynst.distributed.running_buffers import average_running_buffers
from dynst.distributed.world import World
from dynst.evaluation.evaluate import evaluate
from dynst.models.by_parts import ForecasterByParts
from dynst.models.forecaster import SparseForecaster
from dynst.sparsity.mask import MaskUpdate
from dynst.sparsity.scheme import Scheme, StepSensors
from dynst.training.amp import Arithmetic
from dynst.training.compiled import CompiledForward, is_worth_compiling
from dynst.training.config import Recipe
from dynst.training.cut_network import CutNetwork
from dynst.training.divergence import refuse_diverged
from dynst.training.gradients import Gradients, Share
from dynst.training.partition_sampler import PartitionSampler, StepKind, within
from dynst.training.row_states import RowStates, ShareStates
from dynst.training.sampler import epoch_batches
from dynst.training.step_shares import StepShares

__all__ = ["EpochResult", "Training", "TrainingData", "TrainingState"]

FURTHER = 2**32  # numbers of shuffles beyond all epochs


class TrainingState(TypedDict):
    """All that a training goes on from, in main memory: tensors and plain values.

    Keys:
        model, optimizer, arithmetic, scheme: what the ``state_dict`` of each gave.
        step: training steps done.
        best: the lowest validation error, and the weights that had it.
        rewound_to: the weights that the training went back to; empty where it did not.
        updates: changes of the mask that no epoch has reported yet.
        loss: float ``[2]``, the sums of the epoch so far.
        rows: of a cut network, what belongs to single sensors, by share; those of this rank.
    """

    model: dict[str, Any]
    optimizer: dict[str, Any]
    arithmetic: dict[str, Any]
    scheme: dict[str, Any]
    step: int
    best: tuple[float, dict[str, Tensor]] | None
    rewound_to: dict[str, Tensor]
    updates: list[dict[str, Any]]
    loss: Tensor
    rows: NotRequired[ShareStates]


@dataclass(frozen=True)
class TrainingData:
    """What a training learns from.

    Args:
        train: windows to train on.
        val: windows to choose the best epoch by.
        cut: of a network that is too large for one step.
        fitted: ``[·]`` int64, the windows of ``train`` that the first epochs train on; None is all.
        fitted_until: so many epochs.
    """

    train: Windows
    val: Windows
    cut: CutNetwork | None = None
    fitted: Tensor | None = None
    fitted_until: int = 0


@dataclass(frozen=True)
class EpochResult:
    """What one epoch did; plain figures, the same on every rank."""

    epoch: int
    step: int
    train_loss: float  # MAE in the unit of the first target, over the sensors of each step
    # ALL locations, with the mask as it stands; in the warm-up the mean over a few random choices
    val_mae: float
    sparsity: float
    exchanged: int
    seconds: float
    windows_per_second: float  # of all ranks, while they trained: validation is not counted
    updates: tuple[MaskUpdate, ...] = field(default=())


class Training:
    """Model, optimizer and scheme, advanced together.

    ``state_dict`` holds all that a resumed training needs.

    Args:
        rewind: the step whose weights every pruning goes back to (Frankle et al. 2020); None keeps
            on training.

    Attributes:
        batch_context: for measurements: makes a context, from what a batch reads, in which its
            gradients are computed. Probes have one too. By default nothing happens.
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
        self.model, self.scheme, self.recipe = module_on(model, world.device), scheme, recipe
        self.train, self.val, self.seed, self.world = (
            data.train.on(world.device),
            data.val.on(world.device),
            seed,
            world,
        )
        self.cut, parts = data.cut, () if data.cut is None else data.cut.parts
        self._fitted, self._fitted_until = data.fitted, data.fitted_until
        self.shares = StepShares.of(recipe, world)
        self.rotation = PartitionSampler(parts, scheme.num_sensors, seed, world, self.shares)
        scheme.check_measured(self.rotation.turns)
        self.steps_per_epoch = recipe.steps_in_epoch(len(data.train))
        self.total_steps = recipe.epochs * self.steps_per_epoch
        self.rewind, self.rewound_to = rewind, dict[str, Tensor]()
        self._updates: list[MaskUpdate] = []  # since the last report
        self._loss = torch.zeros(
            2, dtype=torch.float64, device=world.device
        )  # since the last report: sum and entries of this rank
        self.batch_context: Callable[[StepSensors], AbstractContextManager[object]] = nullcontext
        self.step = 0
        self.best: tuple[float, dict[str, Tensor]] | None = None
        self._arithmetic = Arithmetic(recipe.precision, world.device)
        self._rows = None if data.cut is None else data.cut.exchange(self._by_parts)
        self._row_states = None if data.cut is None else data.cut.states(self._by_parts)
        compiles = is_worth_compiling(recipe.compile, world.device, recipe.parts, self.total_steps)
        self._gradients = Gradients(
            CompiledForward(self.model.every_step, world, compiles),
            self.train,
            (model.model if isinstance(model, ForecasterByParts) else model).scaler,
            world,
            self._arithmetic,
            recipe.accumulate,
            self.shares.count,
            self._rows,
        )
        # One call for all weights: a third faster here, and on a GPU it alone then knows whether
        # gradients are finite. What has no numbers has no such call.
        self._fused = None if world.device.type == "meta" else True
        rates: Any = {
            "lr": recipe.learning_rate,
            "weight_decay": recipe.weight_decay,
            "fused": self._fused,
        }
        self._optimizer = torch.optim.AdamW(self.model.parameters(), **rates)

    def run(
        self, until_epoch: int | None = None, pause: Callable[[], None] | None = None
    ) -> Iterator[EpochResult]:
        """Train to the end, or to an earlier epoch; yields after each one.

        At the end the best settled weights are restored.

        Args:
            pause: called inside epochs, after every ``recipe.checkpoint_every_steps`` steps, where
                the state may be kept.
        """
        last = self.recipe.epochs if until_epoch is None else until_epoch
        while self.step < last * self.steps_per_epoch:
            yield self._run_epoch(pause)
        if self.step == self.total_steps and self.best is not None:
            self.model.load_state_dict(self.best[1])
            self.fetch_rows()

    def state_dict(self) -> TrainingState:
        """A deep copy in main memory: later steps do not change it, and any device can go on from
        it.
        """
        state: TrainingState = {
            "model": self.model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "arithmetic": self._arithmetic.state_dict(),
            "scheme": self.scheme.state_dict(),
            "step": self.step,
            "best": self.best,
            "rewound_to": self.rewound_to,
            "updates": [vars(update) for update in self._updates],
            "loss": self._loss,
        }
        kept: TrainingState = deepcopy(state if self.world.device == CPU else to_cpu(state))
        if self._row_states is not None:
            kept["rows"] = self._row_states.split(cast(dict[str, Any], kept))
        return kept

    def load_state_dict(self, state: TrainingState) -> None:
        state = deepcopy(state)
        if self._row_states is not None:
            self._join(self._row_states, state)
        self.model.load_state_dict(state["model"])
        for group in state["optimizer"]["param_groups"]:
            group["fused"] = self._fused  # here, wherever it was kept
        self._optimizer.load_state_dict(state["optimizer"])
        self._arithmetic.load_state_dict(state["arithmetic"])
        self.scheme.load_state_dict(state["scheme"])
        self.step, self.best, self.rewound_to = state["step"], state["best"], state["rewound_to"]
        self._updates = [MaskUpdate(**update) for update in state["updates"]]
        self._loss = state["loss"].to(self.world.device)
        if self.world.rank > 0:
            self._loss = torch.zeros_like(self._loss)
        self.fetch_rows()

    def whole_model(self) -> SparseForecaster | None:
        """The forecaster of all locations; of a cut network whose workers have a part each, in main
        memory and on the first rank alone, None on others.

        Every rank must call it.
        """
        return self.model if self.cut is None else self.cut.whole(self._by_parts)

    @property
    def _by_parts(self) -> ForecasterByParts:
        """The model, of a cut network."""
        assert isinstance(self.model, ForecasterByParts)
        return self.model

    def decide(self, active: Tensor, importance: Tensor) -> None:
        """Fix the choice of sensors between two epochs; the next report includes it."""
        update = self.scheme.decide(self.step, active, importance)
        self._updates.append(update)
        check_consensus(self.step, self.scheme.active, self.world)
        self._go_back(update)

    def continue_from(self, warm: "Training") -> None:
        """Take over another training's weights, optimizer and position, but not its mask or scores:
        a shared warm-up.
        """
        self.continue_from_state(warm.state_dict())

    def continue_from_state(self, warm: TrainingState) -> None:
        """The same from what its ``state_dict`` gave."""
        own: TrainingState = {
            **warm,
            "scheme": self.scheme.state_dict(),
            "best": None,
            "updates": [],
        }
        self.load_state_dict(own)

    def _run_epoch(self, pause: Callable[[], None] | None) -> EpochResult:
        started = perf_counter()
        first, epoch = self.step, self.step // self.steps_per_epoch
        self.model.train()
        for index in self._batches(epoch):
            self._updates += self._update()
            self._loss += self._train_step(index)
            self.step += 1
            if pause is not None and self._may_pause():
                pause()
        loss_sum, updates = self.world.all_reduce(self._loss), self._updates
        synchronize(self.world.device)  # the steps' time counts, not that of asking for them
        windows, trained = (
            (self.step - first) * min(self.recipe.batch_size, len(self.train)),
            perf_counter(),
        )
        self._loss, self._updates = torch.zeros_like(loss_sum), []
        train_loss = float(loss_sum[0] / loss_sum[1]) * self._gradients.unit
        average_running_buffers(self._buffers(), self.world)
        self.fetch_rows()
        found = [
            evaluate(self.model, self.val, choice, self.world)
            for choice in self.scheme.val_choices(self.step)
        ]
        val_mae = fmean(errors.mae() for errors in found)
        # a loss that overflows float16 is skipped by its optimizer step
        if loss_sum[1] and self.recipe.precision != "float16":
            refuse_diverged("the training loss", train_loss, epoch + 1, self.recipe)
        if all(errors.count.any() for errors in found):
            refuse_diverged("the error on the validation part", val_mae, epoch + 1, self.recipe)
        self._keep_best(val_mae)
        return EpochResult(
            epoch=epoch + 1,
            step=self.step,
            train_loss=train_loss,
            val_mae=val_mae,
            sparsity=self.scheme.sparsity,
            exchanged=sum(len(update.grown) for update in updates),
            seconds=perf_counter() - started,
            windows_per_second=windows / (trained - started),
            updates=tuple(updates),
        )

    def _buffers(self) -> Iterable[Tensor]:
        """That may come to differ between ranks; of a cut network those that all of them have."""
        cut = self.cut
        return self.model.buffers() if cut is None else cut.common_buffers(self._by_parts)

    def fetch_rows(self) -> None:
        """Bring what this rank has of other ranks' sensors up to date, before it forecasts."""
        if self._rows is not None:
            self._rows.fetch(range(len(self.rotation.parts)))

    def _join(self, rows: RowStates, state: TrainingState) -> None:
        tensors = cast(dict[str, Any], state)
        if "rows" in state:
            rows.join(tensors, state["rows"])
        else:  # of a DynST whose workers had all rows each
            rows.restrict(tensors)

    def _may_pause(self) -> bool:
        """Whether it is time to, inside an epoch.

        The first rank then holds the loss of all, since its state is the one kept.
        """
        every = self.recipe.checkpoint_every_steps
        if every is None or self.step % every or self.step % self.steps_per_epoch == 0:
            return False
        average_running_buffers(self._buffers(), self.world)
        total = self.world.all_reduce(self._loss)
        self._loss = total if self.world.rank == 0 else torch.zeros_like(total)
        return True

    def _update(self) -> list[MaskUpdate]:
        """Move the mask if it is time.

        Where sensors were pruned, go back to the weights of ``rewind`` with a fresh optimizer.
        """
        if self.step == self.rewind:
            self.rewound_to = deepcopy(self.model.state_dict())
        probes = (
            sensors
            for sensors in self.scheme.first_probes(self.step)
            for _ in range(self.rotation.turns)
        )
        for turn, (sensors, index) in enumerate(zip(probes, self._fresh_batches(), strict=False)):
            with self.batch_context(sensors):
                self._measure(index, sensors, self.rotation.numbers_at(turn, StepKind.FIRST_PROBES))
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

    def _batches(self, epoch: int) -> Iterator[list[Tensor]]:
        """What is left of the epoch's steps for this rank."""
        return islice(self._shuffled(epoch), self.step % self.steps_per_epoch, self.steps_per_epoch)

    def _fresh_batches(self) -> Iterator[list[Tensor]]:
        """Without end, in shuffles that no epoch of the training has."""
        return chain.from_iterable(self._shuffled(epoch) for epoch in count(self.recipe.epochs))

    def _shuffled(self, epoch: int) -> Iterator[list[Tensor]]:
        if self._fitted is None or epoch >= self._fitted_until:
            return self._shuffle(len(self.train), epoch)
        return self._of_fitted(self._fitted, epoch)

    def _of_fitted(self, fitted: Tensor, epoch: int) -> Iterator[list[Tensor]]:
        """As many batches as any epoch has: fewer windows are shuffled again."""
        whole = max(1, len(fitted) // self.recipe.batch_size)
        for again in count():
            for batch in islice(self._shuffle(len(fitted), epoch + again * FURTHER), whole):
                yield [fitted[index] for index in batch]

    def _shuffle(self, num_windows: int, epoch: int) -> Iterator[list[Tensor]]:
        return epoch_batches(
            num_windows,
            self.recipe.batch_size,
            self.seed,
            epoch,
            self.shares,
            self.recipe.own_sharding,
        )

    def _train_step(self, index: list[Tensor]) -> Tensor:
        """One optimizer step; returns (sum of errors, number of observed entries) of this rank."""
        sensors = self.scheme.sensors_at(self.step)
        with self.batch_context(sensors):
            errors = self._measure(index, sensors, self._parts_for(sensors))
        for group in self._optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate_at(self.step, self.total_steps)
        clip_norm, norm = self.recipe.clip_norm, self._gradients.norm
        self._arithmetic.step(self._optimizer, self.model, clip_norm, norm)
        return errors

    def _parts_for(self, sensors: StepSensors) -> list[int]:
        if sensors.gates is None:
            return self.rotation.numbers_at(self.step, StepKind.TRAINING)
        return self.rotation.numbers_at(self.step // self.scheme.probes.every, StepKind.PROBES)

    def _measure(self, index: list[Tensor], sensors: StepSensors, numbers: Sequence[int]) -> Tensor:
        """Gradients of one batch, of its shares each on a part where the network is cut; those of
        gates go to the scheme.

        Returns what ``_train_step`` returns.
        """
        if self.cut is not None:
            return self._measure_parts(index, sensors, numbers)
        errors, of_gates = self._gradients.measure(
            [Share(each, sensors) for each in index], fixed=self.scheme.is_fixed(self.step)
        )
        if sensors.gates is not None:
            own = torch.stack([gradient for gradient in of_gates if gradient is not None]).sum(0)
            self._observe(sensors, self.world.all_reduce(own) / self.world.size)
        return errors

    def _measure_parts(
        self, index: list[Tensor], sensors: StepSensors, numbers: Sequence[int]
    ) -> Tensor:
        parts = self.rotation.mine(numbers)
        mine = [within(sensors, part) for part in parts]
        shares = [
            Share(each, here, part) for each, here, part in zip(index, mine, parts, strict=True)
        ]
        errors, of_gates = self._gradients.measure(shares, numbers)
        if sensors.gates is not None:
            self._observe(sensors, self.rotation.together(mine, of_gates)[sensors.index])
        return errors

    def _observe(self, sensors: StepSensors, of_gates: Tensor) -> None:
        """The one place inside an epoch that waits for the device: at a probe, whose gradients are
        read here.
        """
        gradient = (of_gates * self._gradients.unit).cpu()
        # parts leave NaN where nobody measured
        spoilt = gradient.isinf() if self.rotation.cut else ~gradient.isfinite()
        if (
            self.recipe.precision != "float16" or not spoilt.any()
        ):  # one that overflowed says nothing of any sensor
            self.scheme.observe(sensors, gradient)

    def _keep_best(self, val_mae: float) -> None:
        if not self.scheme.is_settled(self.step):
            return
        if self.best is None or val_mae < self.best[0]:
            self.best = (val_mae, deepcopy(self.model.state_dict()))
