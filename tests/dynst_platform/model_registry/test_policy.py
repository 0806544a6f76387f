"""Who may go into service, and who takes whose place: small cases by hand."""

from typing import Any

import pytest

from dynst_platform.config.job import PromotionSpec
from dynst_platform.model_registry.policy import (
    Candidate,
    Figures,
    candidates_of,
    reasons_to_keep_champion,
    shortfalls,
)
from tests.dynst_platform.model_registry.samples import training


def names(candidates: list[Candidate]) -> list[str]:
    return [candidate.training.name for candidate in candidates]


def test_the_cheapest_comes_first_and_of_equal_ones_the_best() -> None:
    rows = [
        training("a", cost=5.0, settings={"rounds": "1"}),
        training("b", error=11.0, settings={"rounds": "2"}),
        training("c", settings={"rounds": "3"}),
    ]
    assert names(candidates_of(rows, {})) == ["c", "b", "a"]


def test_seeds_are_averaged_and_the_best_of_them_stands_for_all() -> None:
    rows = [
        training("a", error=10.2, seed=0),
        training("b", error=10.4, seed=1),
        training("c", error=10.9, seed=0),
    ]
    (one,) = candidates_of(rows, {})
    assert (one.seeds, one.training.name, one.runs) == (2, "a", ("run-a", "run-b")), (
        "the older run of a seed is left out"
    )
    assert one.over_dense == pytest.approx(0.03)
    assert one.deviation == pytest.approx(0.02 / 2**0.5)


def test_the_newest_of_the_seeds_says_what_is_wanted() -> None:
    rows = [
        training("new", error=10.3, seed=1, policy=PromotionSpec(min_seeds=2)),
        training("old", error=10.2, seed=0, policy=PromotionSpec(min_seeds=5)),
    ]
    (one,) = candidates_of(rows, {})
    assert (one.training.name, one.policy.min_seeds, shortfalls(one)) == ("old", 2, [])


def test_trainings_of_other_costs_are_no_seeds_of_one() -> None:
    rows = [training("a"), training("b", seed=1, decisions="other")]
    assert [candidate.seeds for candidate in candidates_of(rows, {})] == [1, 1]


def test_trials_stand_alone_with_the_seeds_they_had() -> None:
    rows = [training("a", kind="trial", seed=3), training("b", kind="trial", seed=3)]
    assert [candidate.seeds for candidate in candidates_of(rows, {})] == [3, 3]


@pytest.mark.parametrize(
    "row",
    [
        training(kind="dense"),
        training(kind="random"),
        training(model_id=None),
        training(dense=None),
        training(error=None),
    ],
)
def test_what_cannot_be_promoted(row: Any) -> None:
    assert candidates_of([row], {}) == []


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        ({"max_over_dense": 0.01}, "its error is +2.0% against dense, at most +1.0% is allowed"),
        ({"min_sparsity": 0.6}, "50.0% of the sensors are off, at least 60.0% are wanted"),
        ({"max_cost": 3}, "its sensors cost 4, at most 3 is allowed"),
        ({"min_speed_up": 2.5}, "its speed-up is 2.00 ×, at least 2.50 × is wanted"),
        ({"min_seeds": 2}, "it was trained with 1 seeds, at least 2 are wanted"),
    ],
)
def test_every_rule_says_what_it_misses(policy: dict[str, float], reason: str) -> None:
    (from_job,) = candidates_of([training(error=10.2, policy=policy)], {})
    (from_flags,) = candidates_of([training(error=10.2, policy={"max_over_dense": 0.03})], policy)
    assert shortfalls(from_job) == shortfalls(from_flags) == [reason]
    assert shortfalls(candidates_of([training(error=10.2)], {"max_cost": None})[0]) == [], (
        "the default policy"
    )


def figures(**changes: Any) -> Figures:
    known = {
        "mae_all": 10.0,
        "mae_active": 9.0,
        "mae_inactive": 11.0,
        "sparsity": 0.5,
        "cost": 4.0,
        "horizon": 3,
    }
    return Figures(**known | {"targets": ("flow",)} | changes)


@pytest.mark.parametrize(
    ("new", "old", "stays"),
    [
        ({"cost": 3.0, "mae_all": 10.4}, {}, None),
        ({"mae_all": 9.9}, {}, None),
        ({}, {"mae_all": 11.0}, None),
        ({"cost": 5.0}, {"mae_all": 11.0}, None),
        ({"cost": 5.0}, {"sparsity": 0.1, "cost": 1.0}, None),
        ({}, {}, "for the same cost of 4 its error is 10, the champion's 10"),
        ({"cost": 5.0, "mae_all": 9.0}, {}, "its sensors cost 5, the champion's 4"),
        (
            {"horizon": 6},
            {"cost": 9.0},
            "the champion forecasts flow 3 steps ahead and the candidate flow 6",
        ),
    ],
)
def test_when_the_champion_stays(
    new: dict[str, Any], old: dict[str, Any], stays: str | None
) -> None:
    reasons = reasons_to_keep_champion(figures(**new), figures(**old), 10.0, PromotionSpec())
    assert bool(reasons) == (stays is not None)
    assert stays is None or stays in reasons[0]
