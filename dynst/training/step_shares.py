"""What a step consists of: shares of its windows and of the network, dealt out to however many
workers there are.
"""

from dataclasses import dataclass

from dynst.distributed.world import World
from dynst.errors import ConfigError
from dynst.training.config import Recipe

__all__ = ["StepShares", "shares_for"]


def shares_for(recipe: Recipe, workers: int) -> int:
    """Of each step, where the recipe does not say: one for each worker.

    A cut network's shares have equally many parts, so it may have a few more of them.
    """
    if recipe.parts_per_step is not None:
        return recipe.parts_per_step
    if recipe.parts == 1:
        return workers
    fitting = (count for count in range(workers, recipe.parts + 1) if recipe.parts % count == 0)
    return next(fitting, workers)


@dataclass(frozen=True)
class StepShares:
    """The shares of each step, and which of them are this rank's.

    A share has windows of its own and, where the network is cut, parts of its own, which have their
    turn one after another. Their number is the same whatever the number of ranks: so is what a step
    trains on.

    Args:
        count: of all ranks.
        mine: numbers of this rank's shares, from 0 on; never empty.

    Example:
        >>> StepShares.of(Recipe(parts=8, parts_per_step=4), World(rank=1, size=2))
        StepShares(count=4, mine=(1, 3))
    """

    count: int
    mine: tuple[int, ...]

    @classmethod
    def of(cls, recipe: Recipe, world: World) -> "StepShares":
        """Those of a training.

        A whole network whose windows are dealt out of one shuffle has a share for each rank:
        together they are the same batch.

        Raises:
            ConfigError: there are more ranks than shares.
        """
        count = world.size if recipe.is_whole else shares_for(recipe, world.size)
        if count < world.size:
            raise ConfigError(
                f"training.parts_per_step must be at least the number of workers, but got {count} "
                f"for {world.size} workers; raise it, or take fewer workers"
            )
        return cls(count, tuple(range(world.rank, count, world.size)))

    def of_rank(self, rank: int, size: int) -> range:
        """Numbers of the shares of another of ``size`` ranks."""
        return range(rank, self.count, size)

    def parts_of(self, share: int, num_parts: int) -> range:
        """Numbers of the parts of a cut network that belong to a share: neighbours, whose halos
        are mostly its own.

        Args:
            num_parts: of the network, a multiple of the number of shares.
        """
        own = self.turns(num_parts)
        return range(share * own, (share + 1) * own)

    def rank_of_part(self, part: int, num_parts: int, size: int) -> int:
        """Which of ``size`` ranks has the share that a part belongs to."""
        return part // self.turns(num_parts) % size

    def turns(self, num_parts: int) -> int:
        """Parts of each share, and so the steps until each part had its turn."""
        return max(1, num_parts // self.count)
