"""Whether one choice of sensors is better than another, by more than blocks of time differ."""

from dataclasses import dataclass
from math import inf, sqrt

import torch
from scipy.stats import t as student
from torch import Tensor

__all__ = ["BlockErrors", "Comparison", "compare", "compared", "differences"]

ONE_IN = 10  # blocks is Winsorised at each end, for each location
FEWEST = 5  # blocks of which one is


@dataclass(frozen=True)
class BlockErrors:
    """Errors of one choice, for every block of time and location.

    Args:
        absolute: ``[N, L]`` float64, sums of absolute errors in the unit of the first target.
        count: ``[N, L]`` float64, observed entries.
    """

    absolute: Tensor
    count: Tensor

    def mean(self) -> float:
        return float(self.absolute.sum() / self.count.sum())


@dataclass(frozen=True)
class Comparison:
    """The error of one choice less that of another, paired by blocks.

    Blocks are taken as independent. Short ones are not quite, so that bounds are too narrow there.

    Args:
        difference: mean error over all entries, below 0 where the first choice is better.
        deviation: standard error of the difference.
        blocks: that were compared.
    """

    difference: float
    deviation: float
    blocks: int

    def upper(self, confidence: float = 0.95) -> float:
        """One-sided bound of the difference by Student's t; infinite with fewer than two blocks."""
        if self.blocks < 2:
            return inf
        quantile = float(student.ppf(confidence, self.blocks - 1))
        return self.difference + quantile * self.deviation

    def shows_gain(self, confidence: float = 0.95) -> bool:
        """Whether the first choice is better, by more than blocks differ."""
        return self.upper(confidence) < 0


def compare(first: BlockErrors, second: BlockErrors, *, winsorised: bool = True) -> Comparison:
    """Of two choices on the same blocks and all locations.

    Args:
        first: errors of one choice.
        second: errors of the other.
        winsorised: for each location the most extreme tenth of the blocks at either end counts as
            much as the next one (Tukey 1962): an outage, a spike or a stuck reading in one block
            decides nothing. Else the difference is that of the mean errors.
    """
    sums = differences(first, second) if winsorised else (first.absolute - second.absolute).sum(1)
    return compared(sums, float(first.count.sum()))


def differences(first: BlockErrors, second: BlockErrors) -> Tensor:
    """``[N]``, of each block the difference of the sums of errors, Winsorised by location."""
    rate = (first.absolute - second.absolute) / first.count.clamp(min=1)
    return (_winsorised(rate, first.count > 0) * first.count).sum(1)


def compared(sums: Tensor, count: float) -> Comparison:
    """From the ``differences`` of all locations and their observed entries."""
    blocks = len(sums)
    each = sums * blocks / max(count, 1.0)
    deviation = float(each.std()) / sqrt(blocks) if blocks > 1 else inf
    return Comparison(float(each.mean()), deviation, blocks)


def _winsorised(values: Tensor, observed: Tensor) -> Tensor:
    """Of ``values [N, L]`` each column, among its ``observed`` entries; others become 0."""
    number = observed.sum(0)
    least = torch.where(number >= FEWEST, (number + ONE_IN - 1) // ONE_IN, 0)
    low = values.masked_fill(~observed, inf).sort(0).values
    high = values.masked_fill(~observed, -inf).sort(0, descending=True).values
    lowest = low.gather(0, least.clamp(max=len(values) - 1)[None])
    highest = high.gather(0, least.clamp(max=len(values) - 1)[None])
    kept = values.clamp(min=lowest, max=highest)
    return torch.where(observed, kept, 0.0)
