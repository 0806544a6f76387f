"""Damaged files of every form: a whole store, or one sentence and nothing left behind."""

import random
import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import xarray as xr
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import netcdf_file

from dynst.data.importers.import_store import import_store
from dynst.data.store import open_store
from dynst.errors import ConfigError, DataError

STEPS = 30
VALUES = np.random.default_rng(0).normal(10, 3, (STEPS, 3)).round(2)
TIME = pd.date_range("2024-01-01", periods=STEPS, freq="h")
TABLE = pd.DataFrame(VALUES, columns=["a", "b", "c"]).assign(time=TIME)[["time", "a", "b", "c"]]


def _netcdf4(path: Path) -> None:
    data = xr.Dataset({"x": (("time", "station"), VALUES)}, {"time": TIME})
    data.to_netcdf(path, engine="h5netcdf")


def _netcdf3(path: Path) -> None:
    with netcdf_file(path, "w") as file:
        file.createDimension("time", STEPS)
        file.createDimension("station", 3)
        file.createVariable("time", "f8", ("time",))[:] = np.arange(STEPS)
        file.variables["time"].units = "hours since 2024-01-01"
        file.createVariable("x", "f8", ("time", "station"))[:] = VALUES


def _taxibj(path: Path) -> None:
    with h5py.File(path, "w") as file:
        days = [f"201401{1 + step // 24:02d}{1 + step % 24:02d}".encode() for step in range(STEPS)]
        file["date"] = np.array(days)
        kept = np.tile(VALUES[:, :2, None, None], (1, 1, 2, 2))
        file.create_dataset("data", data=kept, chunks=(8, 2, 2, 2), compression="gzip")


def _zarr(path: Path) -> None:
    with zarr.storage.ZipStore(path, mode="w") as store:
        group = zarr.open_group(store, mode="w", zarr_format=2)
        time = group.create_array("time", data=np.arange(1.0, STEPS + 1))
        time.attrs.update({"units": "hours since 2024-01-01", "_ARRAY_DIMENSIONS": ["time"]})
        values = group.create_array("x", data=VALUES)
        values.attrs["_ARRAY_DIMENSIONS"] = ["time", "station"]


MAKERS: dict[str, Callable[[Path], None]] = {
    "a.csv": lambda path: TABLE.to_csv(path, index=False),
    "a.csv.gz": lambda path: TABLE.to_csv(path, index=False),
    "long.csv": lambda path: TABLE.melt("time", var_name="sensor").to_csv(path, index=False),
    "a.parquet": lambda path: TABLE.to_parquet(path),
    "long.parquet": lambda path: TABLE.melt("time", var_name="sensor").to_parquet(path),
    "a.npz": lambda path: np.savez(path, data=VALUES[:, :, None]),
    "packed.npz": lambda path: np.savez_compressed(path, data=VALUES[:, :, None]),
    "a.npy": lambda path: np.save(path, VALUES),
    "a.nc": _netcdf4,
    "old.nc": _netcdf3,
    "taxi.h5": _taxibj,
    "a.zarr.zip": _zarr,
    "a.txt": lambda path: np.savetxt(path, VALUES, delimiter=","),
}


@cache
def original(name: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        MAKERS[name](Path(folder) / name)
        return (Path(folder) / name).read_bytes()


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Bytes flipped, cut out, doubled, put in, or set to their extremes."""
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 8))):
        place, kind = chance.randrange(len(changed) or 1), chance.randrange(6)
        span = chance.choice((1, 2, 4, 8, 64))
        if kind == 0 and changed:
            changed[place] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del changed[place : place + span]
        elif kind == 2:
            changed[place:place] = changed[place : place + span]
        elif kind == 3:
            changed[place:place] = chance.randbytes(span)
        elif kind == 4:
            changed[place : place + span] = chance.choice((b"\0", b"\xff", b"\x7f")) * span
        else:
            del changed[place:]
    return bytes(changed)


@pytest.mark.parametrize("name", MAKERS)
def test_the_undamaged_file_is_imported(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(original(name))
    import_store(tmp_path / name, tmp_path / "store")
    assert open_store(tmp_path / "store").manifest.num_steps == STEPS


@pytest.mark.filterwarnings("ignore")
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(name=st.sampled_from(sorted(MAKERS)), seed=st.integers(0, 2**32))
def test_a_damaged_file_is_imported_or_refused_and_leaves_nothing(
    name: str, seed: int, tmp_path: Path
) -> None:
    folder = tmp_path / "case"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / name).write_bytes(damaged(original(name), random.Random(seed)))
    try:
        import_store(folder / name, folder / "store")
    except (DataError, ConfigError) as error:
        assert "\n" not in f"{error}"  # noqa: PT017
        assert [file.name for file in folder.iterdir()] == [name]
    else:
        open_store(folder / "store")
        assert sorted(file.name for file in folder.iterdir()) == sorted([name, "store"])


def test_an_archive_within_an_archive_is_no_array(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "inner.zip", "w", zipfile.ZIP_DEFLATED) as inner:
        inner.writestr("data.npy", b"\0" * 2**20)
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as outer:
        outer.write(tmp_path / "inner.zip", "data.npy")
    with pytest.raises(DataError, match=r"a\.npz"):
        import_store(tmp_path / "a.npz", tmp_path / "store")
    assert not (tmp_path / "store").exists()
