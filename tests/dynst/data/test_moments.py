"""What a model's caller may give as times: the inverse of the labels, and nothing that is open."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynst.data.clock import COUNTED, SECONDS, Clock
from dynst.data.moments import moments_of
from dynst.errors import DataError

CLOCKS = (
    SECONDS,
    Clock(zone="UTC"),
    Clock(zone="Europe/Berlin"),
    Clock(zone="+05:45"),
    Clock(unit="month"),
    Clock(calendar="360_day"),
    Clock(calendar="noleap"),
    COUNTED,
)


@given(clock=st.sampled_from(CLOCKS), time=st.lists(st.integers(0, 10**9), min_size=1, max_size=9))
def test_labels_are_read_again(clock: Clock, time: list[int]) -> None:
    time = [moment % 1_500 for moment in time] if clock.unit == "month" else time
    assert moments_of(clock.labels(np.array(time)), clock).tolist() == time
    assert moments_of(clock.column(np.array(time)), clock).tolist() == time


@pytest.mark.parametrize("zone", ["Europe/Berlin", "UTC", "+09:00"])
def test_a_time_without_offset_is_open_where_the_zone_is_known(zone: str) -> None:
    naive = pd.date_range("2024-03-01", periods=3, freq="h")
    for values in (naive, naive.astype(str), [*naive[:2].tz_localize(zone), naive[2]]):
        with pytest.raises(DataError, match=rf"{re.escape(zone)}.*must have its offset.*has none"):
            moments_of(values, Clock(zone=zone))


def test_offsets_may_differ_and_say_which_hour_of_an_autumn_is_meant() -> None:
    times = ["2044-10-30 02:00:00+02:00", "2044-10-30 02:00:00+01:00", "2044-10-30T02:00:00.000Z"]
    found = moments_of(times, Clock(zone="Europe/Berlin"))
    assert np.diff(found).tolist() == [3600, 3600]


@pytest.mark.parametrize("clock", [SECONDS, Clock(zone="UTC"), Clock(unit="month")])
@pytest.mark.parametrize("number", [1_701_792_000, "1701792000", 1_701_792_000.0])
def test_a_number_is_refused_with_both_dates_that_it_may_be(clock: Clock, number: object) -> None:
    seconds, milliseconds = "2023-12-05T16:00:00 if .* seconds", "1970-01-20T16:43:12 if .* milli"
    with pytest.raises(DataError, match=f"{seconds}.*{milliseconds}"):
        moments_of([number], clock)


def test_dates_that_nanoseconds_cannot_hold_are_read() -> None:
    times = np.array([-62_135_596_800, 253_402_300_799])
    assert moments_of(SECONDS.labels(times), SECONDS).tolist() == times.tolist()


def test_an_offset_is_open_where_the_zone_is_unknown() -> None:
    with pytest.raises(DataError, match="zone of the model's times is unknown"):
        moments_of(["2024-03-01 00:00:00+01:00"], SECONDS)


@pytest.mark.parametrize(
    ("values", "clock", "words"),
    [
        (["yesterday-ish"], SECONDS, "row 1 it is 'yesterday-ish'"),
        (["2024-03-01", "now"], SECONDS, "row 2 it is 'now'"),
        (["01/02/2024"], SECONDS, "it is '01/02/2024'"),
        (["2024-13-01"], SECONDS, "2024-13-01"),
        (["2024-03-01 00:00 CET"], SECONDS, "CET"),
        (["2024-03-01 24:00"], SECONDS, "24:00"),
        ([1, 2], SECONDS, "row 1 it is '1'"),
        ([pd.Timestamp("2024-03-01"), 5], SECONDS, "row 2 it is '5'"),
        (["2024-03-01", np.bool_(True)], SECONDS, "row 2 it is 'True'"),
        ([[1], {}], SECONDS, r"row 1 it is '\[1\]'"),
        ([None], SECONDS, "row 1 has none"),
        (["2024-03-01", None], Clock(calendar="noleap"), "row 2 has none"),
        (["2024-03-01", " "], SECONDS, "row 2 has none"),
        ([0, float("nan")], COUNTED, "row 2 has none"),
        (["2024-02-31"], Clock(calendar="360_day"), "360_day"),
        ([0.5], COUNTED, "count steps"),
        ([float("inf")], COUNTED, "count steps"),
        ([1e300], COUNTED, "count steps"),
        ([2**60], COUNTED, "count steps"),
        (pd.date_range("2024-03-01", periods=2), COUNTED, "count steps"),
        (["2024-03-01 00:00:00.5"], SECONDS, "whole seconds, .*00.5"),
        ([pd.Timestamp(1)], SECONDS, "whole seconds"),
    ],
)
def test_what_is_no_time_is_named(values: list[object], clock: Clock, words: str) -> None:
    with pytest.raises(DataError, match=words):
        moments_of(values, clock)
