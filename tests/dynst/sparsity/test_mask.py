"""Tables that a person can check by hand."""

import pytest
import torch

from dynst.errors import ConfigError
from dynst.sparsity.mask import drop_and_grow, num_active_at, prune_to, random_subset


def bits(text: str) -> torch.Tensor:
    return torch.tensor([letter == "1" for letter in text])


@pytest.mark.parametrize(
    ("sparsity", "sensors", "active"),
    [(0, 21, 21), (1 / 3, 21, 14), (0.333, 21, 14), (0.5, 21, 10), (0.5, 20, 10), (0.99, 10, 1)],
)
def test_counts(sparsity: float, sensors: int, active: int) -> None:
    assert num_active_at(sparsity, sensors) == active


@pytest.mark.parametrize("sparsity", [1.0, 1.2, -0.1])
def test_impossible_sparsity_is_refused(sparsity: float) -> None:
    with pytest.raises(ConfigError, match="sparsity must be at least 0 and below 1"):
        num_active_at(sparsity, 10)


@pytest.mark.parametrize(
    ("active", "importance", "count", "expected"),
    [
        ("11111", [5, 4, 3, 2, 1], 3, "11100"),
        ("11111", [1, 1, 1, 1, 1], 2, "11000"),  # ties stay by index
        ("10101", [1, 9, 2, 9, 3], 2, "00101"),  # inactive ones do not come back
        ("10101", [1, 9, 2, 9, 3], 5, "10101"),
    ],
)
def test_prune(active: str, importance: list[float], count: int, expected: str) -> None:
    assert torch.equal(
        prune_to(bits(active), torch.tensor(importance).float(), count), bits(expected)
    )


@pytest.mark.parametrize(
    ("active", "importance", "num", "expected"),
    [
        ("11100", [3, 2, 1, 5, 4], 1, "11010"),
        ("11100", [3, 2, 1, 5, 4], 2, "10011"),
        ("11100", [9, 8, 7, 5, 4], 2, "11100"),  # no newcomer is better
        ("11100", [9, 8, 1, 5, 4], 2, "11010"),  # only the first pair gains
        ("11100", [3, 2, 1, 5, 4], 0, "11100"),
        ("11111", [3, 2, 1, 5, 4], 2, "11111"),  # nobody to grow
        ("11000", [1, 1, 1, 1, 1], 2, "11000"),  # equal is not better
    ],
)
def test_drop_and_grow(active: str, importance: list[float], num: int, expected: str) -> None:
    assert torch.equal(
        drop_and_grow(bits(active), torch.tensor(importance).float(), num), bits(expected)
    )


def test_random_subsets_are_a_pure_function_of_seed_and_step() -> None:
    everyone, nobody = torch.ones(50, dtype=torch.bool), torch.zeros(50, dtype=torch.bool)
    one = random_subset(everyone, nobody, (0.2, 1.0), seed=3, step=8)
    torch.manual_seed(99)
    assert torch.equal(one, random_subset(everyone, nobody, (0.2, 1.0), seed=3, step=8))
    assert not torch.equal(one, random_subset(everyone, nobody, (0.2, 1.0), seed=3, step=9))
    shares = [
        float(random_subset(everyone, nobody, (0.2, 1.0), 0, step).float().mean())
        for step in range(300)
    ]
    assert min(shares) >= 0.2
    assert max(shares) <= 1.0
    assert 0.55 < sum(shares) / len(shares) < 0.65


def test_random_subsets_hold_all_pinned_and_no_excluded_sensor() -> None:
    allowed, pinned = bits("1111111100"), bits("0001100000")
    subsets = [random_subset(allowed, pinned, (0.1, 1.0), 0, step) for step in range(200)]
    assert all((subset[pinned]).all() and not subset[~allowed].any() for subset in subsets)
    assert {int(subset.sum()) for subset in subsets} == set(range(2, 9))
    assert torch.stack(subsets)[:, allowed].any(0).all()
