"""The clock of a store against zoneinfo and cftime."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import cftime
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynst.data.clock import COUNTED, SECONDS, Clock, step_text
from dynst.errors import DataError

ZONES = (
    "Europe/Berlin",
    "America/Los_Angeles",
    "Australia/Lord_Howe",  # shifts by half an hour
    "Asia/Kathmandu",
    "America/Sao_Paulo",
    "Africa/Casablanca",
)
FIRST, LAST = (int(datetime(year, 1, 2, tzinfo=UTC).timestamp()) for year in (1950, 2099))


@settings(max_examples=60, deadline=None)
@given(zone=st.sampled_from(ZONES), time=st.lists(st.integers(FIRST, LAST), min_size=1))
def test_local_times_are_those_of_zoneinfo(zone: str, time: list[int]) -> None:
    local = Clock(zone=zone).local(np.array(time))
    offsets = [datetime.fromtimestamp(second, ZoneInfo(zone)).utcoffset() for second in time]
    wanted = [
        second + int((offset or timedelta()).total_seconds())
        for second, offset in zip(time, offsets, strict=True)
    ]
    assert local.tolist() == wanted


@settings(max_examples=60, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    start=st.integers(FIRST, LAST),
    step=st.sampled_from([300, 900, 3600]),
)
def test_an_ordered_series_comes_back_from_its_local_times(
    zone: str, start: int, step: int
) -> None:
    """A whole year, both changes of the offset within it."""
    clock, time = Clock(zone=zone), start - start % 3600 + step * np.arange(366 * 86_400 // step)
    assert np.array_equal(clock.from_local(clock.local(time)), time)


def test_parts_of_a_series_go_on_where_the_one_before_ended() -> None:
    clock = Clock(zone="Europe/Berlin")
    time = int(datetime(2024, 10, 26, 20, tzinfo=UTC).timestamp()) + 900 * np.arange(40)
    local = clock.local(time)
    for cut in range(1, 40):
        first = clock.from_local(local[:cut])
        rest = clock.from_local(local[cut:], int(first[-1]))
        assert np.array_equal(np.concatenate([first, rest]), time)


def test_a_local_time_that_spring_skips_is_refused() -> None:
    skipped = int(datetime(2024, 3, 31, 2, 30, tzinfo=UTC).timestamp())
    with pytest.raises(DataError, match=r"2024-03-31T02:30:00 does not exist there.*--zone"):
        Clock(zone="Europe/Berlin").from_local(np.array([skipped]))


@pytest.mark.parametrize("calendar", ["noleap", "all_leap", "360_day", "julian"])
def test_labels_of_a_model_calendar_are_those_of_cftime(calendar: str) -> None:
    time = 86_400 * np.arange(0, 20_000, 37)
    dates = cftime.num2date(time, "seconds since 1970-01-01", calendar)
    labels = Clock(calendar=calendar).labels(time)  # type: ignore[arg-type]
    assert labels == [date.strftime("%Y-%m-%d %H:%M:%S") for date in dates]
    assert calendar != "360_day" or any("-02-30" in label for label in labels)


@pytest.mark.parametrize(
    ("clock", "time", "label"),
    [
        (SECONDS, 1709251200, "2024-03-01 00:00:00"),
        (Clock(zone="UTC"), 1709251200, "2024-03-01 00:00:00+00:00"),
        (Clock(zone="Asia/Tokyo"), 1709251200, "2024-03-01 09:00:00+09:00"),
        (Clock(zone="-03:30"), 1709251200, "2024-02-29 20:30:00-03:30"),
        (Clock(unit="month"), 650, "2024-03"),
        (Clock(unit="month"), -1, "1969-12"),
        (COUNTED, 7, "7"),
    ],
)
def test_labels(clock: Clock, time: int, label: str) -> None:
    assert clock.label(time) == label


@pytest.mark.parametrize("zone", ["Nowhere/Atall", "../etc/passwd", "+9", "CESTX", ""])
def test_a_zone_that_nobody_knows_is_refused(zone: str) -> None:
    with pytest.raises(ValueError, match=r"zone|offset"):
        Clock(zone=zone)


@pytest.mark.parametrize(
    ("step", "unit", "text"),
    [
        (900, "second", "15 min"),
        (86_400, "second", "1 d"),
        (90, "second", "90 s"),
        (3, "month", "3 months"),
        (12, "month", "1 year"),
        (1, "step", "1 step"),
    ],
)
def test_steps_in_words(step: int, unit: str, text: str) -> None:
    assert step_text(step, unit) == text  # type: ignore[arg-type]
