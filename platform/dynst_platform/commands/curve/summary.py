"""What a curve's tidy rows say: one line for each stage, sparsity and choice, over seeds, held
against dense and against chance.
"""

import numpy as np
import pandas as pd
from scipy.stats import ttest_rel

from dynst.evaluation.ridge import PROFILE, RIDGE
from dynst.experiment.supernet import CONSENSUS, LEARNED, OTHER_SEED, RULE
from dynst_platform.studies.agreement import overlap_figures
from dynst_platform.studies.references import reference_errors

__all__ = ["BY_LOCATION", "DEPENDENT", "STAGES", "locations", "simpler_locations", "summary"]

STAGES = ("as it is", "fine-tuned")
BY_LOCATION = "by_location"  # column of the rows, errors of all locations in the store's order
AGAINST_RULE = ["over_rule", "over_rule_lower", "over_rule_upper", "search_taken"]
DEPENDENT = (CONSENSUS, OTHER_SEED, RULE)  # on the other seeds' choices, or the same as DynST's
POINT = ["stage", "sparsity", "choice"]


def summary(table: pd.DataFrame, sensors: tuple[str, ...]) -> pd.DataFrame:
    """One line for each point of the curve.

    ``mae_all`` and ``spread`` are the mean and the standard deviation over seeds (draws of one seed
    averaged first), ``over_dense`` the relative cost against the dense reference, ``dynst_gain``
    how much lower DynST's error is than this choice's, relative to it. ``p_value`` is that of a
    two-sided t-test over the seeds, which are paired, and ``p_holm`` the same for all tests of a
    stage together (Holm 1979); choices that depend on other seeds, or are often DynST's own, have
    none. ``overlap`` is how much the choices have in common over seeds and draws (Jaccard),
    ``overlap_by_chance`` what random choices of that size would have.

    ``over_rule`` is what the choice taken costs more than the best rule's, relative to it, and
    ``over_rule_lower`` and ``over_rule_upper`` its one-sided 95 % bounds by blocks of time with the
    weights as they are, averaged over seeds. ``over_rule_worst`` is the largest upper bound of a
    seed, and ``search_taken`` the share of the seeds that did not keep the rule's choice.
    """
    points = table[table.stage.isin(STAGES)]
    points = points.reindex(columns=points.columns.union(AGAINST_RULE, sort=False))
    by_seed = (
        points.groupby([*POINT, "seed"])[["mae_all", "mae_active", "mae_inactive", *AGAINST_RULE]]
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
        line |= {name: group[name].mean() for name in AGAINST_RULE}
        line["over_rule_worst"] = group.over_rule_upper.max()
        lines.append(line | _against(learned, group))
    found = pd.DataFrame(lines)
    found["p_holm"] = found.groupby("stage").p_value.transform(_holm)
    return found.sort_values([*POINT[:2], "mae_all"], ignore_index=True)


def locations(table: pd.DataFrame, sensors: tuple[str, ...]) -> pd.DataFrame:
    """Mean absolute errors at every location, over seeds, for each stage and sparsity.

    ``kept`` is the share of the seeds that keep the sensor, ``mae`` the network's error by the
    search's choice, ``ridge_mae`` that of the linear regression that reads the same sensors, and
    ``profile_mae`` that of the seasonal profile, which reads none.
    """
    columns = {"mae": LEARNED, "ridge_mae": RIDGE}
    frames = []
    points = table[table.stage.isin(STAGES) & (table.choice == LEARNED)]
    profile = _mean_by_location(table[table.stage == PROFILE], len(sensors))
    for (stage, sparsity), group in points.groupby(["stage", "sparsity"]):
        here = table[(table.stage == stage) & (table.sparsity == sparsity)]
        kept = np.mean([np.isin(sensors, names.split("|")) for names in group.active], axis=0)
        found = {
            name: _mean_by_location(here[here.choice == choice], len(sensors))
            for name, choice in columns.items()
        }
        own = {"stage": stage, "sparsity": sparsity, "sensor": sensors, "kept": kept}
        frames.append(pd.DataFrame(own | found | {"profile_mae": profile}))
    return pd.concat(frames, ignore_index=True)


def simpler_locations(by_location: pd.DataFrame) -> pd.DataFrame:
    """Of how many locations the ridge regression, or the seasonal profile, has the smaller error,
    at each sparsity and its last stage.
    """
    lines = []
    for sparsity, group in by_location.groupby("sparsity"):
        last = group[group.stage == max(group.stage, key=STAGES.index)]
        counts = {
            name: int((last[f"{name}_mae"] < last.mae).sum()) for name in ("ridge", "profile")
        }
        lines.append({"sparsity": sparsity, "locations": len(last)} | counts)
    return pd.DataFrame(lines)


def _mean_by_location(rows: pd.DataFrame, num_sensors: int) -> np.ndarray:
    """NaN where there is no row."""
    if not len(rows):
        return np.full(num_sensors, np.nan)
    mean: np.ndarray = np.mean(np.array(rows[BY_LOCATION].tolist(), dtype=float), axis=0)
    return mean


def _against(learned: pd.DataFrame, other: pd.DataFrame) -> dict[str, float]:
    pairs = learned.merge(other, on="seed", suffixes=("", "_other"))
    gain = 1 - pairs.mae_all.mean() / pairs.mae_all_other.mean() if len(pairs) else float("nan")
    same = (pairs.mae_all == pairs.mae_all_other).all()
    if len(pairs) < 2 or same or other.choice.iloc[0] in DEPENDENT:
        return {"dynst_gain": gain, "p_value": float("nan")}
    return {
        "dynst_gain": gain,
        "p_value": float(ttest_rel(pairs.mae_all, pairs.mae_all_other).pvalue),
    }


def _holm(values: pd.Series) -> pd.Series:
    """Of several tests, the level at which each still stands when all of them are made."""
    ordered = values.dropna().sort_values()
    level = (ordered * np.arange(len(ordered), 0, -1)).cummax().clip(upper=1)
    return level.reindex(values.index)
