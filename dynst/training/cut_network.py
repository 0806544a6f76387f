"""A network that is cut into parts, as one rank of several trains on it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from dynst.data.partition import Subgraph
from dynst.devices import to_cpu, to_device
from dynst.distributed.world import World
from dynst.models.by_parts import ForecasterByParts
from dynst.models.forecaster import SparseForecaster
from dynst.models.sensor_rows import SensorRows, weights_of
from dynst.training.row_exchange import RowExchange
from dynst.training.row_states import RowStates
from dynst.training.step_shares import StepShares

__all__ = ["CutNetwork"]


@dataclass(frozen=True)
class CutNetwork:
    """Parts that stay with their share, and shares with their rank.

    A rank alone has the embeddings of its parts' locations; of its halos it has copies.

    Args:
        parts: of the whole network.
        num_sensors: S, of the whole network.
        shares: of a step.
        world: the ranks.
        rows: which tensors of the model have a row for each sensor.
        build: makes a fresh forecaster of the sensors given, or of all of them.
    """

    parts: tuple[Subgraph, ...]
    num_sensors: int
    shares: StepShares
    world: World
    rows: SensorRows
    build: Callable[[Tensor | None], SparseForecaster]

    def forecaster(self) -> ForecasterByParts:
        """This rank's, fresh: the same weights as one of the whole network would have."""
        whole, held = self.build(None), self._held
        if held is None:
            return ForecasterByParts(whole, self.parts, self.num_sensors)
        local, state = self.build(held), whole.state_dict()
        kept = {
            name: state[name].index_select(self.rows[name], held)
            if name in self.rows
            else state[name]
            if value.shape == state[name].shape
            else value
            for name, value in local.state_dict().items()
        }
        local.load_state_dict(kept)
        return ForecasterByParts(local, self._of_rank(self.world.rank), self.num_sensors, held)

    def exchange(self, model: ForecasterByParts) -> RowExchange | None:
        """What keeps the rows of several ranks together."""
        if self.world.size == 1:
            return None
        return RowExchange(model, self.rows, self.parts, self.shares, self.world)

    def states(self, model: ForecasterByParts) -> RowStates:
        """What makes states that any number of ranks can go on from."""
        sensors = [_locations(self._of_share(share)) for share in range(self.shares.count)]
        return RowStates(model, self.rows, sensors, self.shares.mine)

    def common_buffers(self, model: ForecasterByParts) -> list[Tensor]:
        """Those of no sensor, and not of the readings."""
        common = weights_of(model.model).keys() - self.rows.keys()
        return [buffer for name, buffer in model.model.named_buffers() if name in common]

    def whole(self, model: ForecasterByParts) -> ForecasterByParts | None:
        """The forecaster of the whole network, in main memory, on the first rank.

        None on others. Every rank must call it.
        """
        if self.world.size == 1:
            return model
        whole = self.build(None) if self.world.rank == 0 else None
        state = model.state_dict()
        places = to_device(model.numbers(self._own(self.world.rank)), self.world.device)
        weights = {} if whole is None else dict(whole.state_dict())
        for name, value in state.items():
            if name in self.rows:
                own = value.index_select(self.rows[name], places)
                self._gather(own, self.rows[name], weights.get(name))
            elif whole is not None and value.shape == weights[name].shape:
                weights[name].copy_(value)
        if whole is None:
            return None
        return ForecasterByParts(whole.eval(), self.parts, self.num_sensors)

    def _gather(self, mine: Tensor, dim: int, whole: Tensor | None) -> None:
        """The rows that each rank alone has into ``whole``, which the first one has."""
        world, packed = self.world, mine.movedim(dim, 0).contiguous()
        outgoing = [packed, *([packed[:0]] * (world.size - 1))]
        sizes = [len(self._own(rank)) if whole is not None else 0 for rank in range(world.size)]
        received = world.all_to_all(outgoing, sizes)
        if whole is not None:
            for rank, values in enumerate(received):
                whole.index_copy_(dim, self._own(rank), to_cpu(values).movedim(0, dim))

    @cached_property
    def _held(self) -> Tensor | None:
        if self.world.size == 1:
            return None
        held: Tensor = torch.cat([part.sensors for part in self._of_rank(self.world.rank)]).unique()
        return held

    def _own(self, rank: int) -> Tensor:
        return _locations(self._of_rank(rank))

    def _of_rank(self, rank: int) -> list[Subgraph]:
        shares = self.shares.of_rank(rank, self.world.size)
        return [part for share in shares for part in self._of_share(share)]

    def _of_share(self, share: int) -> list[Subgraph]:
        return [self.parts[number] for number in self.shares.parts_of(share, len(self.parts))]


def _locations(parts: Iterable[Subgraph]) -> Tensor:
    """Of several parts, ascending."""
    return torch.cat([part.locations for part in parts]).sort().values
