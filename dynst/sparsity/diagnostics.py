"""What a mask did over a training, and how far the masks of several trainings agree: plain
functions over the changes of a mask.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from dynst.sparsity.mask import MaskUpdate

__all__ = [
    "Agreement",
    "MaskHistory",
    "agreement",
    "churn",
    "ever_active",
    "jaccard",
    "overlap",
    "share_of_time_on",
]


@dataclass(frozen=True)
class MaskHistory:
    """The mask after each update, and the importance that decided it.

    The functions below read ``active``.
    """

    steps: Tensor  # [U] int64
    active: Tensor  # [U, S] bool
    importance: Tensor  # [U, S]

    @classmethod
    def of(cls, updates: Sequence[MaskUpdate]) -> "MaskHistory":
        return cls(
            torch.tensor([update.step for update in updates]),
            torch.stack([update.active for update in updates]),
            torch.stack([update.importance for update in updates]),
        )


@dataclass(frozen=True)
class Agreement:
    """How much the final masks of several trainings have in common, and what chance alone would
    give for masks of these sizes.
    """

    overlap: float
    by_chance: float


def jaccard(one: Tensor, other: Tensor) -> float:
    """Sensors that are on in both masks, as a share of those that are on in either."""
    return float((one & other).sum() / (one | other).sum())


def overlap(active: Tensor) -> Tensor:
    """``[U]``: the Jaccard overlap of each mask with the one before it.

    Before the first update all sensors were on.

    It falls where sensors go and where they are exchanged; see ``churn`` for the exchange alone.
    """
    before = _before(active)
    return (active & before).sum(1) / (active | before).sum(1)


def churn(active: Tensor) -> Tensor:
    """``[U]``: the share of each mask's sensors that were off just before.

    0 where sensors only go.
    """
    return (active & ~_before(active)).sum(1) / active.sum(1)


def ever_active(active: Tensor) -> Tensor:
    """``[U]``: the share of all sensors that have been on since pruning began, so after the first
    update or any later one.

    The in-time over-parameterisation of Liu et al. 2021: how much of the network the search has
    tried by then.
    """
    return active.cummax(0).values.float().mean(1)


def share_of_time_on(history: MaskHistory, total_steps: int) -> Tensor:
    """``[S]``: the share of the training steps from the first update to the end in which each
    sensor was on.
    """
    lengths = torch.diff(history.steps, append=torch.tensor([total_steps])).double()
    return lengths @ history.active.double() / lengths.sum()


def agreement(finals: Sequence[Tensor]) -> Agreement:
    """Mean Jaccard overlap over all pairs of two or more final masks ``[S]``, beside that of random
    masks of the same sizes.
    """
    pairs = list(combinations(finals, 2))
    return Agreement(
        sum(jaccard(one, other) for one, other in pairs) / len(pairs),
        sum(_chance(int(one.sum()), int(other.sum()), len(one)) for one, other in pairs)
        / len(pairs),
    )


def _before(active: Tensor) -> Tensor:
    return torch.cat([torch.ones_like(active[:1]), active[:-1]])


def _chance(one: int, other: int, num_sensors: int) -> float:
    """The exact mean of the Jaccard overlap of two random sets: what they share is
    hypergeometric.
    """
    from scipy.stats import hypergeom  # noqa: PLC0415 (a quarter of a second that only studies need)

    shared = torch.arange(max(0, one + other - num_sensors), min(one, other) + 1)
    chances = torch.from_numpy(hypergeom.pmf(shared.numpy(), num_sensors, one, other))
    return float((chances * shared / (one + other - shared)).sum())
