"""Which sensors are on: exact counts, ties broken by index, plain functions over a bool vector."""

from dataclasses import dataclass

import torch
from torch import Tensor

from dynst.errors import ConfigError
from dynst.random_streams import Stream, generator

__all__ = ["MaskUpdate", "drop_and_grow", "num_active_at", "prune_to", "random_subset"]


@dataclass(frozen=True)
class MaskUpdate:
    """One change of the mask: who went, who came back."""

    step: int
    sparsity: float
    active: Tensor  # [S] bool
    importance: Tensor  # [S], the scores that decided
    pruned: tuple[int, ...]  # switched off because sparsity grew
    dropped: tuple[int, ...]  # exchanged: off
    grown: tuple[int, ...]  # exchanged: on


def num_active_at(sparsity: float, num_sensors: int) -> int:
    """Sensors that stay on.

    ``sparsity`` is the share that is off, rounded to whole sensors; at least one stays.

    Raises:
        ConfigError: sparsity is outside [0, 1).
    """
    if not 0 <= sparsity < 1:
        raise ConfigError(
            f"sparsity must be at least 0 and below 1 (the share of sensors that are off), but "
            f"got {sparsity}"
        )
    return max(1, num_sensors - int(sparsity * num_sensors + 0.5))


def prune_to(active: Tensor, importance: Tensor, num_active: int) -> Tensor:
    """Switch off the least important active sensors until ``num_active`` are left.

    Never switches one on.
    """
    count = min(num_active, int(active.sum()))
    return _keep_best(active, importance, count)


def drop_and_grow(active: Tensor, importance: Tensor, num: int) -> Tensor:
    """Exchange up to ``num`` pairs: the least important active sensor for the most important
    inactive one, and so on, as long as the newcomer is the more important of the two.

    Both sides are on one scale (signed first-order importance), which is what makes the comparison
    meaningful. The pairing of drop and grow follows RigL (Evci et al. 2020).
    """
    num = min(num, int(active.sum()), int((~active).sum()))
    weakest = _order(importance, active)[-num:].flip(0) if num else torch.empty(0, dtype=torch.long)
    strongest = _order(importance, ~active)[:num]
    better = importance[strongest] > importance[weakest]
    exchanged = active.clone()
    exchanged[weakest[better]] = False
    exchanged[strongest[better]] = True
    return exchanged


def random_subset(
    allowed: Tensor, pinned: Tensor, density: tuple[float, float], seed: int, step: int
) -> Tensor:
    """A random active set ``[S]`` bool whose share of the allowed sensors is drawn uniformly from a
    range, with all pinned ones: a pure function of seed and step.
    """
    chance = generator(seed, Stream.SENSOR_DROPOUT, step)
    low, high = density
    share = low + (high - low) * float(torch.rand(1, generator=chance))
    order = torch.randperm(len(allowed), generator=chance)
    order = torch.cat([order[pinned[order]], order[(allowed & ~pinned)[order]]])
    active = torch.zeros_like(allowed)
    active[order[: max(1, int(pinned.sum()), round(share * len(order)))]] = True
    return active


def _order(importance: Tensor, among: Tensor) -> Tensor:
    """Indices of ``among``, most important first, ties by index."""
    index = among.nonzero().squeeze(1)
    return index[importance[index].sort(descending=True, stable=True).indices]


def _keep_best(among: Tensor, importance: Tensor, count: int) -> Tensor:
    kept = torch.zeros_like(among)
    kept[_order(importance, among)[:count]] = True
    return kept
