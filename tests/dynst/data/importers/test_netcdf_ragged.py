"""Series of stations along one dimension, as CF declares them: each reading at its station."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from dynst.errors import DataError
from tests.dynst.data.importers.netcdf_files import labels, readings, take, write

HOURS = {"units": "hours since 2024-03-01", "standard_name": "time"}
PLACES = {"lat": [50.0, 51.0, 52.0], "lon": [4.0, 5.0, 6.0]}
STATION, TIME = np.array([0, 0, 0, 1, 1, 1, 2]), np.array([0, 1, 2, 1, 2, 3, 0])


def ragged(form: str, station: np.ndarray = STATION, time: np.ndarray = TIME) -> xr.Dataset:
    """Readings 0, 1, 2, … of three stations; ``station`` ascends where they are contiguous."""
    data = xr.Dataset(
        {
            "temp": ("obs", np.arange(len(station), dtype=np.float32)),
            "time": ("obs", time, HOURS),
            "name": ("station", ["a", "b", "c"], {"cf_role": "timeseries_id"}),
            **{name: ("station", values) for name, values in PLACES.items()},
        },
        attrs={"featureType": "timeSeries"},
    )
    if form == "contiguous":
        counts = np.bincount(station, minlength=3)
        return data.assign(row_size=("station", counts, {"sample_dimension": "obs"}))
    return data.assign(which=("obs", station, {"instance_dimension": "station"}))


@pytest.mark.parametrize("form", ["contiguous", "indexed"])
def test_a_ragged_array_is_read_station_by_station(tmp_path: Path, form: str) -> None:
    store, report = take(write(ragged(form), tmp_path / "f.nc"))
    nan = np.nan
    expected = [[0, nan, 6], [1, 3, nan], [2, 4, nan], [nan, 5, nan]]
    np.testing.assert_array_equal(readings(store), expected)
    assert store.sensors.ids == ("a", "b", "c")
    assert labels(store)[3] == "2024-03-01 03:00:00+00:00"
    np.testing.assert_array_equal(store.sensors.positions, np.transpose([[4, 5, 6], [50, 51, 52]]))
    assert any("3 stations × 4 times" in text for text in report.known)


@pytest.mark.parametrize("form", ["contiguous", "indexed"])
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_ragged_array_is_what_pandas_makes_of_it(
    tmp_path_factory: pytest.TempPathFactory, form: str, data: st.DataObject
) -> None:
    drawn = data.draw(st.sets(st.tuples(st.integers(0, 2), st.integers(0, 8))))
    cells = drawn | {(hour % 3, hour) for hour in range(9)}  # every hour, so that steps are even
    order = data.draw(st.permutations(sorted(cells)))
    order = sorted(order, key=lambda cell: cell[0]) if form == "contiguous" else order
    station, time = np.array(order).T
    path = tmp_path_factory.mktemp("ragged") / "f.nc"
    store, _ = take(write(ragged(form, station, time), path))
    frame = pd.DataFrame({"station": station, "time": time, "temp": np.arange(len(station))})
    table = frame.pivot(index="time", columns="station", values="temp").reindex(columns=range(3))
    np.testing.assert_array_equal(readings(store), table)


def test_fill_values_of_a_ragged_array_are_missing(tmp_path: Path) -> None:
    data = ragged("indexed")
    data["temp"].encoding = {"_FillValue": np.float32(5)}
    store, _ = take(write(data, tmp_path / "f.nc"))
    assert np.isnan(readings(store)[3]).all()


def refused(data: xr.Dataset, path: Path, match: str) -> None:
    with pytest.raises(DataError, match=match) as caught:
        take(write(data, path))
    assert "drop repeats" not in str(caught.value)


def without(**more: Any) -> xr.Dataset:
    """Readings along one dimension whose stations nothing declares."""
    return ragged("indexed").drop_vars(["which", "name", "lat", "lon"]).assign(more)


def test_ragged_arrays_that_are_no_stations_are_refused_by_name(tmp_path: Path) -> None:
    data = ragged("contiguous").assign_attrs(featureType="trajectory")
    refused(data, tmp_path / "a.nc", "ragged array of trajectory.*station × time with xarray")
    data = ragged("indexed", time=np.zeros(7, int))
    refused(data, tmp_path / "b.nc", "one reading a time.*several at 2024-03-01 00:00")
    data = ragged("contiguous")
    data["row_size"] = data["row_size"] + 1
    refused(data, tmp_path / "c.nc", "'row_size' counts 10 readings of a ragged array.* 7")


def test_series_that_nothing_declares_are_not_one_sensor(tmp_path: Path) -> None:
    clear = "ragged array.*station × time with xarray"
    refused(without(), tmp_path / "a.nc", clear)
    ascending = {"time": ("obs", np.arange(7), HOURS)}
    stations = {"station_id": ("obs", np.array(list("abababa")))}
    refused(without(**ascending, **stations), tmp_path / "b.nc", clear)
    track = {"lat": ("obs", np.arange(7.0)), "lon": ("obs", np.arange(7.0))}
    refused(without(**ascending, **track), tmp_path / "c.nc", "these move.*fixed stations")
    store, _ = take(write(without(**ascending), tmp_path / "d.nc"))
    assert store.sensors.ids == ("point",)


@pytest.mark.parametrize("samples", ["obs", "time"])
def test_times_of_each_station_are_no_common_times(tmp_path: Path, samples: str) -> None:
    dims = ("station", samples)
    times = np.array([[0, 1, 2], [1, 2, 3]])
    data = xr.Dataset(
        {"temp": (dims, np.arange(6.0).reshape(2, 3)), "when": (dims, times, HOURS)},
    )
    refused(data, tmp_path / "f.nc", "'when'.*each station times of its own.*with xarray")
