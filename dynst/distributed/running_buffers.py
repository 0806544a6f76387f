"""Statistics that a network keeps while it trains, such as those of batch normalisation, alike on
every rank.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from dynst.devices import to_cpu
from dynst.distributed.world import World

__all__ = ["average_running_buffers"]


@torch.no_grad()
def average_running_buffers(kept: Iterable[Tensor], world: World) -> None:
    """Replace buffers that differ between ranks by their mean; of whole numbers and truth values
    the first rank's hold.

    One number for each buffer says whether it differs, so that what never changes, profiles and
    neighbour lists, is not sent.

    Args:
        kept: the buffers of a model, of the same sizes on every rank.
        world: the ranks.
    """
    buffers = [buffer for buffer in kept if buffer.numel()]
    if world.size == 1 or not buffers:
        return
    sums = world.all_gather(torch.stack([_sum(buffer) for buffer in buffers]))  # [ranks, buffers]
    same = torch.isclose(sums, sums[:1], rtol=0, atol=0, equal_nan=True).all(0)
    for buffer, is_same in zip(buffers, same, strict=True):
        if is_same:
            continue
        if buffer.is_floating_point():
            world.all_reduce(buffer)
            buffer /= world.size
        else:
            world.broadcast(buffer)


def _sum(buffer: Tensor) -> Tensor:
    total: Tensor = to_cpu(buffer.double().sum())
    return total
