"""Every real NetCDF, Zarr and HDF file that is at hand gives what xarray or pandas reads."""

import zipfile
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tests.conftest import shared_data
from tests.dynst.data.importers.netcdf_files import take

SHARED = shared_data()
GRIDS = sorted(SHARED.glob("**/*.nc")) + sorted(SHARED.glob("**/*.zarr.zip"))
FRAMES = sorted(SHARED.glob("graph/**/*.h5"))
TAXI = sorted(SHARED.glob("formats/taxibj*/*.h5"))
MOST_STEPS = 400  # compared, all over the series

pytestmark = pytest.mark.skipif(not SHARED.exists(), reason="no shared data here")


def linked(path: Path, folder: Path) -> Path:
    """The file in a folder of the test, beside which a store can be written."""
    (folder / path.name).symlink_to(path)
    return folder / path.name


@pytest.mark.parametrize("path", GRIDS, ids=lambda path: path.name)
def test_a_real_grid(path: Path, tmp_path: Path) -> None:
    if path.suffix == ".zip":
        zipfile.ZipFile(path).extractall(tmp_path / "raw.zarr")
        data = xr.open_zarr(tmp_path / "raw.zarr", chunks=None, consolidated=False)
    else:
        data = xr.open_dataset(path, engine="h5netcdf" if h5py.is_hdf5(path) else "scipy")
    store, _ = take(linked(path, tmp_path))
    name = store.channel_names[0]
    rows = np.unique(np.linspace(0, len(data["time"]) - 1, MOST_STEPS).astype(int))
    if data[name][0].size > 100_000:
        rows = rows[::10]
    right = data[name].transpose("time", ...).isel(time=rows).to_numpy().reshape(len(rows), -1)
    kept = np.where(store.readings.observed[rows, :, 0], store.readings.values[rows, :, 0], np.nan)
    np.testing.assert_array_equal(kept, right.astype(np.float32))
    times = data["time"].to_numpy().astype("datetime64[s]").astype(np.int64)
    np.testing.assert_array_equal(store.readings.time, times)


@pytest.mark.parametrize("path", FRAMES, ids=lambda path: path.name)
def test_a_real_frame(path: Path, tmp_path: Path) -> None:
    store, _ = take(linked(path, tmp_path))
    right = pd.read_hdf(path)
    assert isinstance(right, pd.DataFrame)
    assert list(store.sensors.ids) == [str(name) for name in right.columns]
    np.testing.assert_array_equal(store.readings.values[..., 0], right.to_numpy(np.float32))
    times = right.index.to_numpy().astype("datetime64[s]").astype(np.int64)
    np.testing.assert_array_equal(store.readings.time, times)


@pytest.mark.parametrize("path", TAXI, ids=lambda path: path.name)
def test_a_real_taxi_grid(path: Path, tmp_path: Path) -> None:
    store, _ = take(linked(path, tmp_path))
    with h5py.File(path) as file:
        values, stamps = file["data"][:], file["date"][:].astype(str)
    np.testing.assert_array_equal(
        store.readings.values, np.moveaxis(values, 1, -1).reshape(len(values), -1, values.shape[1])
    )
    right = [
        pd.Timestamp(stamp[:8]) + pd.Timedelta(minutes=30 * (int(stamp[8:]) - 1))
        for stamp in stamps
    ]
    np.testing.assert_array_equal(
        store.readings.time, pd.DatetimeIndex(right).as_unit("s").astype(np.int64)
    )
