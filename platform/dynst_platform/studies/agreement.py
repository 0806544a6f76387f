"""How much the choices of several seeds have in common, from the names in a tidy table."""

from collections.abc import Iterable

import torch
from torch import Tensor

from dynst.sparsity.diagnostics import agreement

__all__ = ["overlap_figures"]


def overlap_figures(kept: Iterable[str], sensors: tuple[str, ...]) -> dict[str, float]:
    """Mean overlap (Jaccard) of any two choices, and that of random choices of their sizes.

    NaN for a single one.

    Args:
        kept: for each seed the names of the kept sensors between bars.
    """
    masks = [_mask(names, sensors) for names in kept]
    if len(masks) < 2:
        return {"overlap": float("nan"), "overlap_by_chance": float("nan")}
    common = agreement(masks)
    return {"overlap": common.overlap, "overlap_by_chance": common.by_chance}


def _mask(names: str, sensors: tuple[str, ...]) -> Tensor:
    kept = set(names.split("|"))
    return torch.tensor([name in kept for name in sensors])
