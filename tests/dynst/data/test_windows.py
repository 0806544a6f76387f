import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import dynst.data.gather as gather_module
import dynst.data.series as series_module
from dynst.data.calendar import calendar_features, shifted_calendar
from dynst.data.clock import Clock
from dynst.data.scaler import SEASONS, SeasonalScaler, fit_scaler
from dynst.data.series import Series, make_series
from dynst.data.store import Readings
from dynst.data.windows import Batch, Windows, chronological_splits, split_windows, window_starts
from dynst.errors import ConfigError


def counting_series(time: np.ndarray, sensors: int = 5):
    values = (np.arange(len(time))[:, None] * 10 + np.arange(sensors)).astype(np.float32)[..., None]
    observed = np.ones(values.shape, bool)
    observed[3, 2] = False
    return make_series(
        Readings(time, values, observed), SeasonalScaler(SEASONS["none"], sensors, 1)
    )


def test_a_batch_holds_the_active_sensors_past_and_everyones_future() -> None:
    windows = split_windows(counting_series(np.arange(50)), slice(0, 50), 3, 2, [0])
    batch = windows.batch(torch.tensor([1, 10]), torch.tensor([0, 2]))
    assert batch.readings[1, :, :, 0].tolist() == [[100, 102], [110, 112], [120, 122]]
    assert batch.target[1, :, :, 0].tolist() == [
        [130, 131, 132, 133, 134],
        [140, 141, 142, 143, 144],
    ]
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
    words = r"no window of 6 \+ 5 steps fits into rows 0\.\.9, which has 10 steps.*at most 10"
    with pytest.raises(ConfigError, match=words):
        split_windows(counting_series(np.arange(50)), slice(0, 10), 6, 5, [0])


def test_too_short_a_part_is_named_with_its_times_and_what_fits() -> None:
    time = torch.arange(600, 642)
    label = Clock(unit="month").label
    words = (
        r"into the validation part, which has 6 steps \(2020-01 to 2020-06\); "
        r"model\.window \+ model\.horizon must be at most 6"
    )
    with pytest.raises(ConfigError, match=words):
        window_starts(time, slice(0, 6), 24, 12, "the validation part", label)
    broken = torch.cat([time[:10], time[20:24]])
    words = "which has 14 steps .*, of which 10 follow each other without a gap; .* at most 10"
    with pytest.raises(ConfigError, match=words):
        window_starts(broken, slice(0, 14), 6, 5, "the test part")


def test_shares_must_add_up() -> None:
    with pytest.raises(ConfigError, match="add up to 1"):
        chronological_splits(10, (0.7, 0.2, 0.2))


FIELDS = ("readings", "observed", "calendar", "target", "target_observed")


def random_readings(
    seed: int, steps: int, sensors: int, channels: int, missing: float, gap: bool = False
) -> Readings:
    rng = np.random.default_rng(seed)
    time = np.arange(steps) + 7 * (np.arange(steps) > steps // 2) * gap
    values = rng.normal(size=(steps, sensors, channels)).astype(np.float32)
    return Readings(3600 * time, values, rng.random(values.shape) >= missing)


def plain_series(readings: Readings) -> Series:
    return make_series(readings, SeasonalScaler(SEASONS["none"], *readings.values.shape[1:]))


def with_stored_mask(windows: Windows) -> Windows:
    return replace(
        windows,
        series=replace(
            windows.series,
            observed=windows.series.observed.clone(memory_format=torch.contiguous_format),
        ),
    )


def naive_batch(
    readings: Readings, windows: Windows, index: Tensor, sensors: Tensor
) -> tuple[np.ndarray, ...]:
    """Window by window, from the raw readings: the scaler of ``plain_series`` changes nothing."""
    values, parts = np.where(readings.observed, readings.values, np.float32(0)), []
    for start in windows.starts[index].tolist():
        middle, end = start + windows.window, start + windows.window + windows.horizon
        past = [part[start:middle][:, sensors.numpy()] for part in (values, readings.observed)]
        ahead = [
            part[middle:end][..., windows.targets.numpy()] for part in (values, readings.observed)
        ]
        parts.append((*past, windows.series.calendar[middle].numpy(), *ahead))
    return tuple(np.stack(column) for column in zip(*parts, strict=True))


def assert_same(batch: Batch, expected: tuple[np.ndarray, ...] | Batch) -> None:
    others = (
        [getattr(expected, name) for name in FIELDS]
        if isinstance(expected, Batch)
        else map(torch.from_numpy, expected)
    )
    for name, other in zip(FIELDS, others, strict=True):
        assert torch.equal(getattr(batch, name), other), name
        assert getattr(batch, name).dtype == other.dtype, name


@given(data=st.data())
def test_a_batch_is_what_slicing_each_window_gives(data: st.DataObject) -> None:
    sensors, channels = (
        data.draw(st.integers(1, 9), "sensors"),
        data.draw(st.integers(1, 3), "channels"),
    )
    window, horizon = (
        data.draw(st.integers(1, 5), "window"),
        data.draw(st.integers(1, 4), "horizon"),
    )
    missing, gap = (
        data.draw(st.sampled_from([0.0, 0.3, 1.0]), "missing"),
        data.draw(st.booleans(), "gap"),
    )
    readings = random_readings(
        data.draw(st.integers(0, 99), "seed"), 30, sensors, channels, missing, gap
    )
    targets = data.draw(st.lists(st.integers(0, channels - 1), min_size=1, unique=True), "targets")
    windows = split_windows(plain_series(readings), slice(0, 30), window, horizon, targets)
    chosen = torch.tensor(
        data.draw(st.lists(st.integers(0, sensors - 1), unique=True), "active"), dtype=torch.int64
    )
    index = torch.tensor(
        data.draw(st.lists(st.integers(0, len(windows) - 1), min_size=1, max_size=6), "index")
    )
    assert_same(windows.batch(index, chosen), naive_batch(readings, windows, index, chosen))


@pytest.mark.parametrize("channels", [1, 2])
def test_batches_larger_than_the_cache_are_put_together_rightly(
    channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gather_module, "CACHED_BYTES", 3000)
    monkeypatch.setattr(gather_module, "HUGE_BYTES", 2000)
    readings = random_readings(0, 60, 40, channels, 0.1)
    windows = split_windows(plain_series(readings), slice(0, 60), 5, 4, [channels - 1])
    index, sensors = (
        torch.randperm(len(windows), generator=torch.Generator().manual_seed(0)),
        torch.arange(0, 40, 3),
    )
    assert_same(windows.batch(index, sensors), naive_batch(readings, windows, index, sensors))


@pytest.mark.parametrize("active", [range(6), [5, 0, 3], []])
def test_a_complete_series_stores_no_mask_and_gives_the_same(active: list[int]) -> None:
    windows = split_windows(
        plain_series(random_readings(0, 40, 6, 2, 0.0)), slice(0, 40), 4, 3, [1, 0]
    )
    masked, sensors, index = (
        with_stored_mask(windows),
        torch.tensor(active, dtype=torch.int64),
        torch.tensor([3, 0, 11]),
    )
    assert windows.series.complete
    assert not masked.series.complete
    assert_same(windows.batch(index, sensors), masked.batch(index, sensors))


@pytest.mark.parametrize("active", [range(5), [0, 2, 3]])
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_writing_to_a_batch_leaves_the_series_alone(active: list[int], missing: float) -> None:
    windows = split_windows(
        plain_series(random_readings(0, 40, 5, 1, missing)), slice(0, 40), 4, 3, [0]
    )
    index, sensors = torch.arange(9), torch.tensor(active)
    batch, before = windows.batch(index, sensors), windows.batch(index, sensors)
    for name in FIELDS:
        part = getattr(batch, name)
        part[(0,) * part.ndim if 0 in part.stride() else slice(None)] = (
            0  # a shared True can be written in one place only
        )
    assert not batch.observed.any() or not windows.series.complete
    assert_same(windows.batch(index, sensors), before)


@pytest.mark.parametrize("bad", [-6, 5])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_sensor_that_does_not_exist_is_refused(bad: int, channels: int) -> None:
    windows = split_windows(
        plain_series(random_readings(0, 40, 5, channels, 0.0)), slice(0, 40), 4, 3, [0]
    )
    with pytest.raises((IndexError, RuntimeError), match="out of"):
        windows.batch(torch.arange(2), torch.tensor([0, bad]))


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_a_series_is_the_same_in_whatever_blocks_it_is_made(
    missing: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings = random_readings(0, 100, 7, 2, missing)
    scaler = fit_scaler(readings, SEASONS["day"], slice(0, 80))
    whole = make_series(readings, scaler)
    expected = scaler.transform(torch.tensor(readings.values), whole.time).masked_fill(
        ~torch.tensor(readings.observed), 0.0
    )
    assert torch.equal(whole.values, expected)
    monkeypatch.setattr(series_module, "BLOCK_BYTES", 500)
    blocks = make_series(readings, scaler)
    assert torch.equal(blocks.values, whole.values)
    assert torch.equal(blocks.observed, torch.tensor(readings.observed))


def test_the_calendar_by_hand() -> None:
    """Six hours are a quarter of a day and 1/28 of a week.

    After a whole day the day begins again.
    """
    quarter, day = 6 * 3600, 86_400
    features = calendar_features(torch.tensor([0, quarter, day + quarter]))
    assert features[0].tolist() == [0, 1, 0, 1, 0, 1]
    assert features[1, :4].tolist() == pytest.approx(
        [1, 0, math.sin(2 * math.pi / 28), math.cos(2 * math.pi / 28)], abs=1e-6
    )
    assert features[2, :2].tolist() == pytest.approx([1, 0], abs=1e-6)
    assert features[2, 4].item() == pytest.approx(math.sin(2 * math.pi * 1.25 / 365.2425), abs=1e-6)


@pytest.mark.parametrize("seconds", [300, 5 * 3600, 9 * 86_400])
def test_a_shifted_calendar_is_the_calendar_of_the_later_moment(seconds: int) -> None:
    time = torch.tensor([[0, 7 * 3600], [86_400 * 100, 1_672_617_600]])
    shifted = shifted_calendar(calendar_features(time), seconds)
    torch.testing.assert_close(shifted, calendar_features(time + seconds), rtol=0, atol=2e-6)


def test_blocks_of_rows_hold_each_row_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series_module, "BLOCK_BYTES", 20)
    rows = np.arange(5)
    assert [rows[block].tolist() for block in series_module._row_blocks(5, 10)] == [
        [0, 1],
        [2, 3],
        [4],
    ]


@pytest.mark.parametrize(
    ("missing", "everywhere", "at_two"), [(0.0, 3 * 2 * 5, 3 * 2 * 2), (1.0, 0, 0)]
)
def test_entries_to_forecast_are_counted_as_a_batch_holds_them(
    missing: float, everywhere: int, at_two: int
) -> None:
    """Three windows, a horizon of two steps, five locations or two of them, one of two channels.

    All observed, or nothing.
    """
    windows = split_windows(
        plain_series(random_readings(0, 40, 5, 2, missing)), slice(0, 40), 4, 2, [1]
    )
    index, two = torch.tensor([0, 7, 30]), torch.tensor([4, 1])
    found = [int(windows.num_observed(index, two, where)) for where in (None, two)]
    assert found == [everywhere, at_two]


@pytest.mark.parametrize("locations", [None, torch.tensor([4, 1])], ids=["everywhere", "some"])
def test_entries_that_are_missing_are_not_counted(locations: Tensor | None) -> None:
    windows = split_windows(
        plain_series(random_readings(0, 40, 5, 2, 0.3)), slice(0, 40), 4, 2, [1]
    )
    index = torch.tensor([0, 7, 30])
    held = windows.batch(index, torch.arange(5), locations).target_observed
    assert 0 < int(held.sum()) < held.numel()
    assert int(windows.num_observed(index, torch.arange(5), locations)) == int(held.sum())


@pytest.mark.parametrize("locations", [None, torch.tensor([4, 1])], ids=["everywhere", "some"])
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_the_present_is_asked_for_where_it_is_not_read(
    missing: float, locations: Tensor | None
) -> None:
    ahead = split_windows(
        plain_series(random_readings(0, 40, 5, 2, missing)), slice(0, 40), 4, 2, [1]
    )
    index, sensors = torch.tensor([0, 7, 30]), torch.tensor([1, 3])
    everyone = ahead.batch(index, torch.arange(5))  # what was read of all of them
    asked = torch.arange(5) if locations is None else locations
    plain, both, now = (
        windows.batch(index, sensors, locations)
        for windows in (ahead, ahead.from_present(), ahead.at_present())
    )
    assert torch.equal(both.target[:, 1:], plain.target)
    assert torch.equal(both.target_observed[:, 1:], plain.target_observed)
    assert torch.equal(both.target[:, :1], now.target)
    assert torch.equal(both.target_observed[:, :1], now.target_observed)
    assert torch.equal(now.target[:, 0], everyone.readings[:, -1, asked][..., 1:])
    known = everyone.observed[:, -1, asked][..., 1:] & ~torch.isin(asked, sensors)[:, None]
    assert torch.equal(now.target_observed[:, 0], known)
    assert torch.equal(both.calendar, plain.calendar)
    assert torch.equal(both.readings, plain.readings)
    times = ahead.series.time[ahead.starts[index] + 3]
    assert torch.equal(ahead.at_present().target_times(index)[:, 0], times)
    assert torch.equal(ahead.from_present().target_times(index)[:, 1:], ahead.target_times(index))
    for windows, batch in ((ahead.from_present(), both), (ahead.at_present(), now)):
        counted = windows.num_observed(index, sensors, locations)
        assert int(counted) == int(batch.target_observed.sum())


def test_a_complete_series_takes_no_mask_along_to_a_device() -> None:
    series, device = plain_series(random_readings(0, 40, 5, 1, 0.0)), torch.device("meta")
    assert series.complete
    assert series.on(device).complete
    assert series.on(device).observed.shape == series.values.shape
