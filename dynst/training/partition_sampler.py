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
    """All parts are trained on equally often: each share goes round its own in a shuffled order,
    and shuffles anew when it has been round.

    Each share has parts that are neighbours, and keeps them: a worker has the same parts in all
    steps.
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
        self._orders: dict[StepKind, tuple[int, Tensor]] = {}  # of the lap that each was asked for

    @property
    def cut(self) -> bool:
        return len(self.parts) > 1

    @property
    def turns(self) -> int:
        """Steps until every part has been trained on."""
        return self.shares.turns(len(self.parts))

    def numbers_at(self, turn: int, kind: StepKind) -> list[int]:
        """Of the parts of all shares of a step, a pure function of (seed, turn, kind).

        None of them where the network is whole.
        """
        if not self.cut:
            return []
        lap, place = divmod(turn, self.turns)
        if kind not in self._orders or self._orders[kind][0] != lap:
            self._orders[kind] = lap, self._order(lap, kind)
        numbers: list[int] = self._orders[kind][1][place].tolist()
        return numbers

    def mine(self, numbers: Sequence[int]) -> list[Subgraph]:
        """Those of them that this rank's shares have."""
        return [self.parts[numbers[share]] for share in self.shares.mine] if self.cut else []

    def _order(self, lap: int, kind: StepKind) -> Tensor:
        """The parts of each share in each turn of a lap, ``[turns, shares]``."""
        chance = generator(self.seed, Stream.SUBGRAPH_ORDER, kind, lap)
        shuffled = torch.rand(self.turns, self.shares.count, generator=chance).argsort(0)
        return shuffled + self.turns * torch.arange(self.shares.count)

    def together(self, mine: Sequence[StepSensors], gradients: Sequence[Tensor | None]) -> Tensor:
        """Of the gates' gradients ``[K]`` of every share one vector ``[S]``, the same on each rank.

        NaN where none has measured.

        The whole network's loss is the mean of the parts' losses, and a sensor moves those of all
        parts that hold it, in their core or in their halo. So its gradient is estimated by the mean
        over the shares that hold it, times the share of the parts that do: without bias, whichever
        parts the step has.

        Args:
            mine: the sensors of this rank's shares.
            gradients: of each share, None where no sensor of its part was on.
        """
        sums = torch.zeros(2, len(self._held), device=self.world.device)
        for sensors, gradient in zip(mine, gradients, strict=True):
            if gradient is None:
                continue
            index = to_device(sensors.index, gradient.device)
            # the loss is averaged over ranks, not over shares
            sums[0, index] += gradient * (self.shares.count / self.world.size)
            sums[1, index] += 1
        total, measured = self.world.all_reduce(sums).cpu()
        estimate: Tensor = total / measured * self._held / len(self.parts)
        return estimate


def within(sensors: StepSensors, part: Subgraph) -> StepSensors:
    """Those of a step's sensors, ascending, that the part holds; none where these are all off."""
    index = sensors.index
    place = torch.searchsorted(index, part.sensors)
    place = place[place < len(index)]
    place = place[index[place] == part.sensors[: len(place)]]
    if sensors.gates is None:
        return StepSensors(index[place], None)
    gates = sensors.gates[place]
    if not (gates > 0).any():
        place, gates = place[:0], gates[:0]
    return StepSensors(index[place], gates)
