import numpy as np
import pytest
import torch

from dynst.data.scaler import DAY, HOUR, SEASONS, fit_scaler
from dynst.data.series import make_series
from dynst.data.store import Readings
from dynst.data.windows import Windows, split_windows
from dynst.evaluation.naive import persistence_errors, seasonal_naive_errors


def daily(drift: float) -> tuple[Windows, object, np.ndarray]:
    hours = np.arange(24 * 10)
    values = (np.tile(np.arange(24.0), 10) + drift * (hours // 24)).astype(np.float32)[
        :, None, None
    ]
    readings = Readings(4 * DAY + HOUR * hours, values, np.ones(values.shape, bool))
    scaler = fit_scaler(readings, SEASONS["day"], slice(0, 24 * 7))
    return (
        split_windows(make_series(readings, scaler), slice(24 * 7, 24 * 10), 6, 4, [0]),
        scaler,
        values,
    )


def test_seasonal_naive_repeats_yesterday() -> None:
    windows, scaler, _ = daily(drift=2.0)
    errors = seasonal_naive_errors(windows, scaler)
    assert errors is not None
    assert errors.mae() == pytest.approx(2.0, abs=1e-4)


def test_seasonal_naive_looks_a_season_back_in_time_not_in_rows() -> None:
    """With five hours missing a row count would compare different hours of the day."""
    hours = np.delete(np.arange(24 * 10), slice(100, 105))
    values = (hours % 24).astype(np.float32)[:, None, None]
    readings = Readings(4 * DAY + HOUR * hours, values, np.ones(values.shape, bool))
    scaler = fit_scaler(readings, SEASONS["day"], slice(0, 90))
    errors = seasonal_naive_errors(
        split_windows(make_series(readings, scaler), slice(90, 230), 6, 4, [0]), scaler
    )
    assert errors is not None
    assert errors.mae() == pytest.approx(0, abs=1e-5)


def test_persistence_repeats_the_last_reading() -> None:
    windows, scaler, values = daily(drift=0.0)
    starts = windows.starts.numpy()
    expected = np.mean(
        [np.abs(values[s + 6 : s + 10, 0, 0] - values[s + 5, 0, 0]).mean() for s in starts]
    )
    assert persistence_errors(windows, scaler).mae() == pytest.approx(expected, rel=1e-5)


def test_there_is_no_seasonal_naive_without_a_season() -> None:
    windows, scaler, _ = daily(drift=0.0)
    scaler.season = SEASONS["none"]
    assert seasonal_naive_errors(windows, scaler) is None
    assert torch.is_tensor(windows.starts)
