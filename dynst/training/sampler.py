"""Which windows a rank trains on in each step: a pure function of (seed, epoch, rank)."""

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor

from dynst.distributed.world import World
from dynst.random_streams import Stream, generator

__all__ = ["Sharding", "epoch_batches"]

Sharding = Literal["windows", "time"]


def epoch_batches(
    num_windows: int,
    batch_size: int,
    seed: int,
    epoch: int,
    world: World,
    sharding: Sharding = "windows",
) -> Iterator[Tensor]:
    """This rank's part of each global batch of one shuffled epoch.

    ``windows`` shuffles all windows and deals each global batch out to the ranks, so that any
    number of ranks trains on the same batches. ``time`` gives each rank its own stretch of time and
    shuffles inside it, so that a rank touches its part of the series alone, which is what counts
    where the series is mapped from disk; batches then depend on the number of ranks.
    """
    chance = generator(seed, Stream.EPOCH_ORDER, epoch)
    if sharding == "windows":
        order = torch.randperm(num_windows, generator=chance)
        for batch in order.split(batch_size):
            yield world.shard(batch)
        return
    stretch = torch.arange(num_windows).split(_stretches(num_windows, batch_size, world.size))[
        world.rank
    ]
    shuffled = stretch[torch.randperm(len(stretch), generator=chance)]
    yield from shuffled.split(max(1, len(world.shard(torch.arange(batch_size)))))


def _stretches(num_windows: int, batch_size: int, size: int) -> list[int]:
    """Windows of each rank, in proportion to its share of a batch: equally many whole batches, and
    the rest to the last.
    """
    shares = [len(World(rank, size).shard(torch.arange(batch_size))) for rank in range(size)]
    whole = num_windows // batch_size
    if whole == 0:
        return [len(part) for part in torch.arange(num_windows).tensor_split(size)]
    lengths = [whole * share for share in shares]
    return [*lengths[:-1], lengths[-1] + num_windows - sum(lengths)]
