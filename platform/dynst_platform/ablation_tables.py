"""What an ablation's rows say: a line for each scheme, criterion and sparsity, over seeds."""

from collections.abc import Iterable

import pandas as pd
import torch
from torch import Tensor

from dynst.sparsity.diagnostics import Agreement, agreement
from dynst_platform.ablation_cells import TRAINED
from dynst_platform.curve_tables import reference_errors

__all__ = ["ablation_summary", "agreement_of"]

VARIANT = ["scheme", "criterion", "sparsity"]


def ablation_summary(table: pd.DataFrame, sensors: tuple[str, ...]) -> pd.DataFrame:
    """``mae_all`` and ``spread`` are mean and standard deviation over seeds; ``over_dense`` is the relative cost against dense.

    ``overlap`` is how much the final choices of different seeds have in common (Jaccard), ``overlap_by_chance`` what random choices
    of that size would have.
    """
    dense = reference_errors(table).get("dense", float("nan"))
    lines = []
    for variant, group in table[table.stage == TRAINED].groupby(VARIANT):
        figures = group[["mae_all", "mae_active", "mae_inactive", "exchanged", "seconds"]].mean().to_dict()
        common = agreement_of(group.active, sensors) if len(group) > 1 else None
        lines.append(
            dict(zip(VARIANT, variant, strict=True))
            | {"seeds": len(group), "spread": group.mae_all.std(), "over_dense": group.mae_all.mean() / dense - 1}
            | figures
            | {"overlap": common and common.overlap, "overlap_by_chance": common and common.by_chance}
        )
    return pd.DataFrame(lines).sort_values(["sparsity", "mae_all"], ignore_index=True)


def agreement_of(kept: Iterable[str], sensors: tuple[str, ...]) -> Agreement:
    """Of choices that are written as names between bars."""
    return agreement([_mask(names, sensors) for names in kept])


def _mask(names: str, sensors: tuple[str, ...]) -> Tensor:
    kept = set(names.split("|"))
    return torch.tensor([name in kept for name in sensors])
