"""Choices are compared by blocks of time, against the formulas of scipy."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_rel
from scipy.stats.mstats import winsorize
from torch import Tensor

from dynst.selection.comparison import BlockErrors, Comparison, compare, differences


def errors(absolute: Tensor, count: float = 10.0) -> BlockErrors:
    return BlockErrors(absolute.double(), torch.full(absolute.shape, count).double())


def drawn(seed: int, blocks: int, locations: int) -> Tensor:
    chance = torch.Generator().manual_seed(seed)
    return torch.rand(blocks, locations, generator=chance, dtype=torch.float64) * 10


@pytest.mark.parametrize("blocks", [5, 12, 20, 21])
def test_each_location_is_winsorised_over_the_blocks(blocks: int) -> None:
    first, second = drawn(1, blocks, 7), drawn(2, blocks, 7)
    share = int(np.ceil(blocks * 0.1)) / blocks
    each = np.stack(
        [
            winsorize(column, limits=(share + 1e-9, share + 1e-9)).data
            for column in (first - second).numpy().T
        ],
        axis=1,
    )
    found = differences(errors(first), errors(second))
    np.testing.assert_allclose(found.robust.numpy(), each.sum(1), rtol=1e-6)
    np.testing.assert_allclose(found.plain.numpy(), (first - second).sum(1))


def test_few_blocks_are_compared_as_they_are() -> None:
    first, second = drawn(1, 4, 7), drawn(2, 4, 7)
    found = differences(errors(first), errors(second))
    torch.testing.assert_close(found.robust, (first - second).sum(1))
    torch.testing.assert_close(found.robust, found.plain)


@pytest.mark.parametrize("blocks", [2, 20])
def test_without_winsorising_the_difference_is_that_of_the_means(blocks: int) -> None:
    first, second = errors(drawn(1, blocks, 7)), errors(drawn(2, blocks, 7))
    found = compare(first, second, winsorised=False)
    assert found.difference == pytest.approx(first.mean() - second.mean())


@pytest.mark.parametrize("seed", range(5))
def test_the_bound_is_that_of_a_paired_t_test(seed: int) -> None:
    first, second = drawn(seed, 4, 7), drawn(seed + 9, 4, 7)
    found = compare(errors(first), errors(second))
    assert found.difference == pytest.approx(float((first - second).sum() / (10 * 4 * 7)), rel=1e-5)
    test = ttest_rel(first.sum(1), second.sum(1), alternative="less")
    bound = test.confidence_interval(0.95).high / (10 * 7)
    assert found.upper() == pytest.approx(bound, rel=1e-5)
    assert found.shows_gain() is bool(test.pvalue < 0.05)


@given(st.integers(0, 10**6), st.floats(-1e6, 1e6))
def test_what_one_block_reads_at_one_location_decides_nothing(seed: int, spoilt: float) -> None:
    """The better choice stays the better one, whatever one sensor says for a while."""
    better = drawn(seed, 12, 5)
    worse = better + 1
    before = compare(errors(better), errors(worse))
    chance = np.random.default_rng(seed)
    better[chance.integers(12), chance.integers(5)] += spoilt
    after = compare(errors(better), errors(worse))
    assert before.shows_gain()
    assert after.upper() < 0
    assert after.shows_gain() is (after.difference < 0)
    assert after.centre == pytest.approx(before.centre, rel=1e-4)


def test_what_was_never_observed_does_not_count() -> None:
    first, second = drawn(1, 12, 5), drawn(2, 12, 5)
    count = torch.full((12, 5), 10.0)
    count[3:, 2] = 0
    count[:, 4] = 0
    spoilt = first.clone()
    spoilt[count == 0] = 1e9
    expected, found = (
        compare(
            BlockErrors((each * (count > 0)).double(), count.double()),
            BlockErrors((second * (count > 0)).double(), count.double()),
        )
        for each in (first, first)
    )
    blind = compare(
        BlockErrors(spoilt.double(), count.double()), BlockErrors(second.double(), count.double())
    )
    assert expected == found == blind


def test_one_block_alone_shows_nothing() -> None:
    found = compare(errors(torch.zeros(1, 3)), errors(torch.ones(1, 3)))
    assert found.difference < 0
    assert not found.shows_gain()
    assert Comparison(-1.0, 0.0, 2).shows_gain()


@pytest.mark.parametrize("blocks", [5, 8, 11, 20])
def test_without_a_gain_few_comparisons_show_one(blocks: int) -> None:
    """At most one in twenty at a bound of 95 %, whatever Winsorising takes away (Dixon and Tukey
    1968): locations of a block are correlated, and blocks are independent.
    """
    chance, draws = torch.Generator().manual_seed(blocks), 1_000
    common = torch.randn(draws, blocks, 1, generator=chance)
    each = torch.randn(draws, blocks, 20, generator=chance)
    shown = [
        compare(errors(draw), errors(torch.zeros(blocks, 20))).shows_gain()
        for draw in common + each
    ]
    assert 0.005 < np.mean(shown) < 0.075


@pytest.mark.parametrize("winsorised", [False, True])
def test_a_gain_that_is_the_same_everywhere_is_sure_however_many_entries_blocks_have(
    winsorised: bool,
) -> None:
    count = torch.tensor([1000.0, *[10.0] * 9]).double()[:, None]
    found = compare(BlockErrors(count, count), BlockErrors(2 * count, count), winsorised=winsorised)
    assert found.difference == found.upper() == found.lower() == -1
    assert found.blocks == 10


def test_few_blocks_with_most_entries_count_as_few() -> None:
    """Of twelve blocks two have nearly all entries: hardly more than one degree of freedom."""
    count = torch.tensor([1000.0, 1000.0, *[1.0] * 10]).double()[:, None]
    gain = count * torch.tensor([2.0, 1.0, *[1.5] * 10]).double()[:, None]
    found = compare(BlockErrors(-gain, count), BlockErrors(0 * gain, count), winsorised=False)
    total, ratio = count.sum(), (gain.sum() / count.sum())
    residual = (gain - ratio * count).square().sum() * 12 / 11
    assert found.deviation == pytest.approx(float(residual.sqrt() / total))
    assert found.freedom == pytest.approx(float(total**2 / count.square().sum()) - 1)
    assert not found.shows_gain()


def test_a_gain_of_most_blocks_is_none_where_the_mean_is_worse() -> None:
    """Incidents are what a forecast is for: nine blocks a little better, one much worse."""
    worse = torch.zeros(10, 1)
    better = torch.tensor([*[-1.0 + 0.01 * number for number in range(9)], 30.0])[:, None]
    found = compare(errors(better), errors(worse))
    assert found.upper() < 0 < found.difference
    assert not found.shows_gain()
