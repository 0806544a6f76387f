import json
import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from dynst.data.clock import COUNTED, Clock
from dynst.data.edges import Edges, nearest_neighbour_edges
from dynst.data.manifest import Channel
from dynst.data.sensor_table import Sensors
from dynst.data.store import EDGES, MANIFEST, READINGS, SENSORS, SensorStore, open_store
from dynst.data.synthetic import write_synthetic_field
from dynst.data.writer import Origin, StoreWriter
from dynst.errors import DataError
from dynst.sparsity.constraints.sensor_layout import network_of
from tests.conftest import write_network
from tests.damage import as_of_version

CHANNEL = [Channel(name="flow")]


def writer(path: Path, count: int = 2) -> StoreWriter:
    return StoreWriter(path, Origin("x"), CHANNEL, Sensors(tuple("abcdefgh"[:count])), Edges.none())


def test_what_is_written_is_read(tmp_path: Path) -> None:
    values = np.array([[[1.0], [2.0]], [[np.nan], [4.0]], [[5.0], [np.nan]]])
    with writer(tmp_path / "s") as store:
        store.append(np.array([0, 60]), values[:2])
        store.append(np.array([120]), values[2:])
    opened = open_store(tmp_path / "s")
    readings = opened.readings
    assert readings.time.tolist() == [0, 60, 120]
    assert readings.observed[..., 0].tolist() == [[True, True], [False, True], [True, False]]
    assert readings.values[..., 0].tolist() == [[1, 2], [0, 4], [5, 0]]
    assert opened.manifest.step == 60
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s"]


def test_infinite_readings_are_refused_with_their_place(tmp_path: Path) -> None:
    values = np.zeros((4, 2, 1))
    values[3, 1] = np.inf
    with (
        pytest.raises(DataError, match="sensor 'b' has an infinite value at step 3"),
        writer(tmp_path / "s") as store,
    ):
        store.append(np.arange(4), values)


def test_what_float32_cannot_hold_is_refused_too(tmp_path: Path) -> None:
    with (
        pytest.raises(DataError, match="sensor 'a' has an infinite value at step 1"),
        writer(tmp_path / "s") as store,
    ):
        store.append(np.arange(2), np.array([[[0.0], [0.0]], [[1e300], [0.0]]]))


def test_one_odd_timestamp_does_not_change_the_step(tmp_path: Path) -> None:
    time = 300 * np.arange(50)
    time[20] += 1
    with writer(tmp_path / "s") as store:
        store.append(time, np.zeros((50, 2, 1)))
    assert open_store(tmp_path / "s").manifest.step == 300


def test_declared_markers_are_missing(tmp_path: Path) -> None:
    with StoreWriter(
        tmp_path / "s", Origin("x", missing=(0.0, -1.0)), CHANNEL, Sensors(("a", "b")), Edges.none()
    ) as store:
        store.append(np.array([0, 1]), np.array([[[0.0], [5.0]], [[-1.0], [2.0]]]))
    assert open_store(tmp_path / "s").readings.observed[..., 0].tolist() == [
        [False, True],
        [False, True],
    ]


def test_a_network_of_one_sensor(tmp_path: Path) -> None:
    with writer(tmp_path / "s", 1) as store:
        store.append(np.arange(3), np.array([1.0, 2.0, 3.0])[:, None, None])
    assert open_store(tmp_path / "s").readings.values.tolist() == [[[1]], [[2]], [[3]]]


def test_digest_is_of_the_content(tmp_path: Path) -> None:
    same, again, other = (
        write_network(tmp_path / name, seed=seed) for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert same.manifest.digest == again.manifest.digest != other.manifest.digest


def test_digest_does_not_depend_on_the_blocks_that_were_appended(tmp_path: Path) -> None:
    values = np.arange(12.0).reshape(6, 2, 1)
    digests = []
    for name, blocks in (("a", 1), ("b", 3)):
        with writer(tmp_path / name) as store:
            for rows in np.array_split(np.arange(6), blocks):
                store.append(rows, values[rows])
        digests.append(open_store(tmp_path / name).manifest.digest)
    assert digests[0] == digests[1]


def test_an_interrupted_import_leaves_nothing(tmp_path: Path) -> None:
    def cut() -> None:
        with writer(tmp_path / "s") as store:
            store.append(np.array([0, 1]), np.zeros((2, 2, 1)))
            raise RuntimeError("cut")

    with pytest.raises(RuntimeError, match="cut"):
        cut()
    assert list(tmp_path.iterdir()) == []


def test_times_must_increase(tmp_path: Path) -> None:
    with (
        pytest.raises(DataError, match=r"times must increase .* at step 2"),
        writer(tmp_path / "s") as store,
    ):
        store.append(np.array([0, 60, 60]), np.zeros((3, 2, 1)))


def test_an_existing_store_is_not_overwritten(tmp_path: Path, network: SensorStore) -> None:
    with pytest.raises(DataError, match="exists already"):
        writer(network.path)


def test_sensors_must_be_unique_and_placed() -> None:
    with pytest.raises(DataError, match="'a' stands there more than once"):
        Sensors(("a", "b", "a"))
    with pytest.raises(DataError, match=r"1 of 2 are not, the first at sensor 'b' \(row 1\)"):
        Sensors(("a", "b"), np.array([[0, 0], [np.nan, 1]]))


def test_costs_must_be_finite_and_not_negative() -> None:
    for cost in (np.nan, np.inf, -1.0):
        with pytest.raises(DataError, match=rf"1 of 2 are not, the first {cost:g} of sensor 'b'"):
            Sensors(("a", "b"), cost=np.array([1.0, cost]))
    with pytest.raises(DataError, match="'pinned' must be true or false for each sensor"):
        Sensors(("a", "b"), pinned=np.array([0, 2]))
    with pytest.raises(DataError, match="'group' must be texts, but None"):
        Sensors(("a", "b"), group=("x", None))  # type: ignore[arg-type]


def test_a_store_whose_positions_are_nan_is_refused(tmp_path: Path) -> None:
    store = write_network(tmp_path / "s")
    as_of_version(2, store.path)
    table = pq.read_table(store.path / SENSORS)
    broken = table.set_column(
        table.column_names.index("x"), "x", [[float("nan"), *table["x"].to_pylist()[1:]]]
    )
    pq.write_table(broken, store.path / SENSORS)
    with pytest.raises(
        DataError,
        match="sensor positions must be finite numbers, but 1 of 8 are not, the first at sensor "
        "'s0'",
    ):
        open_store(store.path)


@pytest.mark.parametrize("name", [MANIFEST, READINGS, SENSORS, EDGES])
@pytest.mark.parametrize("damage", ["absent", "empty", "cut", "garbage"])
def test_damage_is_one_clear_error(tmp_path: Path, name: str, damage: str) -> None:
    file = write_network(tmp_path / "s").path / name
    content = file.read_bytes()
    if damage == "absent":
        file.unlink()
    else:
        file.write_bytes(
            {"empty": b"", "cut": content[: len(content) // 2], "garbage": b"\x00\xff" * 300}[
                damage
            ]
        )
    with pytest.raises(DataError):
        _ = open_store(tmp_path / "s").readings


def test_edges_must_stay_inside_the_network() -> None:
    edges = Edges(np.array([0, 5]), np.array([1, 0]), np.array([1, 1], np.float32))
    with pytest.raises(DataError, match=r"'source' must lie in 0\.\.2"):
        edges.check(3)


def test_neighbours_on_the_sphere_cross_the_date_line() -> None:
    places = np.array([[179.9, 0.0], [-179.9, 0.0], [170.0, 0.0]])
    edges = nearest_neighbour_edges(places, lonlat=True, neighbours=1)
    assert edges.source[edges.target == 0].tolist() == [1]


def test_a_sensor_without_any_reading_is_never_kept(tmp_path: Path) -> None:
    values = np.ones((3, 3, 1))
    values[:, [0, 2]] = np.nan
    sensors = Sensors(("silent", "speaks", "pinned"), pinned=np.array([False, False, True]))
    with StoreWriter(tmp_path / "s", Origin("x"), CHANNEL, sensors, Edges.none()) as store:
        store.append(np.arange(3), values)
    opened = open_store(tmp_path / "s")
    assert opened.sensors.excluded.tolist() == [False, False, False]
    assert network_of(opened).sensors.excluded.tolist() == [True, False, False]


def test_a_manifest_of_version_1_is_read_as_a_clock_of_unknown_zone(tmp_path: Path) -> None:
    with writer(tmp_path / "s") as store:
        store.append(3600 * np.arange(3), np.ones((3, 2, 1)))
    path = tmp_path / "s" / MANIFEST
    today = open_store(tmp_path / "s").manifest
    as_of_version(1, tmp_path / "s")
    document = json.loads(path.read_text())
    assert (document["version"], document["step_seconds"]) == (1, 3600)
    assert document["start"] == "1970-01-01T00:00:00"
    old = open_store(tmp_path / "s").manifest
    assert old.digest_version == 1
    assert old == today.model_copy(
        update={"digest_version": 1, "digest": document["digest"], "files": {}}
    )
    assert today.clock == Clock()
    path.write_text(json.dumps(document | {"timed": False, "start": "0"}))
    assert open_store(tmp_path / "s").manifest.clock == COUNTED


def test_the_digest_knows_the_zone(tmp_path: Path) -> None:
    digests = set()
    for name, clock in (("a", None), ("b", Clock()), ("c", Clock(zone="UTC")), ("d", COUNTED)):
        sensors = Sensors(("x", "y"))
        origin = Origin("x", clock=clock)
        with StoreWriter(tmp_path / name, origin, CHANNEL, sensors, Edges.none()) as store:
            store.append(3600 * np.arange(3), np.ones((3, 2, 1)))
        digests.add(open_store(tmp_path / name).manifest.digest)
    assert len(digests) == 2


@pytest.mark.parametrize("mask", [0o022, 0o002, 0o077])
def test_a_new_store_may_be_read_by_whoever_may_read_new_folders(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        write_synthetic_field(tmp_path / "store", 4, 48)
    finally:
        os.umask(before)
    folder = tmp_path / "store"
    assert folder.stat().st_mode & 0o777 == 0o777 & ~mask
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o666 & ~mask}
