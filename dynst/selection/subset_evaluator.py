"""What a trained network loses, on fixed windows, when only some sensors are read."""

from collections.abc import Sequence

import torch
from torch import Tensor

from dynst.data.windows import Windows
from dynst.devices import device_of, to_device
from dynst.distributed.world import World
from dynst.evaluation.error_table import masked_mae
from dynst.models.forecaster import SparseForecaster

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
        parts: windows to evaluate on, and which of them.
        world: ranks share the choices that are asked about together, and the windows of a gradient;
            or the locations, where each has a part of the network.
    """

    def __init__(
        self,
        model: SparseForecaster,
        parts: Sequence[tuple[Windows, Tensor]],
        world: World | None = None,
        batch_size: int | None = None,
    ) -> None:
        batch_size = batch_size or max(1, min(128, LOCATIONS_AT_ONCE // model.shape.num_sensors))
        self.model, self.world = model, world or World()
        self.num_sensors = model.shape.num_sensors
        self._parts, self._batch_size, self._device = parts, batch_size, device_of(model)
        self._batches = [
            (windows.on(self._device), some)
            for windows, index in parts
            for some in index.split(batch_size)
        ]
        targets = to_device(parts[0][0].targets, self._device)
        self._weight = model.scaler.scale[:, targets] * model.scaler.to_first(targets)
        self._known: dict[bytes, float] = {}  # losses of choices

    def on(self, part: int) -> "SubsetEvaluator":
        """The same network on one of its parts alone."""
        return SubsetEvaluator(self.model, [self._parts[part]], self.world, self._batch_size)

    def every(self, step: int) -> "SubsetEvaluator":
        """The same network on each ``step``-th of its windows."""
        return SubsetEvaluator(
            self.model,
            [(windows, index[::step]) for windows, index in self._parts],
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

    def importance(self, active: Tensor) -> Tensor:
        """``−∂L/∂g`` ``[S]`` of every sensor, on or off, with exactly the sensors ``active`` on."""
        everyone = self.model.readable(torch.ones_like(active))
        gates = to_device(active[everyone].float(), self._device).requires_grad_()
        sums = torch.zeros(
            self.num_sensors + 1, dtype=torch.float64, device=self._device
        )  # of the gradient, and the number of entries
        mine = self._batches[self.world.rank :: self.world.size] if self._whole else self._batches
        place = to_device(everyone, self._device)
        for windows, index in mine:
            total, count = self._errors(windows, index, everyone, gates)
            if total.requires_grad:  # some part has an active sensor
                sums[place] += torch.autograd.grad(total, gates)[0].double()
            sums[-1] += count
        sums = self.world.all_reduce(sums).cpu()
        return -sums[:-1] / sums[-1]

    @property
    def _whole(self) -> bool:
        return self.model.locations is None

    @torch.no_grad()
    def _sums(self, active: Tensor) -> Tensor:
        """Error and number of entries ``[2]`` of all batches, in main memory."""
        sensors = self.model.readable(active)
        sums = [
            torch.stack(self._errors(windows, index, sensors, None))
            for windows, index in self._batches
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
