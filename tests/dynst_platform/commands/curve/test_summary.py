"""The table of a curve, by hand."""

import pandas as pd
import pytest
from scipy.stats import ttest_rel

from dynst_platform.commands.curve.summary import (
    locations,
    reference_errors,
    simpler_locations,
    summary,
)

IDS = ("s0", "s1", "s2")


def point(
    choice: str,
    seed: int,
    mae: float,
    sparsity: float = 0.5,
    stage: str = "as it is",
    number: int = 0,
) -> dict[str, object]:
    return {
        "stage": stage,
        "seed": seed,
        "sparsity": sparsity,
        "choice": choice,
        "number": number,
        "mae_all": mae,
        "mae_active": mae - 1,
        "mae_inactive": mae + 1,
        "active": f"s{number}|s{seed + 1}",
    }


def reference(name: str, seed: int, mae: float) -> dict[str, object]:
    return {"stage": name, "seed": seed, "mae_all": mae}


def two_seeds() -> pd.DataFrame:
    """Random has two draws of the first seed, and a supernet is no point of the curve."""
    return pd.DataFrame(
        [
            *(reference("dense", seed, mae) for seed, mae in ((0, 1.0), (1, 3.0))),
            *(reference("persistence", seed, 8.0) for seed in (0, 1)),
            reference("shared", 0, 1.5),
            point("dynst", 0, 3.0),
            point("dynst", 1, 5.0),
            point("random", 0, 4.0),
            point("random", 0, 6.0, number=1),
            point("random", 1, 11.0),
            point("variance", 0, 3.0),
            point("variance", 1, 5.0),
            point("dynst", 0, 9.0, stage="fine-tuned"),
            point("given", 0, 6.0, sparsity=0.25),
        ]
    )


def test_references_are_means_over_seeds() -> None:
    assert reference_errors(two_seeds()) == {"dense": 2.0, "persistence": 8.0}


def test_a_table_of_two_seeds_by_hand() -> None:
    table = summary(two_seeds(), IDS).set_index(["stage", "sparsity", "choice"])
    assert len(table) == 5
    learned, chance = table.loc[("as it is", 0.5, "dynst")], table.loc[("as it is", 0.5, "random")]
    assert (learned.seeds, learned.mae_all, learned.mae_active, learned.mae_inactive) == (
        2,
        4.0,
        3.0,
        5.0,
    )
    assert learned.spread == pytest.approx(2**0.5)
    assert learned.over_dense == pytest.approx(1.0)
    assert learned.dynst_gain == 0
    assert pd.isna(learned.p_value)

    assert (chance.seeds, chance.mae_all) == (2, 8.0), (
        "draws of a seed come first: (4 + 6) / 2 and 11"
    )
    assert chance.spread == pytest.approx(18**0.5)
    assert chance.over_dense == pytest.approx(3.0)
    assert chance.dynst_gain == pytest.approx(0.5)
    assert chance.p_value == pytest.approx(ttest_rel([3.0, 5.0], [5.0, 11.0]).pvalue)
    assert pd.isna(table.loc[("as it is", 0.5, "variance")].p_value), (
        "equal errors differ by nothing"
    )


def test_one_seed_has_no_spread_and_no_test() -> None:
    tuned = summary(two_seeds(), IDS).set_index("stage").loc["fine-tuned"]
    assert tuned.mae_all == 9
    assert pd.isna(tuned.spread)
    assert pd.isna(tuned.p_value)


def test_a_choice_at_its_own_sparsity_has_nothing_to_be_held_against() -> None:
    given = summary(two_seeds(), IDS).set_index("choice").loc["given"]
    assert given.over_dense == pytest.approx(2.0)
    assert pd.isna(given.dynst_gain)
    assert pd.isna(given.p_value)


def test_without_dense_nothing_is_held_against_it() -> None:
    table = two_seeds()
    points = summary(table[table.stage != "dense"], IDS)
    assert points.over_dense.isna().all()
    assert points.mae_all.notna().all()


def test_seeds_that_both_have_are_compared() -> None:
    """Random has a third seed that DynST's tasks have not reached."""
    rows = pd.concat([two_seeds(), pd.DataFrame([point("random", 2, 99.0)])])
    chance = summary(rows, IDS).set_index(["stage", "choice"]).loc[("as it is", "random")]
    assert chance.seeds == 3
    assert chance.dynst_gain == pytest.approx(0.5)
    assert chance.p_value == pytest.approx(ttest_rel([3.0, 5.0], [5.0, 11.0]).pvalue)


def test_the_best_choice_of_a_sparsity_comes_first() -> None:
    points = summary(two_seeds(), IDS)
    assert (
        points.groupby(["stage", "sparsity"])
        .mae_all.apply(lambda errors: errors.is_monotonic_increasing)
        .all()
    )


def test_choices_of_two_seeds_overlap_in_one_of_three() -> None:
    learned = summary(two_seeds(), IDS).set_index(["stage", "choice"]).loc[("as it is", "dynst")]
    assert learned.overlap == pytest.approx(1 / 3)  # s0 and s1 against s0 and s2
    assert learned.overlap_by_chance == pytest.approx((1 + 1 / 3 + 1 / 3) / 3)


def test_the_bound_against_the_rule_is_a_mean_over_seeds() -> None:
    rows = pd.DataFrame(
        [
            point("dynst", 0, 3.0) | {"over_rule": 0.1, "over_rule_upper": 0.3},
            point("dynst", 1, 5.0) | {"over_rule": -0.2, "over_rule_upper": 0.1},
            point("variance", 0, 3.0),
        ]
    )
    table = summary(rows, IDS).set_index("choice")
    assert table.over_rule["dynst"] == pytest.approx(-0.05)
    assert table.over_rule_upper["dynst"] == pytest.approx(0.2)
    assert pd.isna(table.over_rule["variance"])


def test_locations_by_hand() -> None:
    rows = pd.DataFrame(
        [
            reference("seasonal_profile", 0, 4.0) | {"by_location": [4.0, 5.0, 3.0]},
            point("dynst", 0, 2.0) | {"by_location": [1.0, 2.0, 3.0]},
            point("dynst", 1, 3.0) | {"by_location": [3.0, 2.0, 4.0]},
            point("ridge", 0, 3.0) | {"by_location": [5.0, 1.0, 3.0]},
            point("ridge", 1, 3.0) | {"by_location": [3.0, 1.0, 5.0]},
        ]
    )
    table = locations(rows, IDS)
    assert table.sensor.tolist() == list(IDS)
    assert table.kept.tolist() == [1.0, 0.5, 0.5], "s0 by both seeds"
    assert table.mae.tolist() == [2.0, 2.0, 3.5]
    assert table.ridge_mae.tolist() == [4.0, 1.0, 4.0]
    assert table.profile_mae.tolist() == [4.0, 5.0, 3.0]
    assert simpler_locations(table).to_dict("records") == [
        {"sparsity": 0.5, "locations": 3, "ridge": 1, "profile": 1}
    ]


def test_without_a_ridge_regression_no_location_is_its_own() -> None:
    rows = pd.DataFrame([point("dynst", 0, 2.0) | {"by_location": [1.0, 2.0, 3.0]}])
    assert simpler_locations(locations(rows, IDS))[["ridge", "profile"]].to_numpy().sum() == 0


def test_tests_of_one_table_are_corrected_together() -> None:
    """Three seeds: DynST 1, 2 and 3. Errors of others are above by 1 ± 0.1, 2 ± 1 and 5 ± 5; the
    consensus of the seeds' choices is not tested, nor what was measured at another stage.
    """
    above = {"a": (0.9, 1.0, 1.1), "b": (1.0, 2.0, 3.0), "c": (0.0, 5.0, 10.0)}
    rows = [point("dynst", seed, seed + 1.0) for seed in range(3)]
    for name, more in (above | {"dynst_consensus": (0.1, 0.2, 0.3)}).items():
        rows += [point(name, seed, seed + 1 + more[seed]) for seed in range(3)]
    rows += [point(name, seed, seed + 1.0, stage="fine-tuned") for name in "d" for seed in range(3)]
    found = summary(pd.DataFrame(rows), (*IDS, "s3")).set_index(["stage", "choice"])
    found = found.loc["as it is"]
    alone = [
        float(ttest_rel([1.0, 2.0, 3.0], [1 + a, 2 + b, 3 + c]).pvalue)
        for a, b, c in above.values()
    ]
    assert found.loc[list("abc")].p_value.tolist() == pytest.approx(alone)
    first, second = 3 * alone[0], max(3 * alone[0], 2 * alone[1])
    together = [first, second, max(second, alone[2])]
    assert found.loc[list("abc")].p_holm.tolist() == pytest.approx(together)
    assert pd.isna(found.loc["dynst_consensus"].p_value)
    assert pd.isna(found.loc["dynst_consensus"].p_holm)
