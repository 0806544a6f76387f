"""Rows of embeddings whose sensors belong to different workers: a worker fetches those that its
parts border on, and hands their gradients back.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from dynst.data.partition import Subgraph
from dynst.devices import to_device
from dynst.distributed.world import World
from dynst.models.by_parts import ForecasterByParts
from dynst.models.sensor_rows import SensorRows
from dynst.training.step_shares import StepShares

__all__ = ["RowExchange"]


class RowExchange:
    """Each sensor's rows belong to one rank, whose share has the sensor in the core of a part.

    Others have copies of the rows of their halos, which are as old as the last ``fetch``. Every
    method is called by all ranks at once.

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
        self._ranks = [shares.rank_of_part(number, world.size) for number in range(len(parts))]
        self._owner = torch.empty(model.shape.num_sensors, dtype=torch.int64)
        for part, rank in zip(parts, self._ranks, strict=True):
            self._owner[part.locations] = rank
        self._halos = [
            part.sensors[self._owner[part.sensors] != rank]
            for part, rank in zip(parts, self._ranks, strict=True)
        ]
        self._wanted = [torch.empty(0, dtype=torch.int64)] * world.size  # by each rank

    def fetch(self, numbers: Sequence[int]) -> None:
        """Bring the halos' rows of some parts up to date.

        Args:
            numbers: of the parts, of all ranks.
        """
        halos = [
            [self._halos[number] for number in numbers if self._ranks[number] == rank]
            for rank in range(self._world.size)
        ]
        self._wanted = [torch.cat(some).unique() if some else self._owner[:0] for some in halos]
        fetched = self._sent(self._mine(), self._of_others(), lambda table: table.data)
        for sensors, values in zip(self._of_others(), fetched, strict=True):
            for (table, dim), value in zip(self._tables, values, strict=True):
                table.data.index_copy_(dim, self._places(sensors), value)

    def reduce(self) -> Tensor:
        """Leave in each weight the mean over ranks of its gradients, in rows with their owner.

        Returns:
            The norm of the gradients of all ranks, as they are scaled.
        """
        handed = self._sent(self._of_others(), self._mine(), _gradient)
        for sensors, values in zip(self._mine(), handed, strict=True):
            for (table, dim), value in zip(self._tables, values, strict=True):
                _gradient(table).index_add_(dim, self._places(sensors), value)
        for table, dim in self._tables:
            for sensors in self._of_others():
                _gradient(table).index_fill_(dim, self._places(sensors), 0.0)
            _gradient(table).div_(self._world.size)
        squares = torch.stack([_gradient(table).square().sum() for table, _ in self._tables]).sum()
        together = [_gradient(weight) for weight in self._shared]
        flat = torch.cat([values.flatten() for values in together] + [squares[None]])
        self._world.all_reduce(flat)
        means = flat[:-1] / self._world.size
        by_weight = means.split([gradient.numel() for gradient in together])
        for gradient, mean in zip(together, by_weight, strict=True):
            gradient.copy_(mean.view_as(gradient))
        return (means.square().sum() + flat[-1]).sqrt()

    def _mine(self) -> list[Tensor]:
        """For each rank, the sensors of this one that it has asked for."""
        return [wanted[self._owner[wanted] == self._world.rank] for wanted in self._wanted]

    def _of_others(self) -> list[Tensor]:
        """For each rank, its sensors that this one has asked for."""
        wanted = self._wanted[self._world.rank]
        owner = self._owner[wanted]
        return [wanted[owner == rank] for rank in range(self._world.size)]

    def _sent(
        self,
        outgoing: Sequence[Tensor],
        incoming: Sequence[Tensor],
        values_of: Callable[[nn.Parameter], Tensor],
    ) -> list[list[Tensor]]:
        """From each rank the rows of ``incoming`` sensors, of each table."""
        tables = [(values_of(table), dim) for table, dim in self._tables]
        packed = [
            torch.cat(
                [
                    _by_sensor(values.index_select(dim, self._places(sensors)), dim)
                    for values, dim in tables
                ],
                dim=1,
            )
            for sensors in outgoing
        ]
        received = self._world.all_to_all(packed, [len(sensors) for sensors in incoming])
        return [self._unpacked(rows, tables) for rows in received]

    def _unpacked(self, rows: Tensor, tables: Sequence[tuple[Tensor, int]]) -> list[Tensor]:
        shapes = [values.movedim(dim, 0)[0].shape for values, dim in tables]
        columns = rows.split([shape.numel() for shape in shapes], dim=1)
        return [
            values.reshape(len(rows), *shape).movedim(0, dim)
            for values, shape, (_, dim) in zip(columns, shapes, tables, strict=True)
        ]

    def _places(self, sensors: Tensor) -> Tensor:
        return to_device(self._model.numbers(sensors), self._world.device)


def _by_sensor(values: Tensor, dim: int) -> Tensor:
    """``[N, F]``, all that belongs to a sensor in a row."""
    return values.movedim(dim, 0)[..., None].flatten(1)


def _gradient(weight: nn.Parameter) -> Tensor:
    assert weight.grad is not None
    return weight.grad
