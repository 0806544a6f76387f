"""Windows of each share of a step: whichever ranks the shares are dealt out to."""

import pytest
import torch

from dynst.distributed.world import World
from dynst.errors import ConfigError
from dynst.training.config import Recipe, Sharding
from dynst.training.sampler import epoch_batches
from dynst.training.step_shares import StepShares


def deal(size: int, sharding: str, epoch: int = 0, windows: int = 100) -> list[list[torch.Tensor]]:
    """With a share for each rank."""
    return [
        [batch for (batch,) in epoch_batches(windows, 10, 7, epoch, shares, sharding)]
        for shares in dealt(size, size)
    ]


def dealt(count: int, size: int) -> list[StepShares]:
    return [StepShares(count, tuple(range(rank, count, size))) for rank in range(size)]


@pytest.mark.parametrize("sharding", ["windows", "time"])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_every_window_once_an_epoch(size: int, sharding: str) -> None:
    drawn = torch.cat([batch for rank in deal(size, sharding) for batch in rank])
    assert sorted(drawn.tolist()) == list(range(100))


@pytest.mark.parametrize("sharding", ["windows", "time"])
def test_the_shuffle_depends_on_seed_and_epoch_alone(sharding: str) -> None:
    one, again, other = deal(2, sharding), deal(2, sharding), deal(2, sharding, epoch=1)
    assert all(torch.equal(a, b) for a, b in zip(one[1], again[1], strict=True))
    assert not torch.equal(one[1][0], other[1][0])


@pytest.mark.parametrize("size", [2, 3, 4])
def test_dealt_windows_are_the_same_global_batches_for_any_number_of_ranks(size: int) -> None:
    alone, ranks = deal(1, "windows")[0], deal(size, "windows")
    for step, batch in enumerate(alone):
        together = torch.cat([rank[step] for rank in ranks])
        assert sorted(together.tolist()) == sorted(batch.tolist())


def test_stretches_of_time_do_not_overlap() -> None:
    first, second = (torch.cat(rank) for rank in deal(2, "time"))
    assert int(first.max()) < int(second.min())


@pytest.mark.parametrize("sharding", ["windows", "time"])
def test_all_ranks_have_equally_many_whole_batches(sharding: str) -> None:
    """The loop stops after the whole ones, so no rank waits for another."""
    whole = 103 // 10
    assert all(len(rank) >= whole for rank in deal(3, sharding, windows=103))


@pytest.mark.parametrize("sharding", ["windows", "time"])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_shares_are_the_same_for_any_number_of_ranks(size: int, sharding: Sharding) -> None:
    apart = deal(3, sharding, windows=103)
    for shares in dealt(3, size):
        steps = list(epoch_batches(103, 10, 7, 0, shares, sharding))
        assert len(steps) >= 10
        for step, batches in enumerate(steps[:10]):
            for share, batch in zip(shares.mine, batches, strict=True):
                assert torch.equal(batch, apart[share][step])


def test_a_whole_network_has_a_share_for_each_rank() -> None:
    assert StepShares.of(Recipe(parts_per_step=7), World(1, 2)) == StepShares(2, (1,))
    assert StepShares.of(Recipe(sharding="time"), World(1, 2)) == StepShares(2, (1,))
    assert StepShares.of(Recipe(parts=8, parts_per_step=5), World(1, 2)) == StepShares(5, (1, 3))


def test_more_ranks_than_shares_are_refused() -> None:
    with pytest.raises(ConfigError, match="got 2 for 3 workers; raise it, or take fewer"):
        StepShares.of(Recipe(parts=8, parts_per_step=2), World(0, 3))
