"""Times of NetCDF: calendars, units, floats and zones, against xarray and cftime."""

from datetime import datetime, timedelta
from pathlib import Path

import cftime
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from dynst.data.clock import Clock
from dynst.data.importers.formats.netcdf.times import read_cf_times
from dynst.data.importers.source import ReadOptions
from dynst.errors import DataError
from tests.dynst.data.importers.netcdf_files import field, grid, labels, take, write

SECONDS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400}
MODEL = {"noleap": "noleap", "365_day": "noleap", "360_day": "360_day", "all_leap": "all_leap"}
MODEL |= {"366_day": "all_leap", "julian": "julian"}


def times(values: object, units: str, **attributes: str) -> tuple[str, np.ndarray, dict[str, str]]:
    return ("time", np.asarray(values), {"units": units, **attributes})


def test_times_without_a_zone_are_utc_and_said_so(tmp_path: Path) -> None:
    store, report = take(write(grid(), tmp_path / "a.nc"))
    assert store.manifest.clock == Clock(zone="UTC")
    assert labels(store)[1] == "2024-03-01 01:00:00+00:00"
    assert any("UTC as CF has it" in text and "--zone" in text for text in report.assumed)


def test_the_zone_that_the_user_names_wrote_the_times(tmp_path: Path) -> None:
    file = write(grid(), tmp_path / "a.nc")
    store, report = take(file, ReadOptions(zone="Asia/Tokyo"))
    assert labels(store)[0] == "2024-03-01 00:00:00+09:00"
    assert not any("UTC as CF" in text for text in report.assumed)


@pytest.mark.parametrize(
    ("zone", "utc"),
    [
        ("+02:00", "2024-02-29 22:00"),
        ("-6:00", "2024-03-01 06:00"),
        ("+0530", "2024-02-29 18:30"),
        ("Z", "2024-03-01 00:00"),
        ("UTC", "2024-03-01 00:00"),
    ],
)
def test_the_offset_of_the_reference_counts(tmp_path: Path, zone: str, utc: str) -> None:
    """cftime and xarray drop an offset of one digit without a word."""
    data = grid(time=times(np.arange(12), f"hours since 2024-03-01 00:00 {zone}"))
    store, report = take(write(data, tmp_path / "a.nc"))
    assert labels(store)[0] == f"{utc}:00+00:00"
    assert "times are UTC, as their units say" in report.known


@pytest.mark.parametrize(
    ("units", "reason"),
    [
        ("hours since 2024-03-01 00:00 EST", "must be such as"),
        ("fortnights since 2024-03-01", "must be such as"),
        ("hours since 2024-02-30", "has no such date"),
        ("days since 0000-01-01", "no year 0"),
    ],
)
def test_units_that_tell_no_time_are_refused(tmp_path: Path, units: str, reason: str) -> None:
    data = grid(time=times(np.arange(12), units))
    with pytest.raises(DataError, match=reason) as refusal:
        take(write(data, tmp_path / "a.nc"))
    assert units in str(refusal.value)


def test_an_unknown_calendar_is_named(tmp_path: Path) -> None:
    data = grid(time=times(np.arange(12), "days since 2024-03-01", calendar="mayan"))
    with pytest.raises(DataError, match=r"calendar 'mayan'.*360_day"):
        take(write(data, tmp_path / "a.nc"))


@pytest.mark.parametrize("calendar", MODEL)
def test_model_calendars_have_their_own_dates(tmp_path: Path, calendar: str) -> None:
    days = np.arange(60)
    data = grid(field(60, 3, 4), time=times(days, "days since 2023-02-01", calendar=calendar))
    store, _ = take(write(data, tmp_path / "a.nc"))
    right = cftime.num2date(days, "days since 2023-02-01", calendar)
    assert labels(store) == [moment.isoformat(" ") for moment in right]
    assert store.manifest.clock == Clock(calendar=MODEL[calendar])
    assert (store.manifest.step, store.manifest.clock.unit) == (86_400, "second")


@pytest.mark.parametrize("calendar", ["standard", "gregorian", "proleptic_gregorian"])
def test_the_calendar_of_datetimes(tmp_path: Path, calendar: str) -> None:
    days = np.arange(60)
    data = grid(field(60, 3, 4), time=times(days, "days since 2024-02-01", calendar=calendar))
    store, _ = take(write(data, tmp_path / "a.nc"))
    right = xr.open_dataset(tmp_path / "a.nc", engine="h5netcdf")["time"].to_numpy()
    np.testing.assert_array_equal(store.readings.time, right.astype("datetime64[s]").astype(int))


def test_old_dates_of_the_mixed_calendar_are_refused(tmp_path: Path) -> None:
    data = grid(time=times(np.arange(12), "days since 1500-01-01", calendar="standard"))
    with pytest.raises(DataError, match="1582"):
        take(write(data, tmp_path / "a.nc"))


@pytest.mark.parametrize(
    ("units", "values", "first", "step"),
    [
        ("months since 2020-01-01", np.arange(24), "2020-01", 1),
        ("months since 1960-01-01", np.arange(24) + 0.5, "1960-01", 1),
        ("month since 2020-11-01", np.arange(24), "2020-11", 1),
        ("years since 1990-01-01", np.arange(24), "1990-01", 12),
    ],
)
def test_months_and_years_are_those_of_the_calendar(
    tmp_path: Path, units: str, values: np.ndarray, first: str, step: int
) -> None:
    data = grid(field(24, 3, 4), time=times(values, units))
    store, report = take(write(data, tmp_path / "a.nc"))
    assert (store.manifest.start, store.manifest.step) == (first, step)
    assert store.manifest.clock.unit == "month"
    assert any("calendar" in text for text in report.assumed)


def test_parts_of_months_are_refused(tmp_path: Path) -> None:
    data = grid(time=times(np.arange(12) * 0.25, "months since 2020-01-01"))
    with pytest.raises(DataError, match="no fixed length"):
        take(write(data, tmp_path / "a.nc"))


def test_monthly_means_at_days_become_months(tmp_path: Path) -> None:
    starts = [0, 31, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335]
    data = grid(time=times(starts, "days since 2024-01-01"))
    store, _ = take(write(data, tmp_path / "a.nc"))
    assert labels(store) == [f"2024-{month:02d}" for month in range(1, 13)]


def test_whole_numbers_without_units_count(tmp_path: Path) -> None:
    file = write(grid(time=("time", np.arange(12))), tmp_path / "a.nc")
    store, report = take(file)
    assert (store.manifest.clock.unit, store.readings.time.tolist()) == ("step", list(range(12)))
    assert any("count steps" in text for text in report.assumed)
    store, _ = take(file, ReadOptions(start=datetime(2020, 1, 1), step=timedelta(hours=3)))
    assert labels(store)[:2] == ["2020-01-01 00:00:00", "2020-01-01 03:00:00"]


def test_a_start_in_place_of_true_times_is_refused(tmp_path: Path) -> None:
    options = ReadOptions(start=datetime(2020, 1, 1), step=timedelta(hours=3))
    with pytest.raises(DataError, match="--start had no effect"):
        take(write(grid(), tmp_path / "a.nc"), options)


def test_texts_are_read_as_times(tmp_path: Path) -> None:
    stamps = [f"2005-08-28_{hour:02d}:00:00" for hour in range(12)]
    data = grid(time=("time", stamps))
    file = write(data, tmp_path / "a.nc")
    for form in (None, "%Y-%m-%d_%H:%M:%S"):
        store, _ = take(file, ReadOptions(time_format=form))
        assert labels(store)[1] == "2005-08-28 01:00:00"


def test_times_beside_a_dimension_without_values(tmp_path: Path) -> None:
    data = grid().drop_vars("time").rename(time="Time")
    data["Times"] = ("Time", np.array([f"2005-08-28 {hour:02d}:00" for hour in range(12)], "S16"))
    store, report = take(write(data, tmp_path / "a.nc"))
    assert labels(store)[1] == "2005-08-28 01:00:00"
    assert any("those of 'Times'" in text for text in report.known)


def test_a_step_without_a_time_is_named(tmp_path: Path) -> None:
    values = np.arange(12.0)
    values[7] = np.nan
    data = grid(time=times(values, "hours since 2024-03-01"))
    with pytest.raises(DataError, match="'time' has none at step 7"):
        take(write(data, tmp_path / "a.nc"))


@pytest.mark.parametrize("minutes", [30, 60, 180, 1440])
def test_float32_days_are_snapped_to_their_step(tmp_path: Path, minutes: int) -> None:
    exact = 45_350 + np.arange(72) * minutes / 1440
    data = grid(field(72, 3, 4), time=times(exact.astype(np.float32), "days since 1900-01-01"))
    store, report = take(write(data, tmp_path / "a.nc"))
    assert (np.diff(store.readings.time) == 60 * minutes).all()
    assert labels(store)[0] == "2024-03-01 00:00:00+00:00"
    assert minutes == 1440 or any("exact to 338 s only" in text for text in report.assumed)


def test_float32_days_of_short_steps_are_refused_and_can_be_counted(tmp_path: Path) -> None:
    exact = 45_350 + np.arange(72) * 7 / 1440
    data = grid(field(72, 3, 4), time=times(exact.astype(np.float32), "days since 1900-01-01"))
    with pytest.raises(DataError, match=r"338 s only.*--start and --step"):
        take(write(data, tmp_path / "a.nc"))
    options = ReadOptions(start=datetime(2024, 3, 1), step=timedelta(minutes=7))
    store, _ = take(tmp_path / "a.nc", options)
    assert (np.diff(store.readings.time) == 420).all()


def test_whole_numbers_kept_as_float32_are_exact(tmp_path: Path) -> None:
    data = grid(time=times(np.arange(12, dtype="f4") + 45_350, "days since 1900-01-01"))
    store, report = take(write(data, tmp_path / "a.nc"))
    assert labels(store)[1] == "2024-03-02 00:00:00+00:00"
    assert not any("exact to" in text for text in report.assumed)


def test_times_beyond_all_dates_are_refused(tmp_path: Path) -> None:
    data = grid(time=times(np.arange(12) + 10**14, "days since 1900-01-01"))
    with pytest.raises(DataError, match="which is no date"):
        take(write(data, tmp_path / "a.nc"))


def test_tenths_of_a_second_are_refused(tmp_path: Path) -> None:
    data = grid(time=times(np.arange(12) / 10, "seconds since 2024-03-01"))
    with pytest.raises(DataError, match="closer to each other than a second"):
        take(write(data, tmp_path / "a.nc"))


@given(
    unit=st.sampled_from(sorted(SECONDS)),
    year=st.integers(1850, 2050),
    step=st.integers(1, 200),
    first=st.integers(0, 10**5),
    calendar=st.sampled_from(["standard", "proleptic_gregorian", *MODEL]),
    dtype=st.sampled_from(["i4", "i8", "f8"]),
)
def test_every_reference_gives_the_dates_of_cftime(
    unit: str, year: int, step: int, first: int, calendar: str, dtype: str
) -> None:
    values = (first + step * np.arange(5)).astype(dtype)
    units = f"{unit} since {year}-01-01 00:00:00"
    variable = xr.Variable(("time",), values, {"units": units, "calendar": calendar})
    time, clock, _ = read_cf_times(variable, "time", ReadOptions())
    right = cftime.num2date(values, units, calendar)
    texts = [moment.isoformat(" ") for moment in right]
    assert [label.removesuffix("+00:00") for label in clock.labels(time)] == texts


@given(
    start=st.integers(0, 60_000),
    every=st.sampled_from([60, 90, 300, 420, 900, 3600, 86_400]),
    unit=st.sampled_from(["hours", "days"]),
)
def test_float64_noise_is_no_part_of_a_time(start: int, every: int, unit: str) -> None:
    seconds = start * 86_400 + every * np.arange(500)
    variable = xr.Variable(
        ("time",), seconds / SECONDS[unit], {"units": f"{unit} since 1900-01-01"}
    )
    time, _, findings = read_cf_times(variable, "time", ReadOptions())
    epoch = int((np.datetime64("1900-01-01", "s") - np.datetime64("1970-01-01", "s")).astype(int))
    np.testing.assert_array_equal(time - epoch, seconds)
    assert not any("rounded" in finding.text for finding in findings)


@given(
    start=st.integers(30_000, 60_000),
    every=st.integers(1, 2_000),
)
def test_float32_gives_the_exact_times_or_none(start: int, every: int) -> None:
    """Never wrong in silence: what is snapped is what was meant."""
    seconds = start * 86_400 + 60 * every * np.arange(60)
    variable = xr.Variable(
        ("time",),
        (seconds / 86_400).astype(np.float32),
        {"units": "days since 1900-01-01"},
    )
    epoch = int((np.datetime64("1900-01-01", "s") - np.datetime64("1970-01-01", "s")).astype(int))
    try:
        time, _, _ = read_cf_times(variable, "time", ReadOptions())
    except DataError as error:
        refused = str(error)
    else:
        refused = ""
        np.testing.assert_array_equal(time - epoch, seconds)
    assert not refused or "--start and --step" in refused
