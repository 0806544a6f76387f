"""What a trained network loses, on fixed windows, when only some sensors are read."""

from collections.abc import Iterator, Sequence
from itertools import groupby

import torch
from torch import Tensor

from dynst.data.windows import Windows
from dynst.devices import device_of, to_device
from dynst.distributed.world import World
from dynst.evaluation.error_table import masked_mae
from dynst.models.forecaster import SparseForecaster
from dynst.selection.comparison import BlockErrors, Comparison, Differences, compared, differences
from dynst.selection.time_blocks import Block

__all__ = ["SubsetEvaluator", "evenly", "key_of"]

LOCATIONS_AT_ONCE = 2**19  # windows times sensors that one gradient is computed on


def key_of(choice: Tensor) -> bytes:
    """Equal for equal choices, which tensors are not."""
    return choice.numpy().tobytes()


def evenly(count: int, most: int) -> Tensor:
    """At most ``most`` of ``count`` windows, spread over the whole part."""
    return torch.linspace(0, count - 1, min(most, count)).round().long()


class SubsetEvaluator:
    """Mean absolute error over ALL locations, in the unit of the first target, of a network that
    was trained to serve any subset.

    The network must not change meanwhile: a choice that was asked about before is not looked at
    again.

    Args:
        blocks: of time, windows to evaluate on and which of them.
        world: ranks share the choices that are asked about together, and the windows of a gradient;
            or the locations, where each has a part of the network.
    """

    def __init__(
        self,
        model: SparseForecaster,
        blocks: Sequence[Block],
        world: World | None = None,
        batch_size: int | None = None,
    ) -> None:
        batch_size = batch_size or max(1, min(128, LOCATIONS_AT_ONCE // model.shape.num_sensors))
        self.model, self.world = model, world or World()
        self.num_sensors = model.shape.num_sensors
        self.blocks, self._batch_size, self._device = tuple(blocks), batch_size, device_of(model)
        self._batches = [
            (windows.on(self._device), index, number)
            for windows, all_of_it, numbers in _joined(blocks)
            for index, number in zip(
                all_of_it.split(batch_size), numbers.split(batch_size), strict=True
            )
        ]
        targets = to_device(blocks[0][0].targets, self._device)
        self._weight = model.scaler.scale[:, targets] * model.scaler.to_first(targets)
        self._known: dict[bytes, float] = {}  # losses of choices
        self._tables: dict[bytes, BlockErrors] = {}  # of the last two that were compared

    @property
    def num_windows(self) -> int:
        return sum(len(index) for _, index in self.blocks)

    def on(self, blocks: Sequence[Block]) -> "SubsetEvaluator":
        """The same network on other windows."""
        return SubsetEvaluator(self.model, blocks, self.world, self._batch_size)

    def every(self, step: int) -> "SubsetEvaluator":
        """The same network on each ``step``-th of its windows."""
        return SubsetEvaluator(
            self.model,
            [(windows, index[::step]) for windows, index in self.blocks],
            self.world,
            self._batch_size,
        )

    def loss(self, active: Tensor) -> float:
        total, count = self._reduced(self._sums(active))
        return float(total / count)

    def losses(self, choices: Sequence[Tensor]) -> Tensor:
        """``[N]`` float64, one for each choice.

        Every rank evaluates its share of the new ones and learns all of them.
        """
        keys = [key_of(choice) for choice in choices]
        new = {
            key: choice for key, choice in zip(keys, choices, strict=True) if key not in self._known
        }
        found, asked = torch.zeros(len(new), 2, dtype=torch.float64), list(new.values())
        numbers = torch.arange(len(new))
        for number in (self.world.shard(numbers) if self._whole else numbers).tolist():
            found[number] = self._sums(asked[number])
        total, count = self.world.all_reduce(found).T
        self._known |= zip(new, (total / count).tolist(), strict=True)
        return torch.tensor([self._known[key] for key in keys], dtype=torch.float64)

    def compare(self, first: Tensor, second: Tensor) -> Comparison:
        """Two choices, paired by the blocks; the same on every rank."""
        one, other = self.errors(first), self.errors(second)
        self._tables = {key_of(first): one, key_of(second): other}
        found = differences(one, other)
        totals = torch.stack([one.absolute.sum(), other.absolute.sum()])
        if not self._whole:
            found = Differences(*self.world.all_reduce(torch.stack(found)))
            totals = self.world.all_reduce(totals)
        self._known |= zip(self._tables, (totals / found.entries.sum()).tolist(), strict=False)
        return compared(found)

    def importance(self, active: Tensor) -> Tensor:
        """``−∂L/∂g`` ``[S]`` of every sensor, on or off, with exactly the sensors ``active`` on."""
        everyone = self.model.readable(torch.ones_like(active))
        gates = to_device(active[everyone].float(), self._device).requires_grad_()
        sums = torch.zeros(
            self.num_sensors + 1, dtype=torch.float64, device=self._device
        )  # of the gradient, and the number of entries
        mine = self._batches[self.world.rank :: self.world.size] if self._whole else self._batches
        place = to_device(everyone, self._device)
        for windows, index, _ in mine:
            total, count = self._errors(windows, index, everyone, gates)
            if total.requires_grad:  # some part has an active sensor
                sums[place] += torch.autograd.grad(total, gates)[0].double()
            sums[-1] += count
        sums = self.world.all_reduce(sums).cpu()
        return -sums[:-1] / sums[-1]

    @torch.no_grad()
    def errors(self, active: Tensor) -> BlockErrors:
        """Of a choice, by block and location; ranks share the batches, or have their own
        locations.
        """
        if (known := self._tables.get(key_of(active))) is not None:
            return known
        sensors = self.model.readable(active)
        mine = self._batches[self.world.rank :: self.world.size] if self._whole else self._batches
        sums = torch.zeros(2, len(self.blocks), self._num_locations, dtype=torch.float64)
        sums = to_device(sums, self._device)
        for windows, index, number in mine:
            batch = windows.batch(index, sensors, self.model.locations)
            forecast = self.model(batch.inputs())
            error = (forecast - batch.target).abs() * self._weight * batch.target_observed
            place = to_device(number, self._device)
            sums[0].index_add_(0, place, error.sum((1, 3), dtype=torch.float64))
            sums[1].index_add_(0, place, batch.target_observed.sum((1, 3)).double())
        if self._whole:
            sums = self.world.all_reduce(sums)
        return BlockErrors(*sums.cpu())

    @property
    def _num_locations(self) -> int:
        locations = self.model.locations
        return self.num_sensors if locations is None else len(locations)

    @property
    def _whole(self) -> bool:
        return self.model.locations is None

    @torch.no_grad()
    def _sums(self, active: Tensor) -> Tensor:
        """Error and number of entries ``[2]`` of all batches, in main memory."""
        sensors = self.model.readable(active)
        sums = [
            torch.stack(self._errors(windows, index, sensors, None))
            for windows, index, _ in self._batches
        ]
        return torch.stack(sums).sum(0).cpu()

    def _reduced(self, sums: Tensor) -> Tensor:
        """Of all locations, where each rank has some."""
        return sums if self._whole else self.world.all_reduce(sums)

    def _errors(
        self, windows: Windows, index: Tensor, sensors: Tensor, gates: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        batch = windows.batch(index, sensors, self.model.locations)
        forecast = self.model(batch.inputs(gates))
        return masked_mae(forecast, batch.target, batch.target_observed, self._weight)


def _joined(blocks: Sequence[Block]) -> Iterator[tuple[Windows, Tensor, Tensor]]:
    """Neighbouring blocks of the same windows, and the number of each window's block: so that
    batches are full.
    """
    numbered = enumerate(blocks)
    for _, group in groupby(numbered, key=lambda block: id(block[1][0])):
        members = list(group)
        index = torch.cat([index for _, (_, index) in members])
        numbers = [torch.full((len(index),), number) for number, (_, index) in members]
        yield members[0][1][0], index, torch.cat(numbers)
