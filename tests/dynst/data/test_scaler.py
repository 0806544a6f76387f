import numpy as np
import pandas as pd
import pytest
import torch

import dynst.data.scaler as scaler_module
from dynst.data.clock import Clock
from dynst.data.scaler import (
    DAY,
    HOUR,
    SEASONS,
    WEEK,
    SeasonalScaler,
    fit_scaler,
    is_zero,
    season_for,
)
from dynst.data.store import Readings
from dynst.errors import ConfigError


def readings(values: np.ndarray, observed: np.ndarray | None = None, step: int = HOUR) -> Readings:
    seen = np.ones(values.shape, bool) if observed is None else observed
    return Readings(4 * DAY + step * np.arange(len(values)), values.astype(np.float32), seen)


@pytest.mark.parametrize(
    ("step", "train", "period"),
    [
        (HOUR, 4 * WEEK, WEEK),
        (HOUR, 3 * WEEK, DAY),
        (HOUR, 2 * DAY, 1),
        (DAY, 10 * WEEK, WEEK),
        (300, 4 * DAY, DAY),
    ],
)
def test_the_longest_season_that_fits(step: int, train: int, period: int) -> None:
    assert season_for("auto", step=step, train_span=train).period == period


def test_a_season_shorter_than_two_steps_is_refused() -> None:
    with pytest.raises(ConfigError, match="'day' has 1 d and a step 1 d"):
        season_for("day", step=DAY, train_span=WEEK)


def test_slots_start_on_monday_at_midnight() -> None:
    monday = torch.tensor([4 * DAY, 4 * DAY + HOUR, 4 * DAY + WEEK - 1])  # 1970-01-05 was a Monday
    assert SEASONS["week"].slot_of(monday).tolist() == [0, 1, 167]


def test_profile_is_the_median_of_each_slot_and_scaling_is_undone() -> None:
    cycle = np.tile(np.arange(24.0), 5)[:, None, None] * np.array([[[1.0], [2.0]]])
    data = readings(cycle)
    scaler = fit_scaler(data, SEASONS["day"], slice(0, 96))
    assert scaler.profile[:, 1, 0].tolist() == [2 * hour for hour in range(24)]
    time, raw = torch.tensor(data.time), torch.tensor(data.values)
    scaled = scaler.transform(raw, time)
    assert scaled.abs().max() == 0
    torch.testing.assert_close(scaler.restore(scaled, time, torch.tensor([0])), raw)


def test_only_training_rows_are_seen() -> None:
    values = np.random.default_rng(0).normal(size=(200, 3, 1))
    changed = values.copy()
    changed[100:] += 1e6
    one, other = (
        fit_scaler(readings(part), SEASONS["none"], slice(0, 100)) for part in (values, changed)
    )
    assert torch.equal(one.profile, other.profile)
    assert torch.equal(one.scale, other.scale)


def test_missing_readings_and_silent_or_constant_sensors_stay_finite() -> None:
    values = np.random.default_rng(0).normal(5, 1, size=(96, 3, 1))
    values[:, 1] = 7.0
    observed = np.ones(values.shape, bool)
    observed[:, 2] = False
    observed[::24, 0] = False  # one slot of the day was never seen
    scaler = fit_scaler(readings(values, observed), SEASONS["day"], slice(0, 96))
    assert scaler.profile.isfinite().all()
    assert (scaler.scale > 0).all()
    assert scaler.profile[0, 0, 0] == pytest.approx(
        np.median(values[observed[:, 0, 0], 0, 0]), rel=1e-5
    )


@pytest.mark.parametrize("block_bytes", [1, 1000])
def test_a_fit_in_blocks_of_sensors_is_the_same_bit_for_bit(
    block_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    values, observed = rng.normal(5, 2, size=(700, 9, 2)), rng.random((700, 9, 2)) > 0.1
    observed[:, 4], observed[::24, 7] = False, False
    whole = fit_scaler(readings(values, observed), SEASONS["day"], slice(0, 650))
    monkeypatch.setattr(scaler_module, "BLOCK_BYTES", block_bytes)
    blocks = fit_scaler(readings(values, observed), SEASONS["day"], slice(0, 650))
    assert torch.equal(whole.profile, blocks.profile)
    assert torch.equal(whole.scale, blocks.scale)


def test_a_sensor_that_starts_late_is_not_blown_up() -> None:
    """Constant or silent in training, alive afterwards: its readings are scaled like the
    others'.
    """
    values = np.random.default_rng(0).normal(50, 10, size=(200, 3, 1))
    values[:100, 1] = 0.0
    observed = np.ones(values.shape, bool)
    observed[:100, 2] = False
    scaler = fit_scaler(readings(values, observed), SEASONS["none"], slice(0, 100))
    later = scaler.transform(torch.tensor(values[100:]).float(), torch.arange(100))
    assert later.abs().max() < 20


def test_a_zero_is_still_known_as_zero_after_its_way_through_the_scaled_form() -> None:
    """Otherwise the percentage errors of a network with quiet nights would divide by roundings."""
    values = np.random.default_rng(0).gamma(2, 300, (24 * 30, 40, 1)).astype(np.float32)
    values[::7] = 0
    values[3::7] = 1
    data = readings(values)
    scaler = fit_scaler(data, SEASONS["day"], slice(0, 24 * 20))
    time, channels = torch.tensor(data.time), torch.tensor([0])
    scaled = scaler.transform(torch.tensor(values), time)
    raw = scaler.restore(scaled, time, channels)
    assert (raw[::7] != 0).any(), "the round trip loses exact zeros, or this tests nothing"
    assert torch.equal(is_zero(raw, scaled * scaler.scale), torch.tensor(values) == 0)


def test_channels_are_brought_to_the_spread_of_the_first() -> None:
    noise = np.random.default_rng(0).normal(size=(200, 3, 1))
    scaler = fit_scaler(readings(noise * [1.0, 10.0, 0.5]), SEASONS["none"], slice(0, 200))
    assert scaler.to_first(torch.tensor([0, 1, 2])).tolist() == pytest.approx([1, 0.1, 2], rel=1e-4)
    assert scaler.to_first(torch.tensor([1])).tolist() == [1]


def test_the_profile_of_short_steps_does_not_jump_between_slots() -> None:
    season = season_for("day", step=300, train_span=10 * 86_400)
    profile = torch.arange(24.0)[:, None]
    middle = torch.tensor([3600 * 5 + 1650])  # of the twelve readings from 5:00 to 5:55
    assert season.profile_at(profile, middle).item() == 5
    assert season.profile_at(profile, middle + 1800).item() == 5.5
    assert season.profile_at(profile, torch.tensor([0])).item() == pytest.approx(
        23 - 23 * 1950 / 3600
    )


def test_the_profile_of_hourly_steps_is_the_slots_own() -> None:
    season = season_for("day", step=3600, train_span=10 * 86_400)
    assert season.profile_at(torch.arange(24.0)[:, None], 3600 * torch.arange(24))[
        :, 0
    ].tolist() == list(range(24))


def test_blocks_of_sensors_hold_each_sensor_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaler_module, "BLOCK_BYTES", 20)
    sensors = np.arange(5)
    assert [sensors[block].tolist() for block in scaler_module._sensor_blocks(5, 10)] == [
        [0, 1],
        [2, 3],
        [4],
    ]


def test_readings_beside_a_slot_that_was_never_seen_count_in_the_spread() -> None:
    """By hand: four days in steps of half an hour, 10 everywhere, but 13 and 7 in turn at 4:30,
    whose profile reaches into 5:00.

    The two readings from 5:00 on are missing each day, so the spread is the root of 4 · 3² over 4 ·
    46 readings.
    """
    values = np.full((4, 48, 1, 1), 10.0)
    values[:, 9, 0, 0] = [13, 7, 13, 7]
    observed = np.ones(values.shape, bool)
    observed[:, 10:12] = False
    data = readings(values.reshape(-1, 1, 1), observed.reshape(-1, 1, 1), step=1800)
    scaler = fit_scaler(data, season_for("day", step=1800, train_span=4 * DAY), slice(0, 192))
    assert scaler.profile.unique().tolist() == [10]
    assert scaler.scale.item() == pytest.approx(3 / 46**0.5)


def test_a_season_follows_the_clock_on_the_wall() -> None:
    """A rush hour at eight in Berlin is one slot in winter and in summer."""
    moments = pd.date_range("2024-02-01", "2024-05-01", freq="h", tz="Europe/Berlin")
    time = moments.tz_convert("UTC").tz_localize(None).to_numpy().astype("datetime64[s]")
    busy = np.asarray(moments.hour == 8, np.float32)[:, None, None]
    data = Readings(time.astype(np.int64), busy, np.ones_like(busy, bool))
    rows, step = slice(0, len(time)), 3600
    season = season_for("day", step=step, train_span=len(time) * step)
    here = fit_scaler(data, season, rows, Clock(zone="Europe/Berlin"))
    in_utc = fit_scaler(data, season, rows)
    assert here.profile[:, 0, 0].nonzero().flatten().tolist() == [8]
    assert torch.equal(here.profile_at(torch.tensor(data.time)), torch.tensor(busy))
    assert not torch.equal(in_utc.profile_at(torch.tensor(data.time)), torch.tensor(busy))
    features = here.calendar(torch.tensor(data.time))
    hours = torch.atan2(features[:, 0], features[:, 1]) * 12 / torch.pi % 24
    torch.testing.assert_close(hours.round() % 24, torch.tensor(np.asarray(moments.hour)).float())


def test_months_have_a_climatology() -> None:
    months = np.arange(240)
    values = np.cos(2 * np.pi * months / 12).astype(np.float32)[:, None, None]
    data = Readings(months, values, np.ones_like(values, bool))
    clock = Clock(unit="month")
    season = season_for("auto", step=1, train_span=240, clock=clock)
    assert (season.period, season.slots) == (12, 12)
    scaler = fit_scaler(data, season, slice(0, 240), clock)
    torch.testing.assert_close(scaler.profile[:, 0, 0], torch.tensor(values[:12, 0, 0]))


@pytest.mark.parametrize(
    ("clock", "step", "span", "period"),
    [
        (Clock(unit="month"), 3, 100, 12),
        (Clock(unit="month"), 1, 30, 1),
        (Clock(unit="month"), 12, 100, 1),
        (Clock(calendar="noleap"), DAY, 4 * 365 * DAY, 365 * DAY),
        (Clock(calendar="360_day"), HOUR, 30 * DAY, DAY),
        (Clock(calendar="noleap"), DAY, 100 * DAY, 1),
    ],
)
def test_the_season_of_a_calendar(clock: Clock, step: int, span: int, period: int) -> None:
    assert season_for("auto", step=step, train_span=span, clock=clock).period == period


def test_months_have_no_week() -> None:
    with pytest.raises(ConfigError, match="none, year for a series of calendar months"):
        season_for("week", step=1, train_span=100, clock=Clock(unit="month"))


def test_a_part_of_a_network_keeps_its_units_wherever_it_is() -> None:
    whole = SeasonalScaler(SEASONS["none"], 3, 2)
    whole.scale = torch.tensor([[1.0, 10.0], [2.0, 20.0], [6.0, 60.0]])
    part, channels = whole.restricted(torch.tensor([0, 2])), torch.tensor([1, 0])
    assert part.scale.tolist() == [[1.0, 10.0], [6.0, 60.0]]
    assert torch.equal(part.spread_of(channels), whole.spread_of(channels))
    assert torch.equal(
        part.restricted(torch.tensor([1])).to_first(channels), whole.to_first(channels)
    )
    assert set(part.state_dict()) == set(whole.state_dict())
    moved = part.to("meta")
    assert all(value.is_meta for value in vars(moved).values() if isinstance(value, torch.Tensor))
    assert len(list(moved.buffers())) == len(list(whole.buffers())) + 1, "the units move too"
