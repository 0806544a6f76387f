"""The rules of population based training: who follows whom, and with which rates."""

from random import Random
from typing import Any

import pytest

from dynst_platform.commands.tune.population import followers, perturbed
from tests.dynst_platform.commands.tune.samples import make_sweep

SPACE = {
    "training.learning_rate": {"loguniform": [1e-4, 1e-2]},
    "sparsity.drop_fraction": {"uniform": [0.1, 0.5]},
    "sparsity.probe_every": {"int": [2, 10]},
    "training.clip_norm": {"choice": [1.0, 2.0, 5.0]},
}


def test_the_worst_quarter_follows_the_best_quarter() -> None:
    errors = {number: float(number) for number in range(8)}
    for seed in range(20):
        pairs = followers(errors, Random(seed))
        assert set(pairs) == {6, 7}
        assert set(pairs.values()) <= {0, 1}
    assert followers(errors, Random(3)) == followers(dict(reversed(errors.items())), Random(3)), (
        "a function of the errors"
    )


@pytest.mark.parametrize(("size", "replaced"), [(1, 0), (2, 1), (3, 1), (4, 1), (5, 2)])
def test_nobody_follows_one_that_is_replaced(size: int, replaced: int) -> None:
    pairs = followers(dict.fromkeys(range(size), 1.0), Random(0))
    assert len(pairs) == replaced
    assert not set(pairs) & set(pairs.values())


@pytest.mark.parametrize(
    "overrides",
    [
        {
            "training.learning_rate": 1e-2,
            "sparsity.drop_fraction": 0.5,
            "sparsity.probe_every": 10,
            "training.clip_norm": 5.0,
        },
        {
            "training.learning_rate": 1e-4,
            "sparsity.drop_fraction": 0.1,
            "sparsity.probe_every": 2,
            "training.clip_norm": 1.0,
        },
    ],
)
def test_other_rates_stay_within_the_space(overrides: dict[str, Any]) -> None:
    sweep = make_sweep(scheduler="pbt", objectives=["mae_all"], space=SPACE)
    found = [perturbed(sweep, overrides, Random(seed)) for seed in range(200)]
    assert all(1e-4 <= one["training.learning_rate"] <= 1e-2 for one in found)
    assert all(0.1 <= one["sparsity.drop_fraction"] <= 0.5 for one in found)
    assert {one["sparsity.probe_every"] for one in found} <= set(range(2, 11))
    assert {one["training.clip_norm"] for one in found} == {1.0, 2.0, 5.0}
    assert all(isinstance(one["sparsity.probe_every"], int) for one in found)
    assert len({str(one) for one in found}) > 50
    assert perturbed(sweep, overrides, Random(1)) == perturbed(sweep, overrides, Random(1))
