"""Proof that every rank took the same decision: a checksum of step and mask, compared after each
update.
"""

from zlib import crc32

import torch
from torch import Tensor

from dynst.distributed.world import World

__all__ = ["RanksDiffer", "check_consensus"]


class RanksDiffer(RuntimeError):
    """Ranks that must hold the same mask do not: a defect, or memory that cannot be trusted."""


def check_consensus(step: int, active: Tensor, world: World) -> None:
    """Compare ``active`` (bool ``[S]``) and ``step`` over ranks.

    Every rank must call it, and each raises alike.

    Raises:
        RanksDiffer: names the step, and the ranks that have another mask or step than the first
            rank.
    """
    if world.size == 1:
        return
    mask = crc32(active.to(torch.uint8).numpy().tobytes())
    facts = world.all_gather(torch.tensor([step, mask]))  # [size, 2]
    strays = (facts != facts[0]).any(1).nonzero().squeeze(1).tolist()
    if strays:
        named = ", ".join(f"rank {rank} at step {int(facts[rank, 0])}" for rank in strays)
        raise RanksDiffer(
            f"all ranks must hold the mask that rank 0 holds at step {int(facts[0, 0])}, but "
            f"{named} "
            f"{'holds' if len(strays) == 1 else 'hold'} another; go on from the last checkpoint"
        )
