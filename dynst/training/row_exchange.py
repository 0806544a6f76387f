"""Rows of embeddings whose sensors belong to different workers: a worker fetches those that its
parts border on, and hands their gradients back.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from dynst.data.partition import Subgraph
from dynst.devices import to_device
from dynst.distributed.world import World
from dynst.models.by_parts import ForecasterByParts
from dynst.models.sensor_rows import SensorRows
from dynst.training.step_shares import StepShares

__all__ = ["RowExchange"]

ByRank = dict[int, Tensor]  # sensors of some ranks, ascending
NONE = torch.empty(0, dtype=torch.int64)


class RowExchange:
    """Each sensor's rows belong to one rank, whose share has the sensor in the core of a part.

    Others have copies of the rows of their halos, which are as old as the last ``fetch``. A rank
    has to do with those alone that its parts border on. Every method is called by all at once.

    Args:
        model: this rank's, of the sensors that its parts hold.
        rows: which of its tensors have a row for each sensor.
        parts: of the whole network.
        shares: of a step.
        world: several ranks.
    """

    def __init__(
        self,
        model: ForecasterByParts,
        rows: SensorRows,
        parts: Sequence[Subgraph],
        shares: StepShares,
        world: World,
    ) -> None:
        self._model, self._world = model, world
        weights = dict(model.model.named_parameters())
        self._tables = [(weights[name], dim) for name, dim in rows.items() if name in weights]
        known = {id(table) for table, _ in self._tables}
        self._shared = [weight for weight in weights.values() if id(weight) not in known]
        count = len(parts)
        self._ranks = [shares.rank_of_part(part, count, world.size) for part in range(count)]
        owner = torch.empty(model.shape.num_sensors, dtype=torch.int64)
        for part, rank in zip(parts, self._ranks, strict=True):
            owner[part.locations] = rank
        self._borders = [
            self._border(part, rank, owner) for part, rank in zip(parts, self._ranks, strict=True)
        ]
        self._asked: ByRank = {}  # of each rank, by this one
        self._given: ByRank = {}  # to each rank, by this one

    def _border(self, part: Subgraph, rank: int, owner: Tensor) -> ByRank:
        """What this rank and another have to do with each other in a part of ``rank``: of this
        rank's own part the sensors of each owner, of another's those that are this rank's.
        """
        me, owners = self._world.rank, owner[part.sensors]
        if rank == me:
            others = [other for other in owners.unique().tolist() if other != me]
            return {other: part.sensors[owners == other] for other in others}
        mine = part.sensors[owners == me]
        return {rank: mine} if len(mine) else {}

    def fetch(self, numbers: Sequence[int]) -> None:
        """Bring the halos' rows of some parts up to date.

        Args:
            numbers: of the parts, of all ranks.
        """
        asked, given = defaultdict[int, list[Tensor]](list), defaultdict[int, list[Tensor]](list)
        for number in numbers:
            borders = asked if self._ranks[number] == self._world.rank else given
            for rank, sensors in self._borders[number].items():
                borders[rank].append(sensors)
        self._asked, self._given = _each_once(asked), _each_once(given)
        fetched = self._sent(self._given, self._asked, lambda table: table.data)
        places = self._places(self._asked)
        for (table, dim), values in zip(self._tables, self._unpacked(fetched), strict=True):
            table.data.index_copy_(dim, places, values)

    def reduce(self) -> Tensor:
        """Leave in each weight the mean over ranks of its gradients, in rows with their owner.

        Returns:
            The norm of the gradients of all ranks, as they are scaled.
        """
        handed = self._sent(self._asked, self._given, _gradient)
        sizes = [len(sensors) for sensors in self._given.values()]
        given = self._places(self._given)
        # rank by rank: several may hand gradients of the same sensor
        for places, rows in zip(given.split(sizes), handed.split(sizes), strict=True):
            for (table, dim), values in zip(self._tables, self._unpacked(rows), strict=True):
                _gradient(table).index_add_(dim, places, values)
        halos = self._places(self._asked)
        for table, dim in self._tables:
            _gradient(table).index_fill_(dim, halos, 0.0).div_(self._world.size)
        squares = torch.stack([_gradient(table).square().sum() for table, _ in self._tables]).sum()
        together = [_gradient(weight) for weight in self._shared]
        flat = torch.cat([values.flatten() for values in together] + [squares[None]])
        self._world.all_reduce(flat)
        means = flat[:-1] / self._world.size
        by_weight = means.split([gradient.numel() for gradient in together])
        for gradient, mean in zip(together, by_weight, strict=True):
            gradient.copy_(mean.view_as(gradient))
        return (means.square().sum() + flat[-1]).sqrt()

    def _sent(
        self,
        outgoing: ByRank,
        incoming: ByRank,
        values_of: Callable[[nn.Parameter], Tensor],
    ) -> Tensor:
        """Rows of the ``incoming`` sensors, rank after rank, of all tables side by side."""
        places = self._places(outgoing)
        rows = torch.cat(
            [
                _by_sensor(values_of(table).index_select(dim, places), dim)
                for table, dim in self._tables
            ],
            dim=1,
        )
        sizes = [len(outgoing.get(rank, ())) for rank in range(self._world.size)]
        received = self._world.all_to_all(
            rows.split(sizes), [len(incoming.get(rank, ())) for rank in range(self._world.size)]
        )
        return torch.cat(received)

    def _unpacked(self, rows: Tensor) -> list[Tensor]:
        """Of each table."""
        shapes = [table.movedim(dim, 0)[0].shape for table, dim in self._tables]
        columns = rows.split([shape.numel() for shape in shapes], dim=1)
        return [
            values.reshape(len(rows), *shape).movedim(0, dim)
            for values, shape, (_, dim) in zip(columns, shapes, self._tables, strict=True)
        ]

    def _places(self, sensors: ByRank) -> Tensor:
        """Where the rows of all of them are in this rank's tables."""
        together = torch.cat([NONE, *sensors.values()])
        return to_device(self._model.numbers(together), self._world.device)


def _each_once(borders: Mapping[int, Sequence[Tensor]]) -> ByRank:
    """By rank, ascending; several parts may border on the same sensor."""
    return {
        rank: torch.cat(list(borders[rank])).unique()
        if len(borders[rank]) > 1
        else borders[rank][0]
        for rank in sorted(borders)
    }


def _by_sensor(values: Tensor, dim: int) -> Tensor:
    """``[N, F]``, all that belongs to a sensor in a row."""
    return values.movedim(dim, 0)[..., None].flatten(1)


def _gradient(weight: nn.Parameter) -> Tensor:
    assert weight.grad is not None
    return weight.grad
