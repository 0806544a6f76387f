"""Every real file at hand, read a second time by other means: the same values, times and ids.

Skipped where the shared data sets are not on the machine.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import pandas as pd
import pytest
import xarray as xr
import zarr

from dynst.data.importers.import_store import import_store
from dynst.data.store import open_store
from tests.conftest import shared_data
from tests.dynst.data.importers.test_shared_sets import EXAMPLES

pytestmark = [
    pytest.mark.skipif(
        not shared_data().is_dir(), reason="the shared data sets are not on this machine"
    ),
    pytest.mark.filterwarnings("ignore:.*Zarr:UserWarning", "ignore:.*zarr.*:FutureWarning"),
]


class Reading(NamedTuple):
    """What another reader gives: ``values [N, S, C]``, seconds ``[N]`` or None, ids or None."""

    values: np.ndarray
    time: np.ndarray | None = None
    ids: list[str] | None = None


def seconds(times: object) -> np.ndarray:
    return pd.to_datetime(pd.Series(times)).to_numpy().astype("datetime64[s]").astype(np.int64)


def of_frame(frame: pd.DataFrame) -> Reading:
    timed = isinstance(frame.index, pd.DatetimeIndex)
    return Reading(
        frame.to_numpy(float)[..., None],
        seconds(frame.index) if timed else None,
        list(map(str, frame.columns)),
    )


def wide_csv(path: Path) -> Reading:
    return of_frame(pd.read_csv(path, index_col=0, parse_dates=True))


def long_csv(path: Path) -> Reading:
    frame = pd.read_csv(path)
    return of_frame(pivoted(frame, "timestamp", "sensor_id", "speed"))


def pivoted(frame: pd.DataFrame, time: str, sensor: str, value: str) -> pd.DataFrame:
    frame = frame.assign(**{time: pd.to_datetime(frame[time]), sensor: frame[sensor].astype(str)})
    return frame.pivot(index=time, columns=sensor, values=value)


def libcity(path: Path) -> Reading:
    frame = pd.read_csv(next(path.glob("*.dyna")))
    frame["time"] = frame["time"].str.removesuffix("Z")
    (value,) = set(frame.columns) - {"dyna_id", "type", "time", "entity_id"}
    return of_frame(pivoted(frame, "time", "entity_id", value))


def vlinder(path: Path) -> Reading:
    frame = pd.read_csv(path, sep=";")
    frame["when"] = pd.to_datetime(frame["Datum"] + " " + frame["Tijd (UTC)"])
    quantities = [
        name for name in frame.columns if name not in {"Datum", "Tijd (UTC)", "when", "Vlinder"}
    ]
    wide = frame.pivot(index="when", columns="Vlinder", values=quantities)
    ids = sorted(frame["Vlinder"].unique())
    values = np.stack([wide[name][ids].to_numpy(float) for name in quantities], axis=-1)
    return Reading(values, seconds(wide.index), ids)


def npz(path: Path) -> Reading:
    with np.load(path) as archive:
        data = archive[next(key for key in ("data", "volume") if key in archive)]
        time = (
            archive["time"].astype("datetime64[s]").astype(np.int64) if "time" in archive else None
        )
        ids = [str(name) for name in archive["sensor_id"]] if "sensor_id" in archive else None
    if data.ndim == 4 or (data.ndim == 3 and data.shape[1:] == (10, 20)):
        data = data.reshape(len(data), 200, -1)
    return Reading(data if data.ndim == 3 else data[..., None], time, ids)


def dcrnn(path: Path) -> Reading:
    """The series that the windows were cut from is kept beside them."""
    frame = pd.read_hdf(path.parent / "metr-la-10.h5")
    return Reading(frame.to_numpy()[..., None])


def netcdf(path: Path) -> Reading:
    with xr.open_dataset(path) as data:
        return of_grid(data)


def of_grid(data: xr.Dataset) -> Reading:
    (array,) = [array for array in data.data_vars.values() if array.ndim == 3]
    return Reading(array.to_numpy().reshape(len(array), -1, 1), seconds(data["time"].to_numpy()))


def zarr_zip(path: Path) -> Reading:
    store = zarr.storage.ZipStore(path, mode="r")
    return of_grid(xr.open_zarr(store, consolidated=False, chunks=None))


def taxibj(path: Path) -> Reading:
    with h5py.File(path) as file:
        data, stamps = file["data"][:], [stamp.decode() for stamp in file["date"][:]]
    time = [
        pd.Timestamp(stamp[:8]) + pd.Timedelta(minutes=30 * (int(stamp[8:]) - 1))
        for stamp in stamps
    ]
    return Reading(np.moveaxis(data, 1, -1).reshape(len(data), 200, -1), seconds(time))


READERS: dict[str, Callable[[Path], Reading]] = {
    r".*metr-la-day\.csv|.*vlinder_temperature\.csv": wide_csv,
    r".*metr-la-day-long\.csv": long_csv,
    r"formats/libcity": libcity,
    r".*hangzhou\.txt\.gz": lambda path: Reading(
        pd.read_csv(path, header=None).to_numpy()[..., None]
    ),
    r".*\.nc": netcdf,
    r".*slp_2001\.npy": lambda path: Reading(np.load(path).reshape(365, 561, 1)),
    r"formats/stgcn_csv": lambda path: of_frame(pd.read_csv(path / "vel.csv")),
    r".*NYC15.*": taxibj,
    r".*\.zarr\.zip": zarr_zip,
    r".*\.parquet": lambda path: of_frame(pd.read_parquet(path)),
    r".*dcrnn_npz_10": dcrnn,
    r".*\.h5": lambda path: of_frame(pd.read_hdf(path)),
    r".*demo_datafile\.csv\.gz": vlinder,
    r".*\.npz": npz,
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_independent_reading_gives_equal_values(tmp_path: Path, name: str) -> None:
    reader = next(reader for pattern, reader in READERS.items() if re.fullmatch(pattern, name))
    wanted = reader(shared_data() / name)
    import_store(shared_data() / name, tmp_path / "store")
    store = open_store(tmp_path / "store")
    readings = store.readings
    found = np.where(readings.observed, readings.values, np.float32(np.nan))
    values = wanted.values.astype(np.float32)
    if wanted.ids is not None:
        assert sorted(store.sensors.ids) == sorted(wanted.ids)
        values = values[:, [wanted.ids.index(name) for name in store.sensors.ids]]
    np.testing.assert_array_equal(found, values)
    if wanted.time is not None:
        assert store.manifest.clock.unit == "second"
        np.testing.assert_array_equal(readings.time, wanted.time)
