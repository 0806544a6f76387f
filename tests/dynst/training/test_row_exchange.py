"""Any number of ranks, as threads of one process, exchange rows and gradients as one table of all
sensors would have them.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Barrier
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dynst.data.partition import Subgraph
from dynst.distributed.world import World
from dynst.training.row_exchange import RowExchange
from dynst.training.step_shares import StepShares

S, HALO = 60, 4


@dataclass(frozen=True)
class Meeting:
    """Where the ranks leave what they send."""

    barrier: Barrier
    left: dict[int, Any] = field(default_factory=dict)

    def of_all(self, rank: int, mine: Any) -> list[Any]:
        self.left[rank] = mine
        self.barrier.wait(20)
        found = [self.left[other] for other in range(self.barrier.parties)]
        self.barrier.wait(20)
        return found


@dataclass(frozen=True)
class ThreadWorld(World):
    meeting: Meeting = Meeting(Barrier(1))
    partners: list[int] = field(default_factory=list)  # that each call sends rows to

    def all_to_all(self, values: Sequence[Tensor], sizes: Sequence[int]) -> list[Tensor]:
        self.partners.append(sum(len(value) > 0 for value in values))
        received = self.meeting.of_all(self.rank, list(values))
        mine = [sent[self.rank].clone() for sent in received]
        assert [len(rows) for rows in mine] == list(sizes)
        return mine

    def all_reduce(self, value: Tensor) -> Tensor:
        value.copy_(torch.stack(self.meeting.of_all(self.rank, value.clone())).sum(0))
        return value


class Held:
    """What a rank has: tables of the sensors of its parts, filled with its own number."""

    def __init__(self, rank: int, parts: Sequence[Subgraph], own: Sequence[int]) -> None:
        self.held = torch.cat([parts[number].sensors for number in own]).unique()
        self.shape = SimpleNamespace(num_sensors=S)
        self.model = nn.ParameterDict(
            {
                "flat": torch.full((len(self.held), 3), float(rank)),
                "turned": torch.full((2, len(self.held)), float(rank)),
                "shared": torch.zeros(5),
            }
        )

    def numbers(self, sensors: Tensor) -> Tensor:
        return torch.searchsorted(self.held, sensors)


def ring(count: int) -> list[Subgraph]:
    """Parts of a ring of sensors, with those next to them as halos."""
    found = []
    for locations in torch.arange(S).tensor_split(count):
        near = torch.arange(int(locations[0]) - HALO, int(locations[-1]) + HALO + 1) % S
        found.append(Subgraph(locations, near.unique()))
    return found


def on_ranks(size: int, run: Callable[[ThreadWorld], Any]) -> list[Any]:
    meeting = Meeting(Barrier(size))
    with ThreadPoolExecutor(size) as threads:
        ranks = [
            threads.submit(run, ThreadWorld(rank, size, meeting=meeting)) for rank in range(size)
        ]
        return [rank.result(30) for rank in ranks]


@pytest.mark.parametrize(("size", "count", "parts"), [(2, 2, 4), (3, 3, 6), (4, 4, 12), (3, 6, 12)])
def test_rows_and_gradients_are_those_of_one_table(size: int, count: int, parts: int) -> None:
    cut = ring(parts)
    owner = torch.empty(S, dtype=torch.int64)
    own_parts = parts // count  # of a share
    for number, part in enumerate(cut):
        owner[part.locations] = number // own_parts % size
    turns = [[share * own_parts + turn for share in range(count)] for turn in range(own_parts)]

    def run(world: ThreadWorld) -> dict[str, Any]:
        shares = StepShares(count, tuple(range(world.rank, count, world.size)))
        own = [part for share in shares.mine for part in shares.parts_of(share, parts)]
        held = Held(world.rank, cut, own)
        exchange = RowExchange(held, {"flat": 0, "turned": 1}, cut, shares, world)
        steps = []
        for numbers in turns:
            mine = [cut[number].sensors for number in numbers if number in own]
            read = torch.cat(mine).unique()
            exchange.fetch(numbers)
            places = held.numbers(read)
            rows = held.model["flat"][places, 0], held.model["turned"][1, places]
            for weight in held.model.values():
                weight.grad = torch.zeros_like(weight)
            # the gradient of a sensor's row is the rank's number + 1 wherever a rank has read it
            held.model["flat"].grad[places] = world.rank + 1.0
            held.model["turned"].grad[:, places] = world.rank + 1.0
            held.model["shared"].grad += world.rank
            norm = exchange.reduce()
            steps.append((read, rows, norm, {k: w.grad.clone() for k, w in held.model.items()}))
        return {"held": held.held, "steps": steps}

    ranks = on_ranks(size, run)
    for turn in range(len(turns)):
        total = torch.zeros(S)
        for rank, found in enumerate(ranks):
            total[found["steps"][turn][0]] += rank + 1.0
        squares = 5 * (size - 1) ** 2 / 4 + 5 * (total / size).square().sum()
        for rank, found in enumerate(ranks):
            read, rows, norm, gradients = found["steps"][turn]
            for values in rows:
                assert torch.equal(values, owner[read].float()), "each row is its owner's"
            own = owner[found["held"]] == rank
            expected = torch.where(own, total[found["held"]] / size, 0.0)
            torch.testing.assert_close(gradients["flat"], expected[:, None].expand(-1, 3))
            torch.testing.assert_close(gradients["turned"], expected.expand(2, -1))
            torch.testing.assert_close(gradients["shared"], torch.full((5,), (size - 1) / 2))
            assert float(norm) == pytest.approx(float(squares.sqrt()), rel=1e-5)


def test_a_rank_sends_to_those_alone_that_it_borders_on() -> None:
    cut = ring(6)

    def run(world: ThreadWorld) -> list[int]:
        held = Held(world.rank, cut, [world.rank])
        exchange = RowExchange(held, {"flat": 0}, cut, StepShares(6, (world.rank,)), world)
        for weight in held.model.values():
            weight.grad = torch.zeros_like(weight)
        exchange.fetch(range(6))
        exchange.reduce()
        return world.partners

    assert on_ranks(6, run) == [[2, 2]] * 6
