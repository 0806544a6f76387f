"""Readers on small files made here: what each understands, and how each refuses what is wrong."""

import gzip
import json
import pickle
import tempfile
import zipfile
from datetime import datetime, timedelta
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dynst.data.importers.formats import READERS, ReadOptions
from dynst.data.importers.graphs.graph_files import read_graph
from dynst.data.importers.import_store import GraphOptions, import_store
from dynst.data.store import SensorStore, open_store
from dynst.errors import DataError, in_one_line

STEPS, SENSORS = 12, 3
VALUES = np.arange(STEPS * SENSORS, dtype=float).reshape(STEPS, SENSORS) + 1
TIMES = pd.date_range("2024-03-01", periods=STEPS, freq="h")
IDS = ["a", "b", "c"]
FRAME = pd.DataFrame(VALUES, index=TIMES, columns=IDS)


def wide(path: Path) -> Path:
    FRAME.to_csv(path / "wide.csv", index_label="time")
    return path / "wide.csv"


def wide_parquet(path: Path) -> Path:
    FRAME.rename_axis("time").to_parquet(path / "wide.parquet")
    return path / "wide.parquet"


def long(path: Path) -> Path:
    FRAME.rename_axis("time").reset_index().melt(
        "time", var_name="sensor", value_name="flow"
    ).to_csv(path / "long.csv", index=False)
    return path / "long.csv"


def hdf(path: Path) -> Path:
    FRAME.to_hdf(path / "frame.h5", key="df")
    return path / "frame.h5"


def npz(path: Path) -> Path:
    np.savez(
        path / "net.npz", data=VALUES[:, :, None], time=TIMES.to_numpy(), sensor_id=np.array(IDS)
    )
    return path / "net.npz"


def stgcn(path: Path) -> Path:
    FRAME.to_csv(path / "vel.csv", index=False)
    return path


def lstnet(path: Path) -> Path:
    with gzip.open(path / "series.txt.gz", "wt") as file:
        file.writelines(",".join(map(str, row)) + "\n" for row in VALUES)
    return path / "series.txt.gz"


def dcrnn(path: Path) -> Path:
    windows = np.stack([VALUES[start : start + 4, :, None] for start in range(STEPS - 3)])
    for name, rows in (("train", slice(0, 4)), ("val", slice(4, 6)), ("test", slice(6, 9))):
        np.savez(path / f"{name}.npz", x=windows[rows, :2], y=windows[rows, 2:])
    return path


def libcity(path: Path) -> Path:
    rows = (
        FRAME.rename_axis("time")
        .reset_index()
        .melt("time", var_name="entity_id", value_name="speed")
    )
    rows.insert(0, "type", "state")
    rows.insert(0, "dyna_id", range(len(rows)))
    rows["time"] = rows["time"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    rows[["dyna_id", "type", "time", "entity_id", "speed"]].to_csv(path / "net.dyna", index=False)
    places = pd.DataFrame(
        {"geo_id": IDS, "type": "Point", "coordinates": [json.dumps([i, 50 + i]) for i in range(3)]}
    )
    places.to_csv(path / "net.geo", index=False)
    return path


def npy(path: Path) -> Path:
    np.save(path / "field.npy", VALUES)
    return path / "field.npy"


def netcdf(path: Path) -> Path:
    data = xr.DataArray(
        VALUES,
        coords={"time": TIMES, "station": IDS},
        dims=("time", "station"),
        name="t2m",
        attrs={"units": "K"},
    )
    data.to_netcdf(path / "net.nc", engine="h5netcdf")
    return path / "net.nc"


def zarr(path: Path) -> Path:
    data = xr.DataArray(
        VALUES, coords={"time": TIMES, "station": IDS}, dims=("time", "station"), name="t2m"
    )
    data.to_dataset().to_zarr(path / "net.zarr", consolidated=False)
    return path / "net.zarr"


FORMS = {
    maker.__name__: maker
    for maker in (
        wide,
        wide_parquet,
        long,
        hdf,
        npz,
        stgcn,
        lstnet,
        dcrnn,
        libcity,
        npy,
        netcdf,
        zarr,
    )
}


def take(source: Path, store: Path, **options: object) -> SensorStore:
    import_store(source, store, **options)
    return open_store(store)


@pytest.mark.filterwarnings("ignore:.*Zarr:UserWarning", "ignore:.*zarr.*:FutureWarning")
@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_readings(tmp_path: Path, form: str) -> None:
    (tmp_path / "in").mkdir()
    store = take(FORMS[form](tmp_path / "in"), tmp_path / "store")
    np.testing.assert_allclose(store.readings.values[..., 0], VALUES)
    if store.manifest.timed:
        assert store.manifest.start.startswith("2024-03-01 00:00:00")
        assert store.manifest.step == 3600
        assert list(store.sensors.ids) == IDS


def test_taxibj_slots_count_from_one(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "taxi.h5", "w") as file:
        file["data"] = np.arange(48 * 2 * 2 * 3).reshape(48, 2, 2, 3)
        file["date"] = np.array([f"20150301{slot:02d}".encode() for slot in range(1, 49)])
    store = take(tmp_path / "taxi.h5", tmp_path / "store")
    assert store.manifest.start == "2015-03-01 00:00:00"
    assert store.manifest.step == 1800
    assert store.channel_names == ["inflow", "outflow"]
    assert store.readings.values[1, 4, 1] == 12 + 6 + 4  # step 1, channel 1, row 1, column 1


def test_start_and_step_give_times_to_a_form_without(tmp_path: Path) -> None:
    options = ReadOptions(start=datetime(2015, 1, 1), step=timedelta(minutes=15))
    store = take(npy(tmp_path), tmp_path / "store", options=options)
    assert store.manifest.timed
    assert (store.manifest.start, store.manifest.step) == ("2015-01-01 00:00:00", 900)


def test_a_level_is_chosen_by_name(tmp_path: Path) -> None:
    field = np.stack([np.zeros((STEPS, 2, 2)), np.ones((STEPS, 2, 2))], axis=1)
    coords = {"time": TIMES, "level": [500, 850], "lat": [50.0, 51.0], "lon": [350.0, 352.5]}
    xr.DataArray(field, coords, ("time", "level", "lat", "lon"), name="z").to_netcdf(
        tmp_path / "z.nc", engine="h5netcdf"
    )
    with pytest.raises(DataError, match=r"level \(500, 850\) with --select level=VALUE"):
        take(tmp_path / "z.nc", tmp_path / "store")
    store = take(
        tmp_path / "z.nc", tmp_path / "store", options=ReadOptions(select=(("level", "850"),))
    )
    assert (store.readings.values == 1).all()
    assert store.sensors.positions is not None
    assert store.sensors.positions[0].tolist() == [-10.0, 50.0]


def test_a_quantity_is_chosen_by_name_where_the_form_has_several(tmp_path: Path) -> None:
    both = np.stack([VALUES, -VALUES], axis=-1)
    np.savez(
        tmp_path / "net.npz",
        data=both,
        time=TIMES.to_numpy(),
        sensor_id=np.array(IDS),
        feature=np.array(["flow", "debt"]),
    )
    import_store(tmp_path / "net.npz", tmp_path / "store", options=ReadOptions(variables=("debt",)))
    store = open_store(tmp_path / "store")
    assert store.channel_names == ["debt"]
    np.testing.assert_array_equal(store.readings.values[:, :, 0], -VALUES)
    with pytest.raises(DataError, match="no variable 'dept'; the source has flow, debt"):
        import_store(
            tmp_path / "net.npz", tmp_path / "other", options=ReadOptions(variables=("dept",))
        )


def test_declared_fill_values_are_missing_and_packed_integers_unpacked(tmp_path: Path) -> None:
    field = VALUES.copy()
    field[2, 1] = np.nan
    data = xr.DataArray(field, {"time": TIMES, "station": IDS}, ("time", "station"), name="t")
    encoding = {
        "t": {"dtype": "int16", "scale_factor": 0.5, "add_offset": 10.0, "_FillValue": -999}
    }
    data.to_netcdf(tmp_path / "packed.nc", engine="h5netcdf", encoding=encoding)
    readings = take(tmp_path / "packed.nc", tmp_path / "store").readings
    assert not readings.observed[2, 1, 0]
    assert readings.observed.sum() == STEPS * SENSORS - 1
    np.testing.assert_allclose(
        readings.values[..., 0][readings.observed[..., 0]], VALUES[~np.isnan(field)]
    )


def broken(path: Path, change: str) -> Path:
    """A wide table with one thing wrong."""
    lines = wide(path).read_text().splitlines()
    changes = {
        "repeated time": lambda: [*lines[:3], lines[2], *lines[3:]],
        "unsorted": lambda: [lines[0], *lines[3:], *lines[1:3]],
        "no time": lambda: [*lines[:3], ",1,2,3", *lines[3:]],
        "text": lambda: [*lines[:3], "2024-03-01 02:00:00,1,abc,3", *lines[4:]],
        "infinite": lambda: [*lines[:3], "2024-03-01 02:00:00,1,inf,3", *lines[4:]],
        "short row": lambda: [*lines[:3], "2024-03-01 02:00:00,1", *lines[4:]],
        "mixed zones": lambda: (
            [lines[0]]
            + [f"{line.split(',')[0]}+0{i % 2}:00,1,2,3" for i, line in enumerate(lines[1:])]
        ),
        "two in a second": lambda: (
            [lines[0]] + [f"2024-03-01 00:00:00.{i},1,2,3" for i in range(5)]
        ),
        "all missing": lambda: [lines[0]] + [f"{line.split(',')[0]},,," for line in lines[1:]],
        "same name": lambda: ["time,a,a,c", *lines[1:]],
        "header only": lambda: lines[:1],
        "one step": lambda: lines[:2],
        "one column": lambda: ["time"] + [line.split(",")[0] for line in lines[1:]],
        "numbers on top": lambda: [
            line.replace("time", "0.5").split(",", 1)[1] for line in lines[1:]
        ],
    }
    file = path / "broken.csv"
    file.write_text("\n".join(changes[change]()) + "\n")
    return file


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("repeated time", "time is repeated at row 3 below the header ("),
        ("unsorted", "time goes back at row 11 below the header ("),
        ("no time", "every row must have a time, but row 3 below the header has none"),
        ("text", "'b' holds 'abc'"),
        ("infinite", "sensor 'b' has an infinite value at step 2"),
        (
            "short row",
            "every row must have 4 cells like the header, but row 3 below the header has 2",
        ),
        ("mixed zones", "time is repeated at row 2 below the header ("),
        ("two in a second", "time is repeated at row 2 below the header ("),
        ("all missing", "not one reading was observed"),
        ("same name", "column names must be unique, but 'a'"),
        ("header only", "no row below it"),
        ("one step", "at least two steps"),
        ("one column", "at least two columns"),
        ("numbers on top", "no header line"),
    ],
)
def test_a_broken_table_is_one_clear_sentence(tmp_path: Path, change: str, message: str) -> None:
    file = broken(tmp_path, change)
    with pytest.raises(DataError) as caught:
        import_store(file, tmp_path / "store")
    text = str(caught.value)
    assert message in text
    assert str(file) in text
    assert "\n" not in text
    assert not (tmp_path / "store").exists()
    assert not list(tmp_path.glob(".store*"))


@pytest.mark.parametrize("name", ["counts.xlsx", "counts.XLS", "counts.ods"])
def test_a_spreadsheet_is_to_be_saved_as_csv(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PK\3\4 and whatever a spreadsheet holds")
    with pytest.raises(DataError, match="save the sheet with the readings as CSV"):
        import_store(tmp_path / name, tmp_path / "store")


def test_two_readings_of_one_sensor_at_one_time(tmp_path: Path) -> None:
    lines = long(tmp_path).read_text().splitlines()
    (tmp_path / "twice.csv").write_text("\n".join([*lines, lines[3]]))
    with pytest.raises(DataError, match="sensor 'a' has two readings at 2024-03-01 02:00:00"):
        import_store(tmp_path / "twice.csv", tmp_path / "store")


def test_a_long_table_may_be_in_any_order_and_have_holes(tmp_path: Path) -> None:
    table = pd.read_csv(long(tmp_path)).sample(frac=1, random_state=0)
    table.iloc[1:].to_csv(tmp_path / "shuffled.csv", index=False)
    store = take(tmp_path / "shuffled.csv", tmp_path / "store")
    assert store.readings.observed.sum() == STEPS * SENSORS - 1


@pytest.mark.parametrize("name", ["nothing.csv", "data.xyz", "empty.csv", "folder"])
def test_what_is_no_source_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "data.xyz").write_text("hello")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError):
        import_store(tmp_path / name, tmp_path / "store")


def test_a_folder_names_what_inside_it_could_be_imported(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    wide(tmp_path / "in")
    with pytest.raises(DataError, match=r"inside it, these could be imported: wide\.csv"):
        import_store(tmp_path / "in", tmp_path / "store")


def test_edge_lists_and_position_tables_are_told_from_readings(tmp_path: Path) -> None:
    (tmp_path / "edges.csv").write_text("from,to,cost\n0,1,3.5\n")
    (tmp_path / "places.csv").write_text("id,latitude,longitude\n1,50,8\n")
    for name, flag in (("edges.csv", "--graph"), ("places.csv", "--positions")):
        with pytest.raises(DataError, match=flag):
            import_store(tmp_path / name, tmp_path / "store")


def test_a_zip_bomb_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    header = b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little")
    text = (
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (300000, 1000, 1), }".ljust(117) + b"\n"
    )
    with (
        zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("data.npy", "w", force_zip64=True) as member,
    ):
        member.write(header + text)
        for _ in range(1200):
            member.write(bytes(1_000_000))
    with pytest.raises(DataError, match="looks like a zip bomb"):
        import_store(tmp_path / "bomb.npz", tmp_path / "store")


TRAP = Path(tempfile.gettempdir()) / "dynst-should-never-exist"


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return (Path.touch, (TRAP,))  # type: ignore[return-value]


@pytest.mark.parametrize("content", [Evil(), [["a", "b", "c"], {}, Evil()]])
def test_a_pickle_that_wants_to_run_code_is_refused(tmp_path: Path, content: object) -> None:
    (tmp_path / "graph.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(DataError, match="may hold arrays and lists alone, but asks to run"):
        import_store(
            wide(tmp_path), tmp_path / "store", graph=GraphOptions(graph=tmp_path / "graph.pkl")
        )
    assert not TRAP.exists()


def test_an_hdf_file_that_wants_to_run_code_does_not(tmp_path: Path) -> None:
    """PyTables would unpickle this attribute as soon as the frame is opened."""
    file = hdf(tmp_path)
    with h5py.File(file, "r+") as frame:
        frame["df"].attrs["encoding"] = np.bytes_(pickle.dumps(Evil()))
    take(file, tmp_path / "store")
    assert not TRAP.exists()


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_a_pickle_of_arrays_is_read(tmp_path: Path, protocol: int) -> None:
    matrix = np.array([[1, 0.5, 0], [0, 1, 0.2], [0, 0, 1]])
    (tmp_path / "graph.pkl").write_bytes(
        pickle.dumps([IDS, {name: i for i, name in enumerate(IDS)}, matrix], protocol)
    )
    edges = read_graph(tmp_path / "graph.pkl", ("c", "b", "a")).edges
    assert sorted(
        zip(
            edges.source.tolist(),
            edges.target.tolist(),
            edges.weight.round(3).tolist(),
            strict=True,
        )
    ) == [
        (1, 0, pytest.approx(0.2, abs=1e-3)),
        (2, 1, 0.5),
    ]


@pytest.mark.parametrize(
    ("text", "count", "note"),
    [
        ("from,to,cost\na,b,100\nb,c,300\n", 2, "distances"),
        ("from,to,weight\na,b,0.5\n", 1, "proximities"),
        ("src;dst;km\n0;1;12.5\n1;2;80\n", 2, "distances"),
        ("from,to\n0,1\n1,2\n", 2, "proximities"),
    ],
)
def test_edge_lists(tmp_path: Path, text: str, count: int, note: str) -> None:
    (tmp_path / "edges.csv").write_text(text)
    graph = read_graph(tmp_path / "edges.csv", tuple(IDS))
    assert len(graph.edges) == count
    assert note in graph.findings[0].text
    assert (graph.edges.weight <= 1).all()


def test_ends_are_both_ids_or_both_columns(tmp_path: Path) -> None:
    """Sensors 1..4 and a 0-based chain: read end by end, the two would be mixed up."""
    (tmp_path / "edges.csv").write_text("0,1\n1,2\n2,3\n")
    edges = read_graph(tmp_path / "edges.csv", ("1", "2", "3", "4")).edges
    assert list(zip(edges.source.tolist(), edges.target.tolist(), strict=True)) == [
        (0, 1),
        (1, 2),
        (2, 3),
    ]


def test_a_small_matrix_is_no_edge_list(tmp_path: Path) -> None:
    (tmp_path / "adj.csv").write_text("0,1,0,0\n1,0,1,0\n0,1,0,1\n0,0,1,0\n")
    assert len(read_graph(tmp_path / "adj.csv", ("a", "b", "c", "d")).edges) == 6


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("id,timestamp,sensor,value", lambda n, t, s: f"{n},2024-01-01 {t:02d}:00,{s},{n}"),
        ("sensor_id,timestamp,value", lambda n, t, s: f"{s},{1_700_000_000 + 3600 * t},{n}"),
    ],
)
def test_the_right_column_names_the_sensor(tmp_path: Path, header: str, row: object) -> None:
    lines = [row(n, n // 2, f"x{n % 2}") for n in range(20)]  # type: ignore[operator]
    (tmp_path / "long.csv").write_text("\n".join([header, *lines]))
    store = take(tmp_path / "long.csv", tmp_path / "store")
    assert store.sensors.ids == ("x0", "x1")
    assert store.readings.values.shape == (10, 2, 1)
    assert store.manifest.step == 3600


def test_a_wide_table_may_count_seconds(tmp_path: Path) -> None:
    (tmp_path / "wide.csv").write_text(
        "timestamp,a,b\n" + "".join(f"{1_700_000_000 + 300 * n},{n},1\n" for n in range(5))
    )
    store = take(tmp_path / "wide.csv", tmp_path / "store")
    assert (store.sensors.ids, store.manifest.step) == (("a", "b"), 300)


def test_a_place_that_cannot_be_written_is_not_blamed_on_the_source(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(DataError, match=r"taken/store cannot be written"):
        import_store(wide(tmp_path), tmp_path / "taken" / "store")


def test_an_edge_to_a_stranger_is_refused(tmp_path: Path) -> None:
    (tmp_path / "edges.csv").write_text("from,to,cost\na,zz,1\n")
    with pytest.raises(DataError, match="node 'zz' in line 2 is no sensor of the network"):
        read_graph(tmp_path / "edges.csv", tuple(IDS))


def test_positions_must_name_every_sensor(tmp_path: Path) -> None:
    (tmp_path / "places.csv").write_text("sensor_id,lat,lon\na,50,8\nb,51,9\n")
    with pytest.raises(DataError, match="no position for 1 of 3 sensors, the first 'c'"):
        import_store(
            wide(tmp_path),
            tmp_path / "store",
            graph=GraphOptions(positions=tmp_path / "places.csv"),
        )


SUFFIXES = [
    "csv",
    "csv.gz",
    "parquet",
    "h5",
    "npz",
    "npy",
    "nc",
    "txt",
    "txt.gz",
    "pkl",
    "zarr.zip",
]
FUZZ = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.filterwarnings("ignore")
@FUZZ
@given(
    suffix=st.sampled_from(SUFFIXES),
    content=st.binary(max_size=400)
    | st.text(alphabet="0123456789,;.\n-:aT ", max_size=400).map(str.encode),
)
def test_any_bytes_give_a_store_or_one_clear_error(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, content: bytes
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / f"data.{suffix}").write_bytes(content)
    check_store_or_error(folder / f"data.{suffix}", folder / "store")


@pytest.mark.filterwarnings("ignore")
@FUZZ
@given(
    form=st.sampled_from(["wide", "wide_parquet", "long", "hdf", "npz", "lstnet", "npy", "netcdf"]),
    data=st.data(),
)
def test_a_damaged_file_gives_a_store_or_one_clear_error(
    tmp_path_factory: pytest.TempPathFactory, form: str, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("damage")
    file = FORMS[form](folder)
    content = bytearray(file.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    file.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    check_store_or_error(file, folder / "store")


def check_store_or_error(file: Path, store: Path) -> None:
    refused = ""
    try:
        import_store(file, store)
    except DataError as error:
        refused = str(error)
    assert store.exists() is not bool(refused)
    assert "\n" not in refused
    assert refused or open_store(store).readings.values.shape[0] >= 2
    assert not list(file.parent.glob(".store*"))


def test_every_reader_keeps_the_protocol() -> None:
    kinds = [reader.KIND for reader in READERS]
    assert len(set(kinds)) == len(kinds)
    for reader in READERS:
        assert not reader.matches(Path("/nowhere/at/all.xyz"), ReadOptions())


def test_a_reason_of_many_lines_becomes_one() -> None:
    """Arrow breaks its sentences where a page of a Parquet file is damaged."""
    broken = OSError(
        "Couldn't deserialize thrift: No more data\nDeserializing page header failed.\n"
    )
    assert (
        in_one_line(broken)
        == "Couldn't deserialize thrift: No more data Deserializing page header failed."
    )
    assert (
        in_one_line(OSError(2, "No such file", "readings")) == "[Errno 2] No such file: 'readings'"
    ), "which file is kept"
    assert in_one_line(MemoryError()) == "MemoryError"


@pytest.mark.parametrize("names", [True, False], ids=["named rows", "names above"])
@pytest.mark.parametrize("kind", ["proximities", "distances", "directed"])
def test_an_adjacency_matrix_is_no_readings(tmp_path: Path, kind: str, names: bool) -> None:
    places = np.random.default_rng(0).random((8, 2))
    matrix = np.linalg.norm(places[:, None] - places, axis=-1)
    if kind != "distances":
        matrix = np.exp(-(matrix**2))
    if kind == "directed":
        matrix[np.triu_indices(8, 1)] *= 0.5
    ids = [f"s{index}" for index in range(8)]
    pd.DataFrame(matrix, ids, ids).to_csv(tmp_path / "m.csv", index=names)
    with pytest.raises(DataError, match=r"adjacency matrix of 8 nodes.*--graph|m.csv: .*'s0'"):
        import_store(tmp_path / "m.csv", tmp_path / "store")
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
def test_a_mark_that_the_file_does_not_hold_is_refused(tmp_path: Path, encoding: str) -> None:
    lines = ["time,Köln,b", *(f"2024-03-01 {hour:02d}:00,{hour + 1},M" for hour in range(9))]
    lines += [f"2024-03-02 {hour:02d}:00,{hour + 1},{hour}" for hour in range(9)]
    (tmp_path / "r.csv").write_text("\n".join(lines), encoding=encoding)
    options = ReadOptions(encoding="latin-1" if encoding == "latin-1" else None)
    store = take(tmp_path / "r.csv", tmp_path / "store", missing=("M",), options=options)
    assert store.readings.observed[:, 1, 0].sum() == 9
    with pytest.raises(DataError, match="--missing 'ZZZ' had no effect"):
        import_store(tmp_path / "r.csv", tmp_path / "t", missing=("M", "ZZZ"), options=options)
    assert not (tmp_path / "t").exists()


@pytest.mark.parametrize(
    ("flag", "given"),
    [
        ("--variable", {"variables": ("v", "v")}),
        ("--time-column", {"time_columns": ("v", "v")}),
        ("--select", {"select": (("v", "1"), ("v", "2"))}),
    ],
)
def test_a_name_given_twice_is_refused(flag: str, given: dict[str, tuple[object, ...]]) -> None:
    with pytest.raises(DataError, match=f"^{flag} must give each name once, but gives 'v' twice$"):
        ReadOptions(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (ReadOptions(day_first=True), "the day comes first in dates, by --day-first"),
        (ReadOptions(day_first=False), "the month comes first in dates, by --month-first"),
        (
            ReadOptions(time_format="%m.%d.%Y %H:%M"),
            "times are written as %m.%d.%Y %H:%M, by --time-format",
        ),
        (
            ReadOptions(day_first=True, zone="Asia/Tokyo"),
            "the zone of the clock is Asia/Tokyo, by --zone",
        ),
        (ReadOptions(day_first=True, decimal=","), "the decimal sign is ',', by --decimal"),
    ],
)
def test_what_a_flag_decided_is_known(tmp_path: Path, options: ReadOptions, said: str) -> None:
    rows = [f"01.02.2024 {hour:02d}:00;{hour},5;{hour % 5},25" for hour in range(9)]
    (tmp_path / "r.csv").write_text("\n".join(["time;a;b", *rows]) + "\n")
    assert said in import_store(tmp_path / "r.csv", tmp_path / "store", options=options).known


def test_a_repeated_row_says_whether_it_is_the_same(tmp_path: Path) -> None:
    for reading, words in (("2", "with the same readings"), ("5", "with other readings")):
        text = f"time,a,b\n2024-03-01,1,1\n2024-03-02,2,2\n2024-03-02,2,{reading}\n"
        (tmp_path / "r.csv").write_text(text)
        with pytest.raises(DataError, match=f"at row 3 below the header .*{words}"):
            import_store(tmp_path / "r.csv", tmp_path / "store")


def test_a_network_of_few_sensors_has_no_more_neighbours_than_others(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("time,a,b,c\n2024-03-01,1,1,2\n2024-03-02,2,2,3\n")
    (tmp_path / "p.csv").write_text("id,x,y\na,0,0\nb,900,0\nc,0,800\n")
    graph = GraphOptions(positions=tmp_path / "p.csv")
    report = import_store(tmp_path / "r.csv", tmp_path / "store", graph=graph)
    assert any("each sensor and its 2 nearest neighbours, 6 edges" in t for t in report.assumed)
