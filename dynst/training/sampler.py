"""Which windows each share of a step has: a pure function of (seed, epoch, share)."""

from collections.abc import Iterator

import torch
from torch import Tensor

from dynst.random_streams import Stream, generator
from dynst.training.config import Sharding
from dynst.training.step_shares import StepShares

__all__ = ["epoch_batches"]


def epoch_batches(
    num_windows: int,
    batch_size: int,
    seed: int,
    epoch: int,
    shares: StepShares,
    sharding: Sharding = "windows",
) -> Iterator[list[Tensor]]:
    """For each step of one shuffled epoch the windows of this rank's shares.

    ``windows`` shuffles all windows and deals each batch out to the shares. ``time`` gives each
    share its own stretch of time and shuffles inside it, so that a rank touches its part of the
    series alone, which is what counts where the series is mapped from disk. Either way the batches
    depend on the number of shares, not on that of the ranks.
    """
    if sharding == "windows":
        order = _shuffled(torch.arange(num_windows), generator(seed, Stream.EPOCH_ORDER, epoch))
        for batch in order.split(batch_size):
            yield [batch[share :: shares.count] for share in shares.mine]
        return
    stretches = torch.arange(num_windows).split(_stretches(num_windows, batch_size, shares.count))
    sizes = _sizes(batch_size, shares.count)
    own = [
        _shuffled(stretches[share], generator(seed, Stream.EPOCH_ORDER, epoch)).split(
            max(1, sizes[share])
        )
        for share in shares.mine
    ]
    yield from map(list, zip(*own, strict=False))


def _shuffled(items: Tensor, chance: torch.Generator) -> Tensor:
    return items[torch.randperm(len(items), generator=chance)]


def _sizes(batch_size: int, count: int) -> list[int]:
    """Windows of each share in a batch; they differ by at most one."""
    return [len(range(share, batch_size, count)) for share in range(count)]


def _stretches(num_windows: int, batch_size: int, count: int) -> list[int]:
    """Windows of each share, in proportion to its size in a batch: equally many whole batches, and
    the rest to the last.
    """
    whole = num_windows // batch_size
    if whole == 0:
        return [len(part) for part in torch.arange(num_windows).tensor_split(count)]
    lengths = [whole * size for size in _sizes(batch_size, count)]
    return [*lengths[:-1], lengths[-1] + num_windows - sum(lengths)]
