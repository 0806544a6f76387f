"""When months are steps, and when times have no common step."""

from datetime import date

import cftime
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynst.data.clock import SECONDS, Clock
from dynst.data.time_axis import time_axis
from dynst.errors import DataError


def seconds(times: pd.DatetimeIndex) -> np.ndarray:
    return times.to_numpy().astype("datetime64[s]").astype(np.int64)


@settings(max_examples=40, deadline=None)
@given(
    start=st.dates(min_value=date(1900, 1, 1), max_value=date(2050, 1, 1)),
    months=st.sampled_from([1, 3, 6, 12]),
    anchor=st.sampled_from(["start", "middle", "end"]),
    count=st.integers(3, 60),
)
def test_months_quarters_and_years_are_steps(
    start: object, months: int, anchor: str, count: int
) -> None:
    first = pd.Period(str(start), "M")
    periods = [first + months * index for index in range(count)]
    times = {
        "start": [period.start_time for period in periods],
        "middle": [
            period.start_time + (period.end_time - period.start_time) / 2 for period in periods
        ],
        "end": [period.end_time.floor("D") for period in periods],
    }[anchor]
    axis = time_axis(seconds(pd.DatetimeIndex(times)), SECONDS)
    assert (axis.clock.unit, axis.step, axis.odd) == ("month", months, 0)
    assert axis.clock.labels(axis.time) == [str(period) for period in periods]


@pytest.mark.parametrize("days", [1, 7, 28, 30, 365])
def test_steps_of_days_stay_seconds(days: int) -> None:
    times = seconds(pd.date_range("2000-01-31", periods=40, freq=f"{days}D"))
    axis = time_axis(times, SECONDS)
    assert (axis.clock, axis.step) == (SECONDS, days * 86_400)


def test_a_missing_month_is_a_gap() -> None:
    times = pd.date_range("2000-01-01", periods=24, freq="MS").delete([5, 6])
    axis = time_axis(seconds(times), SECONDS)
    assert np.diff(axis.time).tolist().count(3) == 1
    assert axis.step == 1


def test_months_of_a_calendar_of_360_days() -> None:
    dates = [
        cftime.datetime(2000 + month // 12, month % 12 + 1, 1, calendar="360_day")
        for month in range(30)
    ]
    time = cftime.date2num(dates, "seconds since 1970-01-01", "360_day")
    axis = time_axis(np.asarray(time, np.int64), Clock(calendar="360_day"))
    assert (axis.clock.unit, axis.clock.calendar, axis.step) == ("month", "360_day", 1)
    assert axis.clock.label(int(axis.time[13])) == "2001-02"


def test_local_midnight_of_a_zone_begins_a_month() -> None:
    times = pd.date_range("2000-01-01", periods=24, freq="MS", tz="America/New_York")
    axis = time_axis(
        seconds(times.tz_convert("UTC").tz_localize(None)), Clock(zone="America/New_York")
    )
    assert axis.clock.label(int(axis.time[0])) == "2000-01"


def test_sensors_that_report_at_their_own_seconds_have_no_step() -> None:
    time = np.cumsum(np.random.default_rng(0).integers(1, 600, 500))
    with pytest.raises(DataError, match=r"differ from the most frequent one.*--resample"):
        time_axis(time, SECONDS)


def test_odd_times_are_counted() -> None:
    time = 3600 * np.arange(100)
    time[[10, 50]] += 7
    assert time_axis(time, SECONDS).odd == 4
