"""The gradients of one global batch: over all ranks, a few windows at a time, in the recipe's
precision.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from dynst.data.scaler import SeasonalScaler
from dynst.data.windows import Windows
from dynst.devices import to_device
from dynst.distributed.world import World
from dynst.evaluation.error_table import masked_mae
from dynst.models.forecaster import SparseForecaster
from dynst.sparsity.scheme import StepSensors
from dynst.training.amp import Arithmetic

__all__ = ["Gradients"]


class Gradients:
    """Leaves in a model's parameters the gradient of the mean error over all observed entries of a
    global batch.

    Nothing here waits for the device.

    Args:
        train: windows whose batches are where the model is.
        scaler: the model's, or what it was copied from.
        accumulate: parts that a rank's windows are cut into, one after another, for want of memory;
            the mean is the same.
    """

    def __init__(
        self,
        model: SparseForecaster,
        train: Windows,
        scaler: SeasonalScaler,
        world: World,
        arithmetic: Arithmetic,
        accumulate: int = 1,
    ) -> None:
        self.world, self.arithmetic, self.accumulate = world, arithmetic, accumulate
        self.train, self._parallel = train, world.wrap(model)
        spread = scaler.spread_of(train.targets)
        self.unit = float(spread[0])  # of the first target, for one of the loss
        self._weight = to_device(
            scaler.scale[:, train.targets] / spread[None], world.device
        )  # [S, targets]

    def measure(
        self, index: Tensor, sensors: StepSensors, locations: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """This rank's (sum of errors, number of observed entries), and the gradient of the loss by
        the gates, ``[K]`` of this rank, where there are some.

        Args:
            index: ``[B]``, this rank's windows of the batch.
            locations: ``[L]``, where this rank's errors count; everywhere by default.
        """
        parts = index.tensor_split(max(1, min(self.accumulate, len(index))))
        gates = (
            None
            if sensors.gates is None
            else to_device(sensors.gates, self.world.device).clone().requires_grad_()
        )
        self._parallel.zero_grad(set_to_none=True)
        entries, everyone = self._counted(index, locations) if len(parts) > 1 else (None, None)
        sums = []
        for number, part in enumerate(parts, start=1):
            with self._alone(number < len(parts)):
                total, own = self._one(part, sensors.index, gates, everyone, locations)
            sums.append(total)
        total = sums[0] if len(sums) == 1 else torch.stack(sums).sum()
        return torch.stack([total, own if entries is None else entries]).double(), self._of_gates(
            gates
        )

    def _one(
        self,
        index: Tensor,
        sensors: Tensor,
        gates: Tensor | None,
        everyone: Tensor | None,
        locations: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """Adds the gradient of a few windows, as their share of the entries of all.

        ``everyone`` None counts them here.
        """
        batch = self.train.batch(index, sensors, locations)
        asked = None if locations is None else to_device(locations, self.world.device)
        weight = self._weight if asked is None else self._weight[asked]
        with self.arithmetic.forward():
            forecast = self._parallel(batch.inputs(gates, asked))
        total, entries = masked_mae(
            forecast.to(weight.dtype), batch.target, batch.target_observed, weight
        )
        if everyone is None:
            everyone = self.world.all_reduce(entries.clone().float())
        # ranks are averaged: this makes it the mean over all entries
        loss = total * self.world.size / everyone.clamp(min=1)
        self.arithmetic.backward(loss)
        return total.detach(), entries

    def _counted(self, index: Tensor, locations: Tensor | None) -> tuple[Tensor, Tensor]:
        """Observed entries of this rank's part of the batch, and of all ranks'."""
        entries = to_device(self.train.num_observed(index, locations), self.world.device)
        return entries, self.world.all_reduce(entries.clone().float())

    def _alone(self, alone: bool) -> AbstractContextManager[Any]:
        """Ranks average their gradients once for a batch, after its last part."""
        return self._parallel.no_sync() if alone and self.world.size > 1 else nullcontext()  # type: ignore[operator]

    def _of_gates(self, gates: Tensor | None) -> Tensor | None:
        if gates is None:
            return None
        assert gates.grad is not None
        return self.arithmetic.unscaled(gates.grad)
