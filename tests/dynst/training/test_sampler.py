import pytest
import torch

from dynst.distributed.world import World
from dynst.training.sampler import epoch_batches


def deal(size: int, sharding: str, epoch: int = 0, windows: int = 100) -> list[list[torch.Tensor]]:
    return [
        list(epoch_batches(windows, 10, 7, epoch, World(rank, size), sharding))
        for rank in range(size)
    ]


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
