"""Whether one choice of sensors is better than another, by more than blocks of time differ."""

from dataclasses import dataclass
from math import inf, sqrt
from typing import NamedTuple

import torch
from scipy.stats import t as student
from torch import Tensor

__all__ = ["BlockErrors", "Comparison", "Differences", "compare", "compared", "differences"]

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

    Blocks are taken as independent. Neighbours are not quite, so that bounds are too narrow there.

    Args:
        difference: of the mean errors over all entries, below 0 where the first choice is better.
        deviation: standard error of ``robust``.
        blocks: that were compared.
        robust: the Winsorised difference, which the bounds are of; by default ``difference``.
        freedom: degrees of freedom of ``deviation``; by default one fewer than blocks.
    """

    difference: float
    deviation: float
    blocks: int
    robust: float | None = None
    freedom: float | None = None

    def upper(self, confidence: float = 0.95) -> float:
        """One-sided bound of the Winsorised difference by Student's t; infinite with fewer than two
        blocks.
        """
        return self.centre + self._reach(confidence)

    def lower(self, confidence: float = 0.95) -> float:
        """The bound on the other side."""
        return self.centre - self._reach(confidence)

    def shows_gain(self, confidence: float = 0.95) -> bool:
        """Whether the first choice is better, in the mean and by more than blocks differ."""
        return self.difference < 0 and self.upper(confidence) < 0

    @property
    def centre(self) -> float:
        """The Winsorised difference, where there is one."""
        return self.difference if self.robust is None else self.robust

    def _reach(self, confidence: float) -> float:
        if self.blocks < 2:
            return inf
        freedom = self.blocks - 1 if self.freedom is None else self.freedom
        return float(student.ppf(confidence, freedom)) * self.deviation


def compare(first: BlockErrors, second: BlockErrors, *, winsorised: bool = True) -> Comparison:
    """Of two choices on the same blocks and all locations.

    Args:
        first: errors of one choice.
        second: errors of the other.
        winsorised: for each location the most extreme tenth of the blocks at either end counts as
            much as the next one (Tukey 1962): an outage, a spike or a stuck reading in one block
            decides nothing. Else the bounds are of the difference of the mean errors.
    """
    return compared(differences(first, second), winsorised=winsorised)


class Differences(NamedTuple):
    """Of each block, ``[N]``; those of several parts of a network add up.

    Args:
        robust: difference of the sums of errors, Winsorised by location.
        plain: the same as it is.
        entries: that were observed.
    """

    robust: Tensor
    plain: Tensor
    entries: Tensor


def differences(first: BlockErrors, second: BlockErrors) -> Differences:
    """Of the first choice's errors less the second's."""
    sums = torch.where(first.count > 0, first.absolute - second.absolute, 0.0)
    rate = sums / first.count.clamp(min=1)
    robust = _winsorised(rate, first.count > 0) * first.count
    return Differences(robust.sum(1), sums.sum(1), first.count.sum(1))


def compared(found: Differences, *, winsorised: bool = True) -> Comparison:
    """From the ``differences`` of all locations.

    The mean is a ratio of sums, whose standard error is that of its residuals; few blocks with many
    entries count as few. Of Winsorised blocks the standard error is that of Dixon and Tukey (1968).
    """
    observed = found.entries > 0
    count = found.entries[observed]
    sums = (found.robust if winsorised else found.plain)[observed]
    blocks, entries = len(count), max(float(count.sum()), 1.0)
    plain, centre = float(found.plain.sum()) / entries, float(sums.sum()) / entries
    if blocks < 2:
        return Comparison(plain, inf, blocks, centre)
    left = blocks - 2 * (int(_at_each_end(torch.tensor(blocks))) if winsorised else 0)
    residual = float((sums - centre * count).square().sum())
    deviation = sqrt(residual * blocks / (blocks - 1)) / entries * (blocks - 1) / (left - 1)
    alike = entries**2 / float(count.square().sum()) / blocks  # 1 where all have as many entries
    return Comparison(plain, deviation, blocks, centre, max(1.0, left * alike - 1))


def _at_each_end(blocks: Tensor) -> Tensor:
    """How many of so many blocks are Winsorised."""
    return torch.where(blocks >= FEWEST, (blocks + ONE_IN - 1) // ONE_IN, 0)


def _winsorised(values: Tensor, observed: Tensor) -> Tensor:
    """Of ``values [N, L]`` each column, among its ``observed`` entries; others become 0."""
    least = _at_each_end(observed.sum(0))
    low = values.masked_fill(~observed, inf).sort(0).values
    high = values.masked_fill(~observed, -inf).sort(0, descending=True).values
    lowest = low.gather(0, least.clamp(max=len(values) - 1)[None])
    highest = high.gather(0, least.clamp(max=len(values) - 1)[None])
    kept = values.clamp(min=lowest, max=highest)
    return torch.where(observed, kept, 0.0)
