import math

import pytest
import torch

from dynst.metrics import ErrorTable, masked_mae

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


def test_what_was_never_observed_is_nan_and_counts_nowhere() -> None:
    errors = table()
    assert math.isnan(errors.mae(torch.tensor([False, False, True])))
    assert errors.mae_by_sensor()[:2].tolist() == [2.0, 3.0]
    assert math.isnan(errors.mae_by_sensor()[2])


def test_masked_mae_sums_observed_entries_only() -> None:
    forecast, target = torch.tensor([[[[1.0], [5.0]]]]), torch.tensor([[[[0.0], [NAN]]]]).nan_to_num()
    total, count = masked_mae(forecast, target, torch.tensor([[[[True], [False]]]]), torch.tensor([[2.0], [1.0]]))
    assert (float(total), int(count)) == (2.0, 1)
