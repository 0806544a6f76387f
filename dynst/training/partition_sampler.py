"""Which part of a cut network each share of a step has, and what all of them say together about
each sensor.
"""

from collections.abc import Sequence
from enum import IntEnum

import torch
from torch import Tensor

from dynst.data.partition import Subgraph
from dynst.devices import to_device
from dynst.distributed.world import World
from dynst.random_streams import Stream, generator
from dynst.sparsity.scheme import StepSensors
from dynst.training.step_shares import StepShares

__all__ = ["PartitionSampler", "StepKind", "within"]


class StepKind(IntEnum):
    """Each kind of step goes round by itself, so that probes meet every part however often they
    come.
    """

    TRAINING = 0
    PROBES = 1
    FIRST_PROBES = 2


class PartitionSampler:
    """All parts are trained on equally often: shares draw the next ones from a shuffle, and shuffle
    anew when it is used up.
    """

    def __init__(
        self,
        parts: Sequence[Subgraph],
        num_sensors: int,
        seed: int,
        world: World,
        shares: StepShares,
    ) -> None:
        self.parts, self.seed, self.world, self.shares = parts, seed, world, shares
        self._held = torch.zeros(num_sensors)  # in how many parts each sensor is
        for part in parts:
            self._held[part.sensors] += 1

    @property
    def cut(self) -> bool:
        return len(self.parts) > 1

    @property
    def turns(self) -> int:
        """Steps until every part has been trained on."""
        return max(1, -(-len(self.parts) // self.shares.count))

    def parts_at(self, turn: int, kind: StepKind) -> list[Subgraph]:
        """Those of this rank's shares, a pure function of (seed, turn, kind).

        None of them where the network is whole.
        """
        return [self._part(turn, share, kind) for share in self.shares.mine] if self.cut else []

    def _part(self, turn: int, share: int, kind: StepKind) -> Subgraph:
        lap, place = divmod(turn * self.shares.count + share, len(self.parts))
        chance = generator(self.seed, Stream.SUBGRAPH_ORDER, kind, lap)
        return self.parts[int(torch.randperm(len(self.parts), generator=chance)[place])]

    def together(
        self,
        mine: Sequence[StepSensors],
        gradients: Sequence[Tensor],
        parts: Sequence[Subgraph],
    ) -> Tensor:
        """Of the gates' gradients ``[K]`` of every share one vector ``[S]``, the same on each rank.

        NaN where none has measured.

        The whole network's loss is the mean of the parts' losses, and a sensor moves those of all
        parts that hold it, in their core or in their halo. So its gradient is estimated by the mean
        over the shares that hold it, times the share of the parts that do: without bias, whichever
        parts the step has.
        """
        sums = gradients[0].new_zeros(2, len(self._held))
        for sensors, gradient, part in zip(mine, gradients, parts, strict=True):
            held = torch.zeros_like(self._held, dtype=torch.bool)
            held[part.sensors] = True
            # those that stand in are measured where they belong
            inside = held[sensors.index].nonzero().squeeze(1)
            index = to_device(sensors.index[inside], gradient.device)
            # the loss is averaged over ranks, not over shares
            own = gradient[to_device(inside, gradient.device)]
            sums[0, index] += own * (self.shares.count / self.world.size)
            sums[1, index] += 1
        total, measured = self.world.all_reduce(sums).cpu()
        estimate: Tensor = total / measured * self._held / len(self.parts)
        return estimate


def within(sensors: StepSensors, part: Subgraph, num_sensors: int) -> StepSensors:
    """Those of a step's sensors that the part holds.

    Where all of these are off, a location receives the average of all active sensors; some of them,
    spread evenly and no more than the part has sensors, stand in for that.
    """
    held = torch.zeros(num_sensors, dtype=torch.bool)
    held[part.sensors] = True
    on = (
        torch.ones_like(sensors.index, dtype=torch.bool)
        if sensors.gates is None
        else sensors.gates > 0
    )
    if not (held[sensors.index] & on).any():
        active = sensors.index[on]
        count = min(len(active), len(part.sensors))
        held[active[torch.arange(count) * len(active) // count]] = True
    chosen = held[sensors.index]
    return StepSensors(
        sensors.index[chosen], None if sensors.gates is None else sensors.gates[chosen]
    )
