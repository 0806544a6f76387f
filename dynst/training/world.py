"""One process among several that train the same model, or the only one."""

from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

__all__ = ["World", "current_world"]


@dataclass(frozen=True)
class World:
    rank: int = 0
    size: int = 1

    def wrap(self, model: nn.Module) -> nn.Module:
        """Average parameter gradients over ranks. Every step uses every parameter, so no search for unused ones is needed."""
        return model if self.size == 1 else nn.parallel.DistributedDataParallel(model)

    def total(self, value: Tensor) -> Tensor:
        """The sum over ranks, the same on each; ``value`` itself is changed."""
        if self.size > 1:
            dist.all_reduce(value)
        return value

    def same(self, value: Tensor) -> Tensor:
        """What the first rank has, on every rank; ``value`` itself is changed."""
        if self.size > 1:
            dist.broadcast(value, 0)
        return value

    def every(self, value: Tensor) -> Tensor:
        """What each rank has, ``[size, ...]``, on every rank."""
        if self.size == 1:
            return value[None].clone()
        parts = [torch.empty_like(value) for _ in range(self.size)]
        dist.all_gather(parts, value)
        return torch.stack(parts)

    def agree(self, fact: bool) -> bool:
        """What the first rank says, on every rank."""
        return bool(self.same(torch.tensor(float(fact))))

    def share(self, items: Tensor) -> Tensor:
        """This rank's part of ``items``: every ``size``-th, so parts differ in length by at most one."""
        return items[self.rank :: self.size]


def current_world() -> World:
    """The process group that a launcher has started, or a world of one."""
    if not (dist.is_available() and dist.is_initialized()):
        return World()
    return World(dist.get_rank(), dist.get_world_size())
