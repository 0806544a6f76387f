import numpy as np
import pytest
import torch

from dynst.data.scaler import SEASONS, SeasonalScaler
from dynst.data.store import Readings
from dynst.data.windows import chronological_splits, make_series, split_windows
from dynst.errors import ConfigError


def counting_series(time: np.ndarray, sensors: int = 5):
    values = (np.arange(len(time))[:, None] * 10 + np.arange(sensors)).astype(np.float32)[..., None]
    observed = np.ones(values.shape, bool)
    observed[3, 2] = False
    return make_series(Readings(time, values, observed), SeasonalScaler(SEASONS["none"], sensors, 1))


def test_a_batch_holds_the_active_sensors_past_and_everyones_future() -> None:
    windows = split_windows(counting_series(np.arange(50)), slice(0, 50), 3, 2, [0])
    batch = windows.batch(torch.tensor([1, 10]), torch.tensor([0, 2]))
    assert batch.readings[1, :, :, 0].tolist() == [[100, 102], [110, 112], [120, 122]]
    assert batch.target[1, :, :, 0].tolist() == [[130, 131, 132, 133, 134], [140, 141, 142, 143, 144]]
    assert batch.readings[0, 2, 1, 0] == 0
    assert not batch.observed[0, 2, 1, 0]
    assert windows.target_times(torch.tensor([10])).tolist() == [[13, 14]]


def test_no_window_crosses_a_split() -> None:
    series = counting_series(np.arange(100))
    splits = chronological_splits(100)
    for rows in (splits.train, splits.val, splits.test):
        windows = split_windows(series, rows, 4, 3, [0])
        assert int(windows.starts.min()) >= rows.start
        assert int(windows.starts.max()) + 7 <= rows.stop
    assert (splits.train.stop, splits.val.stop, splits.test.stop) == (70, 80, 100)


def test_no_window_crosses_a_gap() -> None:
    time = np.concatenate([np.arange(20), np.arange(30, 50)])
    windows = split_windows(counting_series(time), slice(0, 40), 4, 2, [0])
    assert set(windows.starts.tolist()) == set(range(15)) | set(range(20, 35))


def test_too_short_a_part_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"no window of 6 \+ 5 steps fits into rows 0\.\.9"):
        split_windows(counting_series(np.arange(50)), slice(0, 10), 6, 5, [0])


def test_shares_must_add_up() -> None:
    with pytest.raises(ConfigError, match="add up to 1"):
        chronological_splits(10, (0.7, 0.2, 0.2))
