"""Population based training (Jaderberg et al.

2017), the rules alone: who goes on from whom, and with which rates.
"""

from collections.abc import Mapping
from math import ceil
from random import Random
from typing import Any

from dynst_platform.commands.tune.proposals import bounds_of
from dynst_platform.config.sweep import Dimension, SweepSpec
from dynst_platform.config.values import Overrides

__all__ = ["followers", "perturbed"]

QUANTILE = 0.25  # of the population, that is replaced by the best as many
RESAMPLED = 0.25  # probability that a rate is drawn anew
FACTORS = (0.8, 1.2)


def followers(errors: Mapping[int, float], random: Random) -> dict[int, int]:
    """By number of each of the worst trials, the one of the best that it goes on from."""
    ranked = sorted(errors, key=lambda number: (errors[number], number))
    count = min(ceil(QUANTILE * len(ranked)), len(ranked) // 2)
    return {number: random.choice(ranked[:count]) for number in ranked[len(ranked) - count :]}


def perturbed(sweep: SweepSpec, overrides: Overrides, random: Random) -> Overrides:
    """Other rates near these, within the space."""
    return {key: _perturbed(sweep.space[key], value, random) for key, value in overrides.items()}


def _perturbed(dimension: Dimension, value: Any, random: Random) -> Any:
    anew = random.random() < RESAMPLED
    if dimension.entries is not None:
        return (
            random.choice(dimension.entries) if anew else _beside(dimension.entries, value, random)
        )
    if dimension.int_ is not None:
        return (
            random.randint(*dimension.int_)
            if anew
            else _within(dimension.int_, round(value * random.choice(FACTORS)))
        )
    low, high = bounds_of(dimension)
    if not anew:
        return _within((low, high), value * random.choice(FACTORS))
    return (
        low * (high / low) ** random.random() if dimension.loguniform else random.uniform(low, high)
    )


def _within(bounds: tuple[Any, Any], value: Any) -> Any:
    return min(max(value, bounds[0]), bounds[1])


def _beside(entries: tuple[Any, ...], value: Any, random: Random) -> Any:
    return entries[_within((0, len(entries) - 1), entries.index(value) + random.choice((-1, 1)))]
