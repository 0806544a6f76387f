"""Which part of a cut network a rank trains on, and what all ranks' parts say together about each
sensor.
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

__all__ = ["PartitionSampler", "StepKind", "within"]


class StepKind(IntEnum):
    """Each kind of step goes round by itself, so that probes meet every part however often they
    come.
    """

    TRAINING = 0
    PROBES = 1
    FIRST_PROBES = 2


class PartitionSampler:
    """All parts are trained on equally often: ranks draw the next ones from a shuffle, and shuffle
    anew when it is used up.
    """

    def __init__(
        self, parts: Sequence[Subgraph], num_sensors: int, seed: int, world: World
    ) -> None:
        self.parts, self.seed, self.world = parts, seed, world
        self._held = torch.zeros(num_sensors)  # in how many parts each sensor is
        for part in parts:
            self._held[part.sensors] += 1

    @property
    def cut(self) -> bool:
        return len(self.parts) > 1

    @property
    def turns(self) -> int:
        """Steps until every part has been trained on by some rank."""
        return max(1, -(-len(self.parts) // self.world.size))

    def part_at(self, turn: int, kind: StepKind) -> Subgraph | None:
        """This rank's part, a pure function of (seed, turn, kind).

        None where the network is whole.
        """
        if not self.cut:
            return None
        lap, place = divmod(turn * self.world.size + self.world.rank, len(self.parts))
        chance = generator(self.seed, Stream.SUBGRAPH_ORDER, kind, lap)
        return self.parts[int(torch.randperm(len(self.parts), generator=chance)[place])]

    def together(self, mine: StepSensors, gradient: Tensor, part: Subgraph) -> Tensor:
        """Of the gates' gradients ``[K]`` of every rank one vector ``[S]``, the same on each.

        NaN where no rank has measured.

        The whole network's loss is the mean of the parts' losses, and a sensor moves those of all
        parts that hold it, in their core or in their halo. So its gradient is estimated by the mean
        over the ranks that hold it, times the share of the parts that do: without bias, whichever
        parts the step has.
        """
        held = torch.zeros_like(self._held, dtype=torch.bool)
        held[part.sensors] = True
        # those that stand in are measured where they belong
        inside = held[mine.index].nonzero().squeeze(1)
        index, sums = (
            to_device(mine.index[inside], gradient.device),
            gradient.new_zeros(2, len(held)),
        )
        sums[0, index], sums[1, index] = gradient[to_device(inside, gradient.device)], 1
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
