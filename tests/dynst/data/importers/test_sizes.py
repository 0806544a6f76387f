"""Sizes are looked at before reading, and bytes of other files stay where they are."""

import gc
import gzip
import json
import pickle
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr
from scipy.io import netcdf_file

from dynst.data.importers.graphs.pickled import read_pickled
from dynst.data.importers.import_store import import_store
from dynst.data.importers.places.positions import read_positions
from dynst.data.importers.sizes import lines
from dynst.data.store import open_store
from dynst.errors import DataError
from dynst.storage import free_space
from dynst.storage.free_space import free_disk, free_memory, size_text

STEPS, SENSORS = 48, 3
VALUES = np.arange(1.0, STEPS * SENSORS + 1).reshape(STEPS, SENSORS)


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    return lambda count: monkeypatch.setattr(free_space, "free_memory", lambda: count)


@pytest.fixture
def little_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    return lambda count: monkeypatch.setattr(free_space, "free_disk", lambda folder: count)


def refused(path: Path, message: str, **options: Any) -> str:
    """Refused with nothing left beside the file."""
    before = sorted(path.parent.iterdir())
    with pytest.raises(DataError, match=message) as caught:
        import_store(path, path.parent / "store", **options)
    assert "\n" not in str(caught.value)
    assert sorted(path.parent.iterdir()) == before
    return str(caught.value)


def readings(store: Path) -> np.ndarray:
    return open_store(store).readings.values.reshape(STEPS, SENSORS)


def netcdf4(path: Path, steps: int, change: Callable[[h5py.File], None] | None = None) -> Path:
    """Times by sensors, of which no chunk was written."""
    with h5py.File(path, "w") as file:
        file.attrs["_NCProperties"] = "version=2"
        time = file.create_dataset("time", (steps,), np.float64, chunks=(min(steps, 2**16),))
        time.attrs["units"] = "hours since 2024-01-01"
        place = file.create_dataset("station", data=np.arange(SENSORS))
        kept = file.create_dataset(
            "x", (steps, SENSORS), np.float64, chunks=(min(steps, 1024), SENSORS), fillvalue=1.0
        )
        for number, scale in enumerate((time, place)):
            scale.make_scale(("time", "station")[number])
            kept.dims[number].attach_scale(scale)
        if steps == STEPS:
            time[:] = np.arange(steps)
            kept[:] = VALUES
        if change is not None:
            change(file)
    return path


def test_netcdf_that_declares_more_than_memory_holds(tmp_path: Path) -> None:
    path = netcdf4(tmp_path / "a.nc", 10**12)
    assert path.stat().st_size < 100_000
    refused(path, "'/time' of .*a.nc would need 8 TB of memory, but .* are free; cut the file")


def test_a_declared_store_that_the_disk_does_not_hold(
    tmp_path: Path, little_disk: Callable[[int], None]
) -> None:
    path = netcdf4(tmp_path / "a.nc", STEPS)
    little_disk(1000)
    refused(path, r"the store of .*a.nc would need 2.21 KB of disk, but 1 KB are free")


def test_a_small_netcdf_is_imported(tmp_path: Path) -> None:
    import_store(netcdf4(tmp_path / "a.nc", STEPS), tmp_path / "store")
    assert np.array_equal(readings(tmp_path / "store"), VALUES)


def test_huge_chunks_are_refused(tmp_path: Path, little_memory: Callable[[int], None]) -> None:
    def change(file: h5py.File) -> None:
        shape = (2**20, 2**8, 2**6)
        file.create_dataset("y", shape, np.float64, chunks=(2**12, 2**8, 2**6))

    path = netcdf4(tmp_path / "a.nc", STEPS, change)
    little_memory(2**28)
    refused(path, "a chunk of '/y' of .* would need 537 MB of memory")


@pytest.mark.parametrize("kind", ["external", "virtual", "link"])
def test_hdf_never_reads_another_file(tmp_path: Path, kind: str) -> None:
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["y"] = VALUES

    def change(file: h5py.File) -> None:
        if kind == "external":
            file.create_dataset("y", (16,), np.uint8, external=[("/etc/passwd", 0, 16)])
        elif kind == "virtual":
            layout = h5py.VirtualLayout((STEPS, SENSORS), np.float64)
            layout[:] = h5py.VirtualSource(str(other), "y", shape=(STEPS, SENSORS))
            file.create_virtual_dataset("y", layout)
        else:
            file.create_group("g")["y"] = h5py.ExternalLink(str(other), "/y")

    name = "/g/y" if kind == "link" else "/y"
    path = netcdf4(tmp_path / "a.nc", STEPS, change)
    refused(path, f"'{name}' of .*a.nc is kept in another file, .*, which is not read")


def test_an_external_link_in_the_place_of_data_is_named(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["date"] = np.array([b"2024010101"])
        file["data"] = h5py.ExternalLink("absent.h5", "/data")
    refused(tmp_path / "a.h5", "'/data' of .*a.h5 is kept in another file, absent.h5")


def test_links_within_an_hdf_file_are_no_harm(tmp_path: Path) -> None:
    def change(file: h5py.File) -> None:
        file["loop"] = file["/"]
        file["soft"] = h5py.SoftLink("/x")

    path = netcdf4(tmp_path / "a.nc", STEPS, change)
    import_store(path, tmp_path / "store", kind="xarray")


def test_a_chunk_that_stores_more_than_it_declares(tmp_path: Path) -> None:
    def change(file: h5py.File) -> None:
        bomb = file.create_dataset("y", (16,), np.uint8, chunks=(16,), compression="gzip")
        bomb.id.write_direct_chunk((0,), b"\0" * 2**20)

    path = netcdf4(tmp_path / "a.nc", STEPS, change)
    refused(path, "a chunk of '/y' of .* must unpack to 16 bytes, but 1.05 MB are stored")


def test_a_chunk_of_deflate_is_counted_where_it_may_fill_memory(
    tmp_path: Path, little_memory: Callable[[int], None]
) -> None:
    def change(file: h5py.File) -> None:
        bomb = file.create_dataset("y", (2**16,), np.uint8, chunks=(2**16,), compression="gzip")
        bomb.id.write_direct_chunk((0,), zlib.compress(b"\0" * 2**24))

    little_memory(2**20)
    path = netcdf4(tmp_path / "a.nc", STEPS, change)
    refused(path, "a chunk of '/y' of .* must unpack to 65.5 KB")


def zarr_folder(path: Path) -> Path:
    group = zarr.open_group(path, mode="w", zarr_format=2)
    time = group.create_array("time", data=np.arange(1.0, STEPS + 1))
    time.attrs.update({"units": "hours since 2024-01-01", "_ARRAY_DIMENSIONS": ["time"]})
    values = group.create_array("x", data=VALUES)
    values.attrs["_ARRAY_DIMENSIONS"] = ["time", "station"]
    return path


def redescribed(path: Path, array: str, **facts: Any) -> Path:
    file = path / array / ".zarray"
    file.write_text(json.dumps(json.loads(file.read_text()) | facts))
    return path


def test_zarr_whose_chunks_are_absent_and_whose_shape_is_huge(tmp_path: Path) -> None:
    path = zarr_folder(tmp_path / "a.zarr")
    redescribed(path, "time", shape=[10**12])
    refused(path, "'time' of .*a.zarr would need 8 TB of memory")


def test_zarr_with_a_codec_that_runs_code(tmp_path: Path) -> None:
    path = zarr_folder(tmp_path / "a.zarr")
    redescribed(path, "x", filters=[{"id": "pickle", "protocol": 5}])
    refused(path, "'x/.zarray' of .*a.zarr names the codec 'pickle', which is not read")


def test_zarr_with_a_link_out_of_its_folder(tmp_path: Path) -> None:
    path = zarr_folder(tmp_path / "a.zarr")
    chunk = next(file for file in (path / "x").iterdir() if not file.name.startswith("."))
    chunk.unlink()
    chunk.symlink_to("/etc/passwd")
    refused(path, f"'x/{chunk.name}' of .*a.zarr is a link to /etc/passwd")


def test_zarr_with_a_chunk_larger_than_declared(tmp_path: Path) -> None:
    path = zarr_folder(tmp_path / "a.zarr")
    chunk = next(file for file in (path / "x").iterdir() if not file.name.startswith("."))
    chunk.write_bytes(b"\0" * 2**20)
    refused(path, "a chunk of 'x' of .*a.zarr must unpack to")


@pytest.mark.parametrize("form", [2, 3])
def test_an_honest_zarr_is_imported(tmp_path: Path, form: Any) -> None:
    path = tmp_path / "a.zarr"
    if form == 2:
        zarr_folder(path)
    else:
        group = zarr.open_group(path, mode="w", zarr_format=3)
        for name, data, dims in (
            ("time", np.arange(1.0, STEPS + 1), ["time"]),
            ("x", VALUES, ["time", "station"]),
        ):
            made = group.create_array(
                name, data=data, dimension_names=dims, chunks=data.shape, shards=data.shape
            )
            if name == "time":
                made.attrs["units"] = "hours since 2024-01-01"
    import_store(path, tmp_path / "store")
    assert np.array_equal(readings(tmp_path / "store"), VALUES)


def test_an_archive_just_under_the_ratio_counts_by_its_size(
    tmp_path: Path, little_memory: Callable[[int], None]
) -> None:
    np.savez_compressed(tmp_path / "a.npz", data=VALUES)
    little_memory(1000)
    refused(tmp_path / "a.npz", "a.npz would need .* of memory, but 1 KB are free")


@pytest.mark.parametrize("name", ["a.npz", "a.npy"])
def test_a_header_that_declares_more_than_there_is(tmp_path: Path, name: str) -> None:
    npy = tmp_path / "x"
    with npy.open("wb") as file:
        about = {"descr": "<f8", "fortran_order": False, "shape": (10**12, 3)}
        np.lib.format.write_array_header_1_0(file, about)
    if name == "a.npy":
        npy.rename(tmp_path / name)
        refused(tmp_path / name, "a.npy")
        return
    with zipfile.ZipFile(tmp_path / name, "w") as archive:
        archive.write(npy, "data.npy")
    npy.unlink()
    refused(tmp_path / name, "'data.npy' of .* declares an array of 24,000,000,000,000 bytes")


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".txt.gz"])
def test_a_line_without_an_end(
    tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "LONGEST_LINE", 2**20)
    path = tmp_path / f"a{ending}"
    opener: Any = gzip.open if ending.endswith(".gz") else open
    with opener(path, "wt") as file:
        file.write("time,a,b\n2024-01-01,1,2\n" if "csv" in ending else "1,2\n")
        file.write("1," * 2**20 * 3)
    refused(path, "has a line of more than 1.05 MB, which is no row of a table")


def test_a_csv_is_streamed_as_long_as_the_disk_holds_its_store(
    tmp_path: Path, little_memory: Callable[[int], None], little_disk: Callable[[int], None]
) -> None:
    time = pd.date_range("2024-01-01", periods=5000, freq="h")
    table = pd.DataFrame({"time": time, "a": 1.5, "b": 2.5, "c": 3.5})
    table.to_csv(tmp_path / "a.csv.gz", index=False)
    little_memory(2000)
    import_store(tmp_path / "a.csv.gz", tmp_path / "store")
    assert open_store(tmp_path / "store").manifest.num_steps == 5000
    (tmp_path / "again").mkdir()
    (tmp_path / "a.csv.gz").rename(tmp_path / "again" / "a.csv.gz")
    little_disk(20_000)
    refused(tmp_path / "again" / "a.csv.gz", "the store of .* would need .* of disk")


def test_a_long_table_of_too_many_sensors_and_times(
    tmp_path: Path, little_disk: Callable[[int], None]
) -> None:
    time = pd.date_range("2024-01-01", periods=40, freq="h")
    rows = [(moment, f"s{name}", 1.0) for moment in time for name in range(5)]
    pd.DataFrame(rows, columns=["time", "sensor", "value"]).to_csv(tmp_path / "a.csv", index=False)
    little_disk(1000)
    refused(tmp_path / "a.csv", "would need 1.6 KB of disk, but 1 KB are free")


def test_one_text_that_stands_for_gigabytes(
    tmp_path: Path, little_memory: Callable[[int], None]
) -> None:
    time = pd.date_range("2024-01-01", periods=3000, freq="h").astype(str)
    name = pa.DictionaryArray.from_arrays(np.zeros(3000, np.int32), ["x" * 10_000])
    table = pa.table({"time": time, "sensor": name.cast(pa.string()), "v": np.arange(3000.0)})
    pq.write_table(table, tmp_path / "a.parquet")
    assert (tmp_path / "a.parquet").stat().st_size < 200_000
    little_memory(30_000_000)
    refused(tmp_path / "a.parquet", "3,000 texts of 'sensor' of .* would need 60 MB of memory")


def test_texts_of_parquet_come_as_they_are(tmp_path: Path) -> None:
    time = pd.date_range("2024-01-01", periods=50, freq="h").repeat(2)
    table = pd.DataFrame({"time": time, "sensor": ["a", "b"] * 50, "v": np.arange(100.0)})
    for kind in ("string", "category"):
        table.astype({"sensor": kind}).to_parquet(tmp_path / f"{kind}.parquet")
        import_store(tmp_path / f"{kind}.parquet", tmp_path / kind)
        assert open_store(tmp_path / kind).sensors.ids == ("a", "b")


def test_side_tables_are_read_as_a_whole_and_so_must_fit(
    tmp_path: Path, little_memory: Callable[[int], None]
) -> None:
    with gzip.open(tmp_path / "places.csv.gz", "wt") as file:
        file.write("id,lon,lat\n" + "a,1,2\n" * 100_000)
    little_memory(1_000_000)
    with pytest.raises(
        DataError, match=r"places.csv.gz would need .* of memory, but 1 MB are free"
    ):
        read_positions(tmp_path / "places.csv.gz", ("a",))


class _Call:
    def __init__(self, what: Any, *arguments: Any) -> None:
        self.what, self.arguments = what, arguments

    def __reduce__(self) -> Any:
        return self.what, self.arguments


def _nested() -> list[Any]:
    content: list[Any] = [0.0] * 10
    for _ in range(5):
        content = [content] * 30
    return content


def _deep() -> list[Any]:
    content: list[Any] = []
    for _ in range(100):
        content = [content]
    return content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (_nested(), "more entries than the file has bytes"),
        (_deep(), "more than 6 levels"),
        (_Call(np.ndarray, (10**12,)), "not callable"),
        (_Call(np.empty((0,)).__reduce__()[0], np.ndarray, (10**12,), b"b"), "their entries alone"),
        (_Call(np.float64(1).__reduce__()[0], np.dtype("S1000000000")), "their bytes alone"),
        (_Call(__import__("_codecs").encode, "x" * 9, "hex"), "bytes as latin1"),
    ],
)
def test_a_pickle_that_grows(tmp_path: Path, content: Any, message: str) -> None:
    (tmp_path / "adj.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises((DataError, TypeError), match=message):
        read_pickled(tmp_path / "adj.pkl")


@pytest.mark.parametrize("protocol", range(5 + 1))
def test_honest_pickles_are_read(tmp_path: Path, protocol: int) -> None:
    matrix = np.arange(9.0, dtype=np.float32).reshape(3, 3)
    names = ["a", "b", np.str_("c")]
    content = [names, {"a": 0, "b": np.int64(1), "c": 2}, matrix]
    (tmp_path / "adj.pkl").write_bytes(pickle.dumps(content, protocol))
    values, found = read_pickled(tmp_path / "adj.pkl")
    assert np.array_equal(values, matrix)
    assert found == ("a", "b", "c")


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::RuntimeWarning")
def test_netcdf3_that_declares_more_than_it_holds(tmp_path: Path) -> None:
    with netcdf_file(tmp_path / "a.nc", "w") as file:
        file.createDimension("time", STEPS)
        file.createVariable("time", "f8", ("time",))[:] = np.arange(STEPS)
        file.variables["time"].units = "hours since 2024-01-01"
        file.createVariable("x", "f8", ("time",))[:] = VALUES[:, 0]
    content = (tmp_path / "a.nc").read_bytes()
    large = content.replace(STEPS.to_bytes(4, "big"), (2**30).to_bytes(4, "big"), 1)
    assert large != content
    (tmp_path / "a.nc").write_bytes(large)
    refused(tmp_path / "a.nc", "cannot be read")
    gc.collect()  # scipy leaves the file open where it fails


def test_what_is_free_is_a_number_of_this_machine(tmp_path: Path) -> None:
    assert 0 < free_memory() < 2**60
    assert free_disk(tmp_path / "not" / "yet") == free_disk(tmp_path)
    assert [size_text(count) for count in (5, 1500, 4.2e12)] == ["5 bytes", "1.5 KB", "4.2 TB"]


def test_the_limit_of_a_container_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "cg" / "pod" / "box"
    own.mkdir(parents=True)
    (tmp_path / "cgroup").write_text("0::/pod/box\n")
    for folder, most in ((own, "max"), (own.parent, "5000")):
        (folder / "memory.max").write_text(f"{most}\n")
        (folder / "memory.current").write_text("3000\n")
        (folder / "memory.stat").write_text("anon 1\ninactive_file 500\n")
    monkeypatch.setattr(free_space, "CGROUPS", tmp_path / "cg")
    monkeypatch.setattr(free_space, "OWN", tmp_path)
    assert free_memory() == 2500
