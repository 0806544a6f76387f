"""What a model's caller may give as times: the inverse of the labels, and nothing that is open."""

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


def test_a_time_without_offset_is_open_where_the_zone_is_known() -> None:
    with pytest.raises(DataError, match=r"Europe/Berlin.*must have its offset.*has none"):
        moments_of(pd.date_range("2024-03-01", periods=3, freq="h"), Clock(zone="Europe/Berlin"))


def test_an_offset_is_open_where_the_zone_is_unknown() -> None:
    with pytest.raises(DataError, match="zone of the model's times is unknown"):
        moments_of(["2024-03-01 00:00:00+01:00"], SECONDS)


@pytest.mark.parametrize(
    ("values", "clock", "words"),
    [
        (["yesterday-ish"], SECONDS, "'yesterday-ish'"),
        (["now"], SECONDS, "one is 'now'"),
        (["01/02/2024"], SECONDS, "one is '01/02/2024'"),
        (["2024-13-01"], SECONDS, "2024-13-01"),
        ([1, 2], SECONDS, "holds numbers such as 1"),
        ([None], SECONDS, "empty"),
        (["2024-02-31"], Clock(calendar="360_day"), "360_day"),
        ([0.5], COUNTED, "count steps"),
    ],
)
def test_what_is_no_time_is_named(values: list[object], clock: Clock, words: str) -> None:
    with pytest.raises(DataError, match=words):
        moments_of(values, clock)
