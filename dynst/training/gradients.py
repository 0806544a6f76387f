"""The gradients of one global batch: over all ranks, a few windows at a time, in the recipe's
precision.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from dynst.data.partition import Subgraph
from dynst.data.scaler import SeasonalScaler
from dynst.data.windows import ForecastInputs, Windows
from dynst.devices import to_device
from dynst.distributed.world import World
from dynst.evaluation.error_table import masked_mae
from dynst.models.by_parts import ForecasterByParts
from dynst.sparsity.scheme import StepSensors
from dynst.training.amp import Arithmetic
from dynst.training.compiled import CompiledForward, in_few_sizes
from dynst.training.row_exchange import RowExchange

__all__ = ["Gradients", "Share"]


class Share(NamedTuple):
    """One of the shares that a step consists of.

    Args:
        windows: ``[B]``, indices of its windows.
        sensors: that exist in it; none in a part whose sensors are all off.
        part: of a cut network, where its errors count; None is everywhere.
    """

    windows: Tensor
    sensors: StepSensors
    part: Subgraph | None = None

    @property
    def locations(self) -> Tensor | None:
        """``[L]``, where its errors count; None is everywhere."""
        return None if self.part is None else self.part.locations

    @property
    def is_read(self) -> bool:
        """Whether there is anything to forecast from."""
        return len(self.sensors.index) > 0


class Gradients:
    """Leaves in a model's parameters the gradient of the mean error over all observed entries of a
    global batch.

    Nothing here waits for the device, but to compile a new shape.

    Args:
        forward: the model, whose forward and backward passes may be compiled.
        train: windows whose batches are where the model is.
        scaler: the model's, or what it was copied from.
        accumulate: parts that the windows of a share are cut into, one after another, for want of
            memory; the mean is the same.
        num_shares: of a step, over all ranks.
        rows: of embeddings that ranks share out, where the network is cut and there are several.
    """

    def __init__(
        self,
        forward: CompiledForward,
        train: Windows,
        scaler: SeasonalScaler,
        world: World,
        arithmetic: Arithmetic,
        accumulate: int,
        num_shares: int,
        rows: RowExchange | None = None,
    ) -> None:
        self.world, self.arithmetic, self.accumulate = world, arithmetic, accumulate
        self.train, self.model, self._rows = train, forward.model, rows
        self._forward = forward
        self._parallel = (
            self.model if isinstance(self.model, ForecasterByParts) else world.wrap(forward)
        )
        self.norm: Tensor | None = None  # of all ranks' gradients, where each has others
        # the same on every rank, since it decides in which order they meet
        self._several = accumulate > 1 or num_shares > world.size
        spread = scaler.spread_of(train.targets)
        self.unit = float(spread[0])  # of the first target, for one of the loss
        self._weight = to_device(
            scaler.scale[:, train.targets] / spread[None], world.device
        )  # [S, targets]

    def measure(
        self, shares: Sequence[Share], parts: Sequence[int] = (), fixed: bool = True
    ) -> tuple[Tensor, list[Tensor | None]]:
        """This rank's (sum of errors, number of observed entries), and for each of its shares the
        gradient of the loss by its gates, ``[K]``; None where it has none.

        Args:
            shares: this rank's, at least one.
            parts: numbers of those that all ranks' shares have, where the network is cut.
            fixed: later steps read the same sensors, so that their own number is worth compiling.
        """
        if self._rows is not None:
            self._rows.fetch(parts)
        sized = shares if fixed or not self._forward.is_on else [*map(self._sized, shares)]
        gates = [
            self._gates_of(each, share.sensors.gates is not None)
            for each, share in zip(sized, shares, strict=True)
        ]
        pieces = [
            (share._replace(windows=windows), own)
            for share, own in zip(sized, gates, strict=True)
            for windows in share.windows.tensor_split(
                max(1, min(self.accumulate, len(share.windows)))
            )
        ]
        self._parallel.zero_grad(set_to_none=True)
        entries, everyone = self._counted(sized) if self._several else (None, None)
        sums = []
        for number, (piece, own_gates) in enumerate(pieces, start=1):
            with self._alone(number < len(pieces)):
                total, own = self._one(piece, own_gates, everyone)
            sums.append(total)
        total = sums[0] if len(sums) == 1 else torch.stack(sums).sum()
        errors = torch.stack([total, own if entries is None else entries]).double()
        if isinstance(self.model, ForecasterByParts):
            _fill(self.model)
        if self._rows is not None:
            self.norm = self._rows.reduce()
        return errors, [
            self._of_gates(own)[: len(share.sensors.index)]
            if own is not None and own.requires_grad
            else None
            for share, own in zip(shares, gates, strict=True)
        ]

    def _sized(self, share: Share) -> Share:
        index, gates = in_few_sizes(share.sensors.index, share.sensors.gates, len(self._weight))
        return share._replace(sensors=StepSensors(index, gates))

    def _gates_of(self, share: Share, measured: bool) -> Tensor | None:
        gates = share.sensors.gates
        if gates is None or not len(gates):
            return None
        return to_device(gates, self.world.device).clone().requires_grad_(measured)

    def _one(
        self, share: Share, gates: Tensor | None, everyone: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Adds the gradient of a few windows, as their share of the entries of all.

        ``everyone`` None counts them here.
        """
        batch = self.train.batch(share.windows, share.sensors.index, share.locations)
        inputs = batch.inputs(gates)
        self._forward.try_out(inputs, self.arithmetic)
        forecast, weight = self._forecast(share, inputs)
        total, entries = masked_mae(
            forecast.to(weight.dtype), batch.target, batch.target_observed, weight
        )
        if everyone is None:
            everyone = self.world.all_reduce(entries.clone().float())
        # ranks are averaged: this makes it the mean over all entries
        loss = total * self.world.size / everyone.clamp(min=1)
        if share.is_read:
            self.arithmetic.backward(loss)
        return total.detach(), entries

    def _forecast(self, share: Share, inputs: ForecastInputs) -> tuple[Tensor, Tensor]:
        """Scaled forecasts of a share's locations, and the weight ``[L, targets]`` of their
        errors.
        """
        model, part = self.model, share.part
        if part is None or not isinstance(model, ForecasterByParts):
            with self.arithmetic.forward():
                return self._parallel(inputs), self._weight
        read = model.numbered(inputs, share.sensors.index, part)
        weight = self._weight[read.locations]
        if not share.is_read:
            return model.profile(inputs, len(part.locations), self.train.horizon), weight
        with self.arithmetic.forward():
            return model.model.every_step(read), weight

    def _counted(self, shares: Sequence[Share]) -> tuple[Tensor, Tensor]:
        """Observed entries of this rank's shares, and of all ranks'."""
        counts = [
            self.train.num_observed(share.windows, share.sensors.index, share.locations)
            for share in shares
        ]
        entries = to_device(torch.stack(counts).sum(), self.world.device)
        return entries, self.world.all_reduce(entries.clone().float())

    def _alone(self, alone: bool) -> AbstractContextManager[Any]:
        """Ranks average their gradients once for a batch, after its last part."""
        averaged = isinstance(self._parallel, DistributedDataParallel)
        return self._parallel.no_sync() if alone and averaged else nullcontext()  # type: ignore[operator]

    def _of_gates(self, gates: Tensor) -> Tensor:
        assert gates.grad is not None
        return self.arithmetic.unscaled(gates.grad)


def _fill(model: nn.Module) -> None:
    """A gradient of 0 where a step has read no sensor."""
    for weight in model.parameters():
        if weight.grad is None:
            weight.grad = torch.zeros_like(weight)
