"""What a curve's tidy rows say: one line for each stage, sparsity and choice, over seeds, held
against dense and against chance.
"""

import numpy as np
import pandas as pd
from scipy.stats import ttest_rel

from dynst.experiment.supernet import LEARNED
from dynst_platform.studies.agreement import overlap_figures
from dynst_platform.studies.references import reference_errors

__all__ = ["STAGES", "summary"]

STAGES = ("as it is", "fine-tuned")
POINT = ["stage", "sparsity", "choice"]


def summary(table: pd.DataFrame, sensors: tuple[str, ...]) -> pd.DataFrame:
    """One line for each point of the curve.

    ``mae_all`` and ``spread`` are the mean and the standard deviation over seeds (draws of one seed
    averaged first), ``over_dense`` the relative cost against the dense reference, ``dynst_gain``
    how much lower DynST's error is than this choice's, relative to it, and ``p_value`` that of a
    two-sided t-test over the seeds, which are paired. ``overlap`` is how much the choices have in
    common over seeds and draws (Jaccard), ``overlap_by_chance`` what random choices of that size
    would have.
    """
    points = table[table.stage.isin(STAGES)]
    by_seed = (
        points.groupby([*POINT, "seed"])[["mae_all", "mae_active", "mae_inactive"]]
        .mean()
        .reset_index()
    )
    dense = reference_errors(table).get("dense", float("nan"))
    lines = []
    for (stage, sparsity, choice), group in by_seed.groupby(POINT):
        learned = by_seed[
            (by_seed.stage == stage) & (by_seed.sparsity == sparsity) & (by_seed.choice == LEARNED)
        ]
        line = {"stage": stage, "sparsity": sparsity, "choice": choice, "seeds": len(group)}
        line |= {
            "mae_all": group.mae_all.mean(),
            "spread": group.mae_all.std() if len(group) > 1 else float("nan"),
        }
        line |= {"mae_active": group.mae_active.mean(), "mae_inactive": group.mae_inactive.mean()}
        kept = points.loc[(points[POINT] == [stage, sparsity, choice]).all(axis=1), "active"]
        line |= {"over_dense": group.mae_all.mean() / dense - 1} | overlap_figures(kept, sensors)
        lines.append(line | _against(learned, group))
    return pd.DataFrame(lines).sort_values([*POINT[:2], "mae_all"], ignore_index=True)


def _against(learned: pd.DataFrame, other: pd.DataFrame) -> dict[str, float]:
    pairs = learned.merge(other, on="seed", suffixes=("", "_other"))
    gain = 1 - pairs.mae_all.mean() / pairs.mae_all_other.mean() if len(pairs) else float("nan")
    if len(pairs) < 2 or np.allclose(pairs.mae_all, pairs.mae_all_other):
        return {"dynst_gain": gain, "p_value": float("nan")}
    return {
        "dynst_gain": gain,
        "p_value": float(ttest_rel(pairs.mae_all, pairs.mae_all_other).pvalue),
    }
