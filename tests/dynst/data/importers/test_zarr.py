"""Zarr 2 and 3, as a folder and as a zip, against xarray."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from dynst.data.importers.source import ReadOptions
from dynst.errors import DataError
from tests.dynst.data.importers.netcdf_files import field, labels, readings, take


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("version", [2, 3])
def test_a_forecast_in_zarr(tmp_path: Path, version: int, zipped: bool) -> None:
    """As WeatherBench keeps it: longitude before latitude, leads as timedeltas, levels in hPa."""
    dims = ("time", "prediction_timedelta", "level", "longitude", "latitude")
    data = xr.Dataset(
        {"t": (dims, field(10, 3, 2, 4, 3))},
        {
            "time": np.datetime64("2020-01-01", "ns") + np.arange(10) * np.timedelta64(12, "h"),
            "prediction_timedelta": (np.arange(3) * np.timedelta64(6, "h")).astype(
                "timedelta64[ns]"
            ),
            "level": ("level", [500, 850], {"units": "hPa"}),
            "longitude": [0.0, 90, 180, 270],
            "latitude": [-60.0, 0, 60],
        },
    )
    data.to_zarr(tmp_path / "f.zarr", zarr_format=version)
    path = tmp_path / "f.zarr"
    if zipped:
        path = Path(shutil.make_archive(str(path), "zip", path))
    with pytest.raises(DataError, match=r"0, 6, 12 hours.*500, 850 hPa"):
        take(path)
    chosen = (("prediction_timedelta", "6h"), ("level", "85000Pa"))
    store, _ = take(path, ReadOptions(select=chosen))
    right = data["t"].sel(prediction_timedelta=np.timedelta64(6, "h"), level=850)
    np.testing.assert_array_equal(readings(store), right.to_numpy().reshape(10, -1))
    assert labels(store)[1] == "2020-01-01 12:00:00+00:00"
    assert store.sensors.positions is not None
    assert store.sensors.positions[:4].tolist() == [[0, -60], [0, 0], [0, 60], [90, -60]]
    assert len(store.edges) == 2 * (4 * 3 + 4 * 2 + 4 * 2 * 2)  # joined at 360°


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("version", [2, 3])
def test_variables_of_zarr_come_by_the_alphabet(tmp_path: Path, version: int) -> None:
    """Zarr has no order of its own: what is taken must not depend on how a disk lists it."""
    names = ["v", "b", "u", "a", "z", "m"]
    dims = ("time", "station")
    data = xr.Dataset(
        {name: (dims, field(4, 3) + number) for number, name in enumerate(names)},
        {"time": np.datetime64("2020-01-01", "ns") + np.arange(4) * np.timedelta64(1, "h")},
    )
    data.to_zarr(tmp_path / "f.zarr", zarr_format=version)
    store, _ = take(tmp_path / "f.zarr")
    assert store.channel_names == sorted(names)
    for channel, name in enumerate(sorted(names)):
        np.testing.assert_array_equal(readings(store, channel), data[name])


@pytest.mark.filterwarnings("ignore")
def test_a_fill_value_of_zero_is_said(tmp_path: Path) -> None:
    """Zarr 2 has it where nobody chose one, and xarray takes zeros for missing."""
    values = field(4, 3)
    values[1, 1] = 0
    data = xr.Dataset(
        {"v": (("time", "station"), values)},
        {"time": np.datetime64("2020-01-01", "ns") + np.arange(4) * np.timedelta64(1, "h")},
    )
    data.to_zarr(tmp_path / "f.zarr", zarr_format=2, encoding={"v": {"_FillValue": 0}})
    store, report = take(tmp_path / "f.zarr")
    assert np.isnan(readings(store)[1, 1])
    assert any("0 is missing in v" in text for text in report.assumed)
