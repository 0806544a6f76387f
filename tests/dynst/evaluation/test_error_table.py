import math

import pytest
import torch

from dynst.evaluation.error_table import ErrorTable, masked_mae

NAN = float("nan")


def table() -> ErrorTable:
    errors = ErrorTable.zeros(2, 3, 1)
    error = torch.tensor([[1.0, -2.0, 9.0], [3.0, 4.0, 9.0]])[None, ..., None]  # [1, H, S, 1]
    truth = torch.tensor([[10.0, 10.0, 0.0], [20.0, -20.0, 0.0]])[None, ..., None]
    seen = torch.tensor([[True, True, False], [True, True, False]])[None, ..., None]
    errors.add(error, truth, seen)
    return errors


def test_errors_by_hand() -> None:
    errors = table()
    assert errors.mae() == 2.5
    assert errors.mae(step=1) == 3.5
    assert errors.mae(torch.tensor([True, False, False])) == 2.0
    assert errors.rmse() == pytest.approx(math.sqrt(30 / 4))
    assert errors.wape() == pytest.approx(10 / 60)


def test_mape_by_hand_leaves_out_truths_of_zero() -> None:
    """Errors 1, 2, 3, 4 at truths 10, 0, 20, −40: the second has no percentage, but counts in the
    MAE.
    """
    errors = ErrorTable.zeros(1, 4, 1)
    error = torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 1, 4, 1)
    errors.add(
        error,
        torch.tensor([10.0, 0.0, 20.0, -40.0]).view(1, 1, 4, 1),
        torch.ones(1, 1, 4, 1, dtype=torch.bool),
    )
    assert errors.mape() == pytest.approx((1 / 10 + 3 / 20 + 4 / 40) / 3)
    assert errors.wape() == pytest.approx(10 / 70)
    assert errors.mae() == 2.5
    assert math.isnan(errors.mape(torch.tensor([False, True, False, False])))


def test_several_channels_count_in_the_unit_of_the_first() -> None:
    """The second channel spreads ten times as wide, so its errors weigh a tenth.

    Alone it is in its own unit.
    """
    errors = ErrorTable.zeros(1, 1, 2, weight=torch.tensor([1.0, 0.1]))
    errors.add(
        torch.tensor([[[[2.0, -40.0]]]]),
        torch.tensor([[[[10.0, 100.0]]]]),
        torch.ones(1, 1, 1, 2, dtype=torch.bool),
    )
    assert errors.mae() == pytest.approx((2 + 4) / 2)
    assert errors.rmse() == pytest.approx(math.sqrt((4 + 16) / 2))
    assert errors.wape() == pytest.approx((2 + 4) / (10 + 10))
    assert errors.mape() == pytest.approx((0.2 + 0.4) / 2)
    assert errors.mae_by_sensor().tolist() == [pytest.approx(3)]
    assert [(errors.only(channel).mae(), errors.only(channel).rmse()) for channel in (0, 1)] == [
        (2, 2),
        (40, 40),
    ]


def test_what_was_never_observed_is_nan_and_counts_nowhere() -> None:
    errors = table()
    assert math.isnan(errors.mae(torch.tensor([False, False, True])))
    assert errors.mae_by_sensor()[:2].tolist() == [2.0, 3.0]
    assert math.isnan(errors.mae_by_sensor()[2])


def test_masked_mae_sums_observed_entries_only() -> None:
    forecast, target = (
        torch.tensor([[[[1.0], [5.0]]]]),
        torch.tensor([[[[0.0], [NAN]]]]).nan_to_num(),
    )
    total, count = masked_mae(
        forecast, target, torch.tensor([[[[True], [False]]]]), torch.tensor([[2.0], [1.0]])
    )
    assert (float(total), int(count)) == (2.0, 1)


def test_the_cells_of_a_patch_add_up_to_their_quantity() -> None:
    """Channels 0 and 2 measure one quantity, 1 and 3 another.

    By hand, one location, of which channel 3 was not observed.
    """
    errors = ErrorTable.zeros(1, 1, 4, weight=torch.tensor([1.0, 0.5, 1.0, 0.5]))
    seen = torch.tensor([True, True, True, False]).view(1, 1, 1, 4)
    errors.add(
        torch.tensor([1.0, 8.0, 3.0, 99.0]).view(1, 1, 1, 4),
        torch.tensor([10.0, 20.0, 0.0, 99.0]).view(1, 1, 1, 4),
        seen,
    )
    merged = errors.by_quantity(torch.tensor([7, 2, 7, 2]))
    assert merged.absolute.tolist() == [[[4.0, 8.0]]]
    assert merged.squared.tolist() == [[[10.0, 64.0]]]
    assert merged.count.tolist() == [[[2.0, 1.0]]]
    assert merged.nonzero.tolist() == [[[1.0, 1.0]]]
    assert merged.weight.tolist() == [1.0, 0.5]
    assert (merged.mae(), merged.rmse(), merged.wape()) == (
        errors.mae(),
        errors.rmse(),
        errors.wape(),
    )
    assert (merged.only(0).mae(), merged.only(1).mae()) == (2.0, 8.0)


def test_channels_of_their_own_stay_as_they_are() -> None:
    errors = ErrorTable.zeros(1, 1, 2)
    assert errors.by_quantity(torch.tensor([3, 1])) is errors
