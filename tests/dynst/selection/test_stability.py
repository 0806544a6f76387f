"""What several runs of a search have in common, counted by hand."""

import pytest
import torch
from torch import Tensor

from dynst.selection.stability import Exchangeable, chance_corrected, stability


def choices(*rows: str) -> list[Tensor]:
    """``x`` is on."""
    return [torch.tensor([mark == "x" for mark in row]) for row in rows]


def test_shares_and_overlap_are_counted() -> None:
    found = stability(choices("xx..", "x.x.", "xx.."))
    assert found.kept.tolist() == pytest.approx([1, 2 / 3, 1 / 3, 0])
    assert found.overlap == pytest.approx((1 / 3 + 1 + 1 / 3) / 3)


def test_two_sensors_of_which_one_goes_are_named() -> None:
    """The second or the third is off in each run; the fourth goes by itself."""
    found = stability(choices("xx.x", "x.xx", "xx..", "x.xx", "xx.x", "x.x."))
    assert found.exchangeable == (Exchangeable(1, 2, 6, 3, 6),)


def test_a_sensor_that_goes_once_in_ten_runs_is_exchangeable_with_none() -> None:
    found = stability(choices(*["xx."] * 9, "x.x"))
    assert found.exchangeable == ()


def test_only_pairs_that_could_stand_for_one_another_are_looked_at() -> None:
    runs = choices("xx.x", "x.xx", "xx.x", "x.xx")
    apart = torch.zeros(4, 4, dtype=torch.bool)
    assert stability(runs, apart).exchangeable == ()
    apart[2, 1] = True
    assert len(stability(runs, apart).exchangeable) == 1


@pytest.mark.parametrize("size", [3, 10, 27])
def test_by_chance_the_corrected_overlap_is_none(size: int) -> None:
    drawn = [
        torch.zeros(30, dtype=torch.bool).scatter(
            0, torch.randperm(30, generator=torch.Generator().manual_seed(seed))[:size], True
        )
        for seed in range(200)
    ]
    assert stability(drawn).corrected == pytest.approx(0, abs=0.02)


def test_runs_that_agree_are_corrected_to_one() -> None:
    assert stability(choices("xx..", "xx..")).corrected == 1
    assert stability(choices("xxxx", "xxxx")).corrected == 1
    assert chance_corrected(0.5, 0.25) == pytest.approx(1 / 3)
