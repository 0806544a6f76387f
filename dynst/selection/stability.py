"""How much the same search finds again: over halves of the blocks of time, over seeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from dynst.sparsity.diagnostics import agreement

__all__ = ["Exchangeable", "Stability", "chance_corrected", "stability"]

ONE_OF_THEM = 0.9  # of the runs, in which exactly one of two exchangeable sensors is off
EITHER = 0.2  # of the runs, in which each of them is the one


@dataclass(frozen=True)
class Exchangeable:
    """Two sensors of which one goes, and it hardly matters which.

    Args:
        first, second: sensors, by index.
        one_goes: runs in which exactly one of them is off.
        first_goes: runs in which it is the first.
        runs: all of them.
    """

    first: int
    second: int
    one_goes: int
    first_goes: int
    runs: int


@dataclass(frozen=True)
class Stability:
    """What several runs of a search have in common. It is no measure of how good they are.

    Args:
        kept: ``[S]``, share of the runs that keep a sensor.
        overlap: mean Jaccard index of two runs.
        corrected: the same, 0 where it is what chance gives and 1 where all runs agree.
        exchangeable: pairs of sensors, the most frequent first.
    """

    kept: Tensor
    overlap: float
    corrected: float
    exchangeable: tuple[Exchangeable, ...]


def stability(
    choices: Sequence[Tensor], similar: Tensor | None = None, *, paired: bool = True
) -> Stability:
    """Of the choices of several runs, each bool ``[S]``.

    Args:
        choices: at least two.
        similar: bool ``[S, S]``, pairs that could stand for one another, such as neighbours; by
            default all.
        paired: look for exchangeable pairs, whose number grows with the square of the network.
    """
    masks = torch.stack(list(choices))
    found = agreement(list(choices))
    return Stability(
        masks.double().mean(0),
        found.overlap,
        chance_corrected(found.overlap, found.by_chance),
        tuple(_exchangeable(masks, similar)) if paired else (),
    )


def chance_corrected(overlap: float, by_chance: float) -> float:
    """As Cohen's kappa corrects an agreement; 1 where chance alone gives full agreement."""
    return 1.0 if by_chance >= 1 else (overlap - by_chance) / (1 - by_chance)


def _exchangeable(masks: Tensor, similar: Tensor | None) -> list[Exchangeable]:
    runs, off = len(masks), ~masks
    often = off.double().mean(0)
    uncertain = ((often >= EITHER) & (often <= 1 - EITHER)).nonzero().squeeze(1).tolist()
    pairs = []
    for first, second in combinations(uncertain, 2):
        if similar is not None and not (similar[first, second] or similar[second, first]):
            continue
        one = off[:, first] ^ off[:, second]
        alone = int((one & off[:, first]).sum())
        either = min(alone, int(one.sum()) - alone)
        if one.sum() >= ONE_OF_THEM * runs and either >= EITHER * runs:
            pairs.append(Exchangeable(first, second, int(one.sum()), alone, runs))
    return sorted(pairs, key=lambda pair: -pair.one_goes)
