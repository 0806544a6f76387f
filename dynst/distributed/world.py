"""One process among several that train the same model, or the only one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.distributed as dist
from torch import Tensor, nn

from dynst.devices import CPU, current_device, to_device

__all__ = ["World", "current_world"]


@dataclass(frozen=True)
class World:
    """Which of them this is, and the device that it computes on."""

    rank: int = 0
    size: int = 1
    device: torch.device = CPU

    def wrap(self, model: nn.Module) -> nn.Module:
        """Average parameter gradients over ranks.

        Every step uses every parameter, so no search for unused ones is needed. Buffers are not
        sent: see ``average_running_buffers``.
        """
        if self.size == 1:
            return model
        return nn.parallel.DistributedDataParallel(model, broadcast_buffers=False)

    def all_reduce(self, value: Tensor) -> Tensor:
        """The sum over ranks, the same on each; ``value`` itself is changed."""
        if self.size > 1:
            self._together(dist.all_reduce, value)
        return value

    def broadcast(self, value: Tensor) -> Tensor:
        """What the first rank has, on every rank; ``value`` itself is changed."""
        if self.size > 1:
            self._together(partial(dist.broadcast, src=0), value)
        return value

    def all_gather(self, value: Tensor) -> Tensor:
        """What each rank has, ``[size, ...]``, on every rank."""
        if self.size == 1:
            return value[None].clone()
        there = to_device(value, self.device)
        parts = [torch.empty_like(there) for _ in range(self.size)]
        dist.all_gather(parts, there)
        return torch.stack(parts).to(value.device)

    def all_to_all(self, values: Sequence[Tensor], sizes: Sequence[int]) -> list[Tensor]:
        """Of each rank what it has for this one.

        Args:
            values: ``[·, F]`` for each rank, of one width and on this rank's device.
            sizes: rows that each rank sends here.
        """
        if self.size == 1:
            return list(values)
        whole = torch.cat(list(values)).contiguous()
        found = whole.new_empty(sum(sizes), *whole.shape[1:])
        dist.all_to_all_single(found, whole, list(sizes), [len(value) for value in values])
        return list(found.split(list(sizes)))

    def broadcast_bool(self, fact: bool) -> bool:
        """What the first rank says, on every rank."""
        return bool(self.broadcast(torch.tensor(float(fact))))

    def shard(self, items: Tensor) -> Tensor:
        """This rank's stretch of ``items``; stretches differ in length by at most one."""
        return items.tensor_split(self.size)[self.rank]

    def _together(self, collective: Callable[[Tensor], object], value: Tensor) -> None:
        """On this process's device, since nccl reaches no main memory."""
        there = to_device(value, self.device)
        collective(there)
        if there is not value:
            value.copy_(there)


def current_world() -> World:
    """The process group that a launcher has started, or a world of one, on the device that this
    process computes on.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return World(device=current_device())
    return World(dist.get_rank(), dist.get_world_size(), current_device())
