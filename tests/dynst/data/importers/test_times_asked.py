"""Times that may be read in two ways, or are of another calendar: asked about, never guessed."""

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynst.data.importers.source import ReadOptions
from dynst.data.importers.times.reader import read_times, times_of
from dynst.errors import DataError

MONTHS = ["2000-01", "2000-02", "2000-03"]


def labels(values: object, name: str = "", **options: object) -> list[str]:
    reader = read_times(lambda: [values], ReadOptions(**options), name=name)  # type: ignore[arg-type]
    return reader.clock.labels(reader.read(values))


@given(
    first=st.integers(1990, 2005),
    count=st.integers(1, 6),
    sign=st.sampled_from("/-"),
    rows=st.booleans(),
)
def test_a_year_and_its_successor_is_asked_about(
    first: int, count: int, sign: str, rows: bool
) -> None:
    years = range(2000 + first % 10, 2000 + first % 10 + min(count, 11 - first % 10))
    cells = [f"{year}{sign}{(year + 1) % 100:02d}" for year in years for _ in range(1 + rows)]
    with pytest.raises(DataError, match=r"may be the month .* or the year from .*--time-format"):
        times_of(cells, ReadOptions())
    found = labels(cells, time_format=f"%Y{sign}%m")
    assert found == [f"{cell.replace(sign, '-')}-01 00:00:00" for cell in cells]


def test_months_that_go_on_are_months() -> None:
    assert [label[:7] for label in labels(MONTHS)] == MONTHS
    parts = [[month] for month in MONTHS]  # the first alone may be a year
    assert read_times(lambda: parts, ReadOptions()).read(MONTHS).size == 3


@pytest.mark.parametrize(
    "cells",
    [
        [f"{day}/03/2567" for day in range(12, 16)],
        [f"2567-03-{day}" for day in range(10, 16)],
        [f"1403-01-{day:02d}" for day in range(1, 6)],
        pd.to_datetime([f"2567-03-{day}" for day in range(10, 16)]).as_unit("s"),
    ],
)
@pytest.mark.parametrize("explicit", [False, True])
def test_years_of_other_calendars_are_refused(cells: object, explicit: bool) -> None:
    forms = {"/": "%d/%m/%Y", "-": "%Y-%m-%d"}
    first = str(pd.Series(cells).iloc[0])
    form = forms["/" if "/" in first else "-"] if explicit and isinstance(cells, list) else None
    with pytest.raises(DataError, match=r"1600 to 2199.*convert the years"):
        times_of(cells, ReadOptions(time_format=form))


@pytest.mark.parametrize("year", [1600, 1850, 2100, 2199])
def test_old_series_and_projections_are_read(year: int) -> None:
    assert labels([f"{year}-03-01", f"{year}-03-02"])[0].startswith(f"{year}-03-01")


@pytest.mark.parametrize(
    ("form", "cell", "absent"),
    [
        ("%m-%d %H:%M", "03-01 12:00", "a year"),
        ("%H:%M", "12:00", "a year"),
        ("%%Y %H:%M", "%Y 12:00", "a year"),
        ("%Y %H:%M", "2024 12:00", "a day"),
        ("%Y-%m %H:%M", "2024-03 12:00", "a day"),
        ("%Y %d", "2024 12", "a month"),
        ("%a %H:%M %Y", "Mon 12:00 2024", "a day"),
        ("%Y-%U", "2024-12", "a day of the week"),
    ],
)
def test_a_format_without_a_whole_date_is_refused(form: str, cell: str, absent: str) -> None:
    with pytest.raises(DataError, match=f"--time-format must tell .*lacks {absent};"):
        times_of([cell], ReadOptions(time_format=form))


@pytest.mark.parametrize(
    ("form", "cell"),
    [
        ("%Y", "2024x"[:4]),
        ("%Y/%m", "2024/03"),
        ("%y-%b", "24-Mar"),
        ("%Y day %j", "2024 day 61"),
        ("%G-%V-%u", "2024-10-1"),
        ("%Y-%U-%w", "2024-10-1"),
        ("%d.%m.%y %I %p", "01.03.24 11 PM"),
    ],
)
def test_a_format_of_whole_dates_is_taken(form: str, cell: str) -> None:
    assert labels([cell], time_format=form)[0].startswith("2024")


@pytest.mark.parametrize(
    ("values", "name"),
    [
        (np.arange(1800, 2000, 10), "time"),
        (np.arange(1800, 2000, 5), ""),
        (np.arange(1800, 1820), "time_s"),
        (np.arange(1800, 1820), "elapsed"),
    ],
)
def test_numbers_that_may_be_elapsed_are_asked_about(values: np.ndarray, name: str) -> None:
    with pytest.raises(DataError, match=r"may be years, or time elapsed.*%Y.*count"):
        labels(values, name)
    assert labels(values, name, time_format="%Y")[0] == "1800-01-01 00:00:00"
    start, step = datetime(2024, 1, 1), timedelta(minutes=1)
    counted = labels(values, name, time_format="count", start=start, step=step)
    assert counted[1] == str(start + step * int(values[1] - values[0]))


def test_years_by_their_name_are_known_and_others_assumed() -> None:
    decades = read_times(lambda: [np.arange(1800, 2000, 10)], ReadOptions(), name="Year")
    assert [finding.certainty for finding in decades.findings] == ["known"]
    years = read_times(lambda: [np.arange(1990, 2000)], ReadOptions(), name="time")
    assert [finding.certainty for finding in years.findings] == ["assumed"]
