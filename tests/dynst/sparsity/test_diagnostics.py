"""Diagnostics of masks on cases that can be checked by hand."""

import math
from itertools import combinations

import pytest
import torch
from torch import Tensor

from dynst.sparsity.config import SparsityConfig, make_scheme
from dynst.sparsity.diagnostics import (
    MaskHistory,
    agreement,
    churn,
    ever_active,
    jaccard,
    overlap,
    share_of_time_on,
)


def masks(*rows: str) -> Tensor:
    return torch.tensor([[mark == "x" for mark in row] for row in rows])


FOUR_UPDATES = masks(
    "xxx.", "xx..", "x.x.", "x.x."
)  # one goes, another goes, one pair is exchanged, nothing happens


def test_consecutive_masks() -> None:
    assert overlap(FOUR_UPDATES).tolist() == pytest.approx([3 / 4, 2 / 3, 1 / 3, 1])
    assert churn(FOUR_UPDATES).tolist() == pytest.approx([0, 0, 1 / 2, 0])


def test_ever_active_grows_only_where_something_new_is_tried() -> None:
    assert ever_active(FOUR_UPDATES).tolist() == [0.75, 0.75, 0.75, 0.75]
    assert ever_active(masks("x...", ".x..", "..x.", "x...")).tolist() == [0.25, 0.5, 0.75, 0.75]


def test_share_of_time_on_weighs_masks_by_how_long_they_held() -> None:
    """Updates at steps 10, 20 and 40 of 60: the masks hold for 10, 20 and 20 steps."""
    history = MaskHistory(torch.tensor([10, 20, 40]), masks("xx", "x.", ".x"), torch.zeros(3, 2))
    assert share_of_time_on(history, 60).tolist() == pytest.approx([30 / 50, 30 / 50])
    assert share_of_time_on(history, 140).tolist() == pytest.approx([30 / 130, 110 / 130])


def test_agreement_of_final_masks() -> None:
    finals = list(masks("xx..", "x.x.", "..xx"))
    assert [jaccard(a, b) for a, b in combinations(finals, 2)] == pytest.approx([1 / 3, 0, 1 / 3])
    assert agreement(finals).overlap == pytest.approx(2 / 9)
    assert agreement([finals[0]] * 3).overlap == 1


@pytest.mark.parametrize(("one", "other"), [(2, 2), (3, 1), (4, 3), (5, 5)])
def test_chance_is_the_mean_over_all_masks_of_the_same_sizes(one: int, other: int) -> None:
    first = torch.zeros(5, dtype=torch.bool)
    first[:one] = True
    overlaps = [
        jaccard(first, torch.zeros(5, dtype=torch.bool).index_fill(0, torch.tensor(rest), True))
        for rest in combinations(range(5), other)
    ]
    second = torch.zeros(5, dtype=torch.bool)
    second[:other] = True
    assert agreement([first, second]).by_chance == pytest.approx(
        math.fsum(overlaps) / len(overlaps)
    )


def test_the_history_of_a_scheme() -> None:
    scheme = make_scheme(
        SparsityConfig(scheme="iterative", final=0.5, rounds=4, criterion="random"), 10, 100, seed=0
    )
    updates = [update for step in range(100) if (update := scheme.update(step)) is not None]
    history = MaskHistory.of(updates)
    assert history.active.shape == history.importance.shape == (len(updates), 10)
    assert history.steps.tolist() == [update.step for update in updates]
    assert torch.equal(history.active[-1], scheme.active)
    on = share_of_time_on(history, 100)
    assert (on[scheme.active] == 1).all()
    assert (on[~scheme.active] < 1).all()
