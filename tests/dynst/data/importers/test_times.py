"""A column of times: one way to read it, known from the whole of it, or refused."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dynst.data.clock import COUNTED
from dynst.data.importers.source import Months, ReadOptions, step_times
from dynst.data.importers.times.reader import read_times, times_of
from dynst.errors import DataError

FORMATS = (
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M",
    "%Y/%m/%d %H:%M",
    "%Y%m%d %H:%M",
    "%Y%m%d%H",
    "%Y%m%d%H%M",
    "%Y%m%d%H%M%S",
    "%d.%m.%Y %H:%M",
    "%d/%m/%Y %H:%M:%S",
    "%m/%d/%Y %I:%M %p",
    "%d-%b-%Y %H:%M",
    "%b %d, %Y %H:%M",
    "%d %B %Y %H:%M",
    "%a, %d %b %Y %H:%M:%S GMT",
    "%Y-%j %H:%M",
    "%G-W%V-%u %H:%M",
)
START = st.datetimes(
    min_value=pd.Timestamp("1980-01-01").to_pydatetime(),
    max_value=pd.Timestamp("2060-01-01").to_pydatetime(),
)


def labels(values: object, **options: object) -> list[str]:
    time, reader = times_of(values, ReadOptions(**options))  # type: ignore[arg-type]
    return reader.clock.labels(time)


def seconds(times: pd.DatetimeIndex) -> list[int]:
    return times.to_numpy().astype("datetime64[s]").astype(np.int64).tolist()


@settings(max_examples=150, deadline=None)
@given(form=st.sampled_from(FORMATS), start=START, hours=st.sampled_from([1, 7, 24]))
def test_every_way_to_write_times_is_read(form: str, start: pd.Timestamp, hours: int) -> None:
    """Series of over a month, so that day and month tell each other apart."""
    times = pd.date_range(
        pd.Timestamp(start).floor("h"), periods=45 * 24 // hours, freq=f"{hours}h"
    )
    found, _ = times_of(times.strftime(form), ReadOptions())
    assert found.tolist() == seconds(times)


@settings(max_examples=100, deadline=None)
@given(
    start=START,
    separator=st.sampled_from("./-"),
    day_first=st.booleans(),
    days=st.integers(1, 60),
    cut=st.integers(1, 10),
)
def test_day_and_month_are_told_apart_by_the_whole_file_or_asked(
    start: pd.Timestamp, separator: str, day_first: bool, days: int, cut: int
) -> None:
    """However the file is cut into parts: one order for all of it, the right one, or a question."""
    form = separator.join(["%d", "%m", "%Y"] if day_first else ["%m", "%d", "%Y"])
    other = separator.join(["%m", "%d", "%Y"] if day_first else ["%d", "%m", "%Y"])
    times = pd.date_range(pd.Timestamp(start).floor("D"), periods=days, freq="D")
    texts = pd.Series(times.strftime(form))

    def parts() -> Iterator[pd.Series]:
        return (texts[first : first + cut] for first in range(0, len(texts), cut))

    undecided = pd.to_datetime(texts, format=other, errors="coerce").notna().all()
    if undecided:
        with pytest.raises(DataError, match=r"may be .* or .*--day-first or --month-first"):
            read_times(parts, ReadOptions())
    else:
        reader = read_times(parts, ReadOptions())
        found = np.concatenate([reader.read(part) for part in parts()])
        assert found.tolist() == seconds(times)
    told, _ = times_of(texts, ReadOptions(day_first=day_first))
    assert told.tolist() == seconds(times)


@settings(max_examples=100, deadline=None)
@given(
    start=START.filter(lambda moment: moment.year < 2033),
    unit=st.sampled_from(["s", "ms", "us", "ns"]),
    text=st.booleans(),
    step=st.sampled_from([1, 60, 3600]),
)
def test_epochs_by_their_plausible_year(
    start: pd.Timestamp, unit: str, text: bool, step: int
) -> None:
    times = pd.date_range(pd.Timestamp(start).floor("s"), periods=5, freq=f"{step}s")
    numbers = np.array(seconds(times)) * {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    cells = numbers.astype(str) if text else numbers
    texts = pd.Series(numbers.astype(str))
    dates = pd.to_datetime(texts, format="%y%m%d%H%M", errors="coerce")
    dates = dates.where(texts.str.len() == 10)  # pandas reads parts of one digit too
    if unit == "s" and dates.notna().all():
        with pytest.raises(DataError, match=rf"may be dates .* since 1970 .*{times[0]:%Y-%m-%d}"):
            times_of(cells, ReadOptions())
    found, reader = times_of(cells, ReadOptions(time_format=f"epoch-{unit}"))
    if not dates.notna().all():
        found, reader = times_of(cells, ReadOptions())
    assert found.tolist() == seconds(times)
    assert reader.clock.zone == "UTC"


def test_seconds_that_may_be_dates_are_asked_about() -> None:
    numbers = np.array([1408030020, 1408030021])
    with pytest.raises(DataError, match=r"2014-08-03 00:20\) or seconds since .*2014-08-14 15:27"):
        times_of(numbers, ReadOptions())


@pytest.mark.parametrize("as_text", [True, False])
@pytest.mark.parametrize(
    ("numbers", "first"),
    [
        ([20240301, 20240302], "2024-03-01 00:00:00"),
        ([2024030100, 2024030101], "2024-03-01 00:00:00"),
        ([202403010030, 202403010100], "2024-03-01 00:30:00"),
        ([20240301003015, 20240301003020], "2024-03-01 00:30:15"),
        ([202403, 202404], "2024-03-01 00:00:00"),
        ([2024, 2025], "2024-01-01 00:00:00"),
        ([2024030124, 2024030201], "2024-03-02 00:00:00"),
    ],
)
def test_compact_dates(numbers: list[int], first: str, as_text: bool) -> None:
    assert labels([str(number) for number in numbers] if as_text else numbers)[0] == first


def test_counts_become_times_where_the_start_is_known() -> None:
    options = ReadOptions(
        start=datetime(2024, 3, 31, 1), step=timedelta(hours=1), zone="Europe/Berlin"
    )
    reader = read_times(lambda: [[5, 6, 7]], options)
    found = np.concatenate([reader.read([5, 6, 7]), reader.read([8])])
    assert reader.clock.labels(found) == [
        f"2024-03-31 0{hour}:00:00{offset}"
        for hour, offset in ((1, "+01:00"), (3, "+02:00"), (4, "+02:00"), (5, "+02:00"))
    ]
    assert not options.unused()


def test_steps_of_months_where_the_form_has_no_times() -> None:
    options = ReadOptions(start=datetime(1895, 1, 1), step=Months(1))
    time, clock, _ = step_times(15, options)
    assert clock.labels(time)[-1] == "1896-03"
    counted, reader = times_of([1, 2, 3], options)
    assert reader.clock.labels(counted) == ["1895-01", "1895-02", "1895-03"]
    assert not options.unused()


def test_numbers_that_count_steps_are_counts() -> None:
    time, reader = times_of([0, 1, 2, 3], ReadOptions())
    assert (time.tolist(), reader.clock) == ([0, 1, 2, 3], COUNTED)
    assert "count steps" in reader.findings[0].text


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([45352.0, 45352.5], "days of Excel.*2024-03-01.*--time-format excel"),
        ([0, 300, 600], "neither dates nor epochs.*--time-format"),
        (["00:30", "01:00"], "'00:30' has no date.*--time-column"),
        (["03-01 00:00"], "'03-01 00:00' has no year"),
        ([" 03/01  01:00:00"], "has no year"),
        (["2024-03-01 00:00 EST"], "'EST', which give no offset.*--zone"),
        (["2024-03-01", "Total"], "one is 'Total'"),
        (["2024-03-01", "now"], "one is 'now'"),
        (["2024-03-01", "Today"], "one is 'Today'"),
        (
            ["2024-03-01 01:00", "2024-03-01 25:00"],
            "'2024-03-01 25:00' in row 2 .* is none: its hour is 25; mend it$",
        ),
        (["2024-03-01", ""], "row 2 below the header has none"),
        (
            ["13/03/2024", "03/13/2024"],
            "'03/13/2024' in row 2 .*: its month would be 13; mend it, or say --month-first",
        ),
        (
            ["2024-02-29", "2023-02-29"],
            "'2023-02-29' in row 2 .* is none: February 2023 has 28 days; mend it$",
        ),
        ([20240301, 20240332], "'20240332' in row 2 .* is none: March has 31 days; mend it$"),
        (
            ["30/06/2024", "31/06/2024"],
            "'31/06/2024' in row 2 .* is none: June has 30 days; mend it$",
        ),
        (["30.06.2024 00:00", "30.06.2024 10:60"], "is none: its minute is 60; mend it$"),
        ([2403011200, 2403011210], "--time-format %y%m%d%H%M"),
        ([240301120000, 240301121000], "--time-format %y%m%d%H%M%S"),
        ([200101, 200102], "--time-format %y%m%d"),
        ([1012202400, 1012202401], "--time-format %d%m%Y%H"),
        ([45292, 45293, 45294], "--time-format excel"),
        ([738886, 738887], "neither dates nor epochs"),
        ([1_700_000_000, 1_700_000_060, 1_700_000_000_000], "neither dates nor epochs"),
        (["2024-03-30 23:00 GMT", "2024-03-31 02:00 BST"], "'BST' and 'GMT'.*--zone"),
        (["2024-03-01 00:00Z", "2024-03-01 06:00"], "one is '2024-03-01 06:00'"),
        (["2024-03-01 00:00", "2024-03-01 06:00Z"], "one is '2024-03-01 06:00Z'"),
        (["01.01.2024", "02.01.2024"], "'02.01.2024' may be 2024-01-02 or 2024-02-01"),
    ],
)
def test_what_is_no_time_is_named(values: list[object], words: str) -> None:
    with pytest.raises(DataError, match=words):
        times_of(values, ReadOptions())


@pytest.mark.parametrize(
    ("values", "options", "wanted"),
    [
        ([45352.0, 45352.5], {"time_format": "excel"}, "2024-03-01 12:00:00"),
        (["01|03|24"], {"time_format": "%d|%m|%y"}, "2024-03-01 00:00:00"),
        (["01/03/24"], {"day_first": True}, "2024-03-01 00:00:00"),
        (["01/03/24"], {"day_first": False}, "2024-01-03 00:00:00"),
        (["2024-03-01 00:00 EST"], {"zone": "America/New_York"}, "2024-03-01 00:00:00-05:00"),
        (["2024-03-01"], {"zone": "+09:00"}, "2024-03-01 00:00:00+09:00"),
        ([0, 300], {"time_format": "epoch-s"}, "1970-01-01 00:05:00+00:00"),
        (["2024-03-01T00:00:00Z"], {"zone": "Asia/Tokyo"}, "2024-03-01 09:00:00+09:00"),
        (["2024-07-01 15:00 EST"], {"zone": "-05:00"}, "2024-07-01 15:00:00-05:00"),
        ([15032024], {"time_format": "%d%m%Y"}, "2024-03-15 00:00:00"),
        ([2024060], {"time_format": "%Y%j"}, "2024-02-29 00:00:00"),
        ([2403011200], {"time_format": "%y%m%d%H%M"}, "2024-03-01 12:00:00"),
    ],
)
def test_what_the_user_says_goes_first(
    values: list[object], options: dict[str, object], wanted: str
) -> None:
    time, reader = times_of(values, ReadOptions(**options))  # type: ignore[arg-type]
    assert reader.clock.label(int(time[-1])) == wanted


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        (["2024-03-01 01:00", "2024-03-01 24:00"], "2024-03-02 00:00:00"),
        (["01.02.2024 23:00", "13.02.2024"], "2024-02-13 00:00:00"),  # as R writes midnight
        (["2024-03-01 00:00:00.500", "2024-03-01 01:00:00.500"], "2024-03-01 01:00:00"),
        (["2024-03-01 01:00", "2024-03-01 02:00:30"], "2024-03-01 02:00:30"),
        (["2024Q1", "2024Q3"], "2024-07-01 00:00:00"),
        (["Fri 03/01/2024 00:00", "Fri 03/01/2024 01:00"], "2024-03-01 01:00:00"),
        (["Mon 01/01/2024", "Tue 01/02/2024"], "2024-01-02 00:00:00"),
        (["31-Dec-68", "01-Jan-69"], "1969-01-01 00:00:00"),
        (["20-Feb-65", "21-Feb-65"], "1965-02-21 00:00:00"),
    ],
)
def test_rows_may_leave_out_or_add_what_is_clear(values: list[str], wanted: str) -> None:
    assert labels(values)[-1] == wanted


def test_the_hour_that_autumn_repeats_has_two_moments() -> None:
    times = pd.date_range("2024-10-26 12:00", periods=96, freq="15min", tz="Europe/Berlin")
    wanted = seconds(times.tz_convert("UTC").tz_localize(None))
    aware, reader = times_of(times, ReadOptions())
    assert (aware.tolist(), reader.clock.zone) == (wanted, "Europe/Berlin")
    offsets, reader = times_of(times.astype(str), ReadOptions())
    assert (offsets.tolist(), reader.clock.zone) == (wanted, "UTC")
    assert "+01:00 and +02:00" in reader.findings[0].text
    named, _ = times_of(times.tz_localize(None).astype(str), ReadOptions(zone="Europe/Berlin"))
    assert named.tolist() == wanted


def test_a_local_clock_without_order_cannot_tell_the_repeated_hour() -> None:
    reader = read_times(lambda: [["2024-10-27 02:30"]], ReadOptions(zone="Europe/Berlin"))
    with pytest.raises(DataError, match="comes twice on a clock in Europe/Berlin"):
        reader.read(["2024-10-27 02:30"], ordered=False)


def test_one_offset_throughout_is_the_zone() -> None:
    _, reader = times_of(["2024-03-09 00:00:00-08:00", "2024-03-09 01:00:00-08:00"], ReadOptions())
    assert reader.clock.zone == "-08:00"


@given(
    st.sampled_from(["stop 5", "10A", "11P", "2024-1", "Main St", "A1", "12", "1e5", "x-ray"]),
)
def test_names_are_no_times(text: str) -> None:
    assume(text != "12")
    with pytest.raises(DataError):
        times_of([text], ReadOptions())


def test_a_bad_cell_is_named_with_its_row_in_any_part() -> None:
    reader = read_times(lambda: [["2024-03-01"]], ReadOptions())
    reader.read(["2024-03-01", "2024-03-02"])
    with pytest.raises(DataError, match="one is '2024/03/04' in row 4 below the header; mend it"):
        reader.read(["2024-03-03", "2024/03/04"])


def test_a_zone_that_the_names_contradict_is_refused() -> None:
    """Standard time all year is no clock in New York."""
    with pytest.raises(
        DataError, match=r"'2024-07-01 15:00 EST' would be EDT there.*--zone -05:00"
    ):
        times_of(["2024-07-01 15:00 EST"], ReadOptions(zone="America/New_York"))
    with pytest.raises(DataError, match="would be EST there"):
        times_of(["2024-01-01 15:00 EST", "2024-01-01 16:00 PST"], ReadOptions(zone="-05:00"))


def test_a_late_epoch_of_another_unit_is_named() -> None:
    reader = read_times(lambda: [[1_700_000_000, 1_700_000_060]], ReadOptions())
    reader.read([1_700_000_000, 1_700_000_060])
    for wrong in (1_700_000_120_000, 0, -1):
        with pytest.raises(DataError, match=f"one is '{wrong}'"):
            reader.read([1_700_000_120, wrong])


@pytest.mark.parametrize(
    ("values", "form", "words"),
    [
        (["30/06/2024", "31/06/2024"], "%d/%m/%Y", "is none: June has 30 days; mend it$"),
        (["1/2/24", "29/2/23"], "%d/%m/%y", "is none: February 2023 has 28 days; mend it$"),
        (["06/12/2024", "13/06/2024"], "%m/%d/%Y", "be 13; mend it, or change --time-format"),
        (["06/12/2024", "x"], "%m/%d/%Y", "must be written as '%m/%d/%Y', but one is 'x'"),
    ],
)
def test_a_format_names_what_the_calendar_lacks(values: list[str], form: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        times_of(values, ReadOptions(time_format=form))


def test_an_hour_that_a_zone_skips_is_named_with_its_row() -> None:
    times = ["2024-03-31 01:00", "2024-03-31 02:00", "2024-03-31 03:00"]
    words = r"'2024-03-31 02:00' in row 2 below the header, which does not exist there.*--zone"
    with pytest.raises(DataError, match=words):
        times_of(times, ReadOptions(zone="Europe/Berlin"))


@pytest.mark.parametrize(
    ("values", "others"),
    [([2403011200, 2403011210], "%y%m%d%H%M or epoch-s$"), ([200101, 200102], "%d, %Y%m or epoch")],
)
def test_only_formats_that_fit_are_offered(values: list[int], others: str) -> None:
    with pytest.raises(DataError, match=others):
        times_of(values, ReadOptions())
