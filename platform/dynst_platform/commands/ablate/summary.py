"""What an ablation's rows say: a line for each scheme, criterion and sparsity, over seeds."""

import pandas as pd

from dynst_platform.commands.ablate.tasks import TRAINED
from dynst_platform.studies.agreement import overlap_figures
from dynst_platform.studies.references import reference_errors

__all__ = ["ablation_summary"]

VARIANT = ["scheme", "criterion", "sparsity"]


def ablation_summary(table: pd.DataFrame, sensors: tuple[str, ...]) -> pd.DataFrame:
    """``mae_all`` and ``spread`` are mean and standard deviation over seeds.

    ``over_dense`` is the relative cost against dense.

    ``overlap`` is how much the final choices of different seeds have in common (Jaccard),
    ``overlap_by_chance`` what random choices of that size would have.
    """
    dense = reference_errors(table).get("dense", float("nan"))
    lines = []
    for variant, group in table[table.stage == TRAINED].groupby(VARIANT):
        figures = (
            group[["mae_all", "mae_active", "mae_inactive", "exchanged", "seconds"]]
            .mean()
            .to_dict()
        )
        lines.append(
            dict(zip(VARIANT, variant, strict=True))
            | {
                "seeds": len(group),
                "spread": group.mae_all.std(),
                "over_dense": group.mae_all.mean() / dense - 1,
            }
            | figures
            | overlap_figures(group.active, sensors)
        )
    return pd.DataFrame(lines).sort_values(["sparsity", "mae_all"], ignore_index=True)
