"""Members of npz archives: what is read, left out and refused."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from dynst.data.importers.import_store import GraphOptions, ImportReport, import_store
from dynst.data.importers.source import ReadOptions
from dynst.data.store import SensorStore, open_store
from dynst.errors import DataError

STEPS = np.arange(np.datetime64("2024-03-01T00"), np.datetime64("2024-03-04T00"))
VALUES = np.random.default_rng(0).normal(50, 3, (72, 3, 1)).astype(np.float32)
OPTIONS = ReadOptions(start=datetime(2024, 3, 1), step=timedelta(hours=1))


def take(folder: Path, options: ReadOptions | None = None, **arrays: object) -> SensorStore:
    return take_both(folder, options, **arrays)[0]


def take_both(
    folder: Path, options: ReadOptions | None = None, **arrays: object
) -> tuple[SensorStore, ImportReport]:
    np.savez(folder / "r.npz", **arrays)  # type: ignore[arg-type]
    report = import_store(folder / "r.npz", folder / "store", options=options)
    return open_store(folder / "store"), report


def test_objects_that_are_not_needed_are_named_and_not_read(tmp_path: Path) -> None:  # B20
    store, report = take_both(tmp_path, data=VALUES, names=np.array(["a", "b", "c"], object))
    np.testing.assert_array_equal(store.readings.values, VALUES)
    assert any("not read: 'names'" in text and "objects" in text for text in report.assumed)


@pytest.mark.parametrize("name", ["data", "time", "sensor_id"])
def test_objects_that_are_needed_are_refused_by_name(tmp_path: Path, name: str) -> None:
    arrays: dict[str, object] = {"data": VALUES, "time": STEPS, "sensor_id": np.array(list("abc"))}
    arrays[name] = np.asarray(arrays[name]).astype(object)
    with pytest.raises(DataError, match=f"'{name}' holds Python objects.*save it as"):
        take(tmp_path, **arrays)


def test_times_of_objects_give_way_to_those_of_the_user(tmp_path: Path) -> None:
    store, report = take_both(tmp_path, OPTIONS, data=VALUES, time=STEPS.astype(object))
    assert store.manifest.start == "2024-03-01 00:00:00"
    assert any("'time' of Python objects" in text for text in report.assumed)


@pytest.mark.parametrize("names", [None, ["flow", "tod", "dow"]])
def test_a_channel_that_is_the_same_everywhere_is_left_out(
    tmp_path: Path, names: list[str] | None
) -> None:  # A38
    tod = np.broadcast_to((np.arange(72) % 24 / 24)[:, None, None], VALUES.shape)
    dow = np.broadcast_to((np.arange(72) // 24 % 7)[:, None, None], VALUES.shape)
    arrays: dict[str, object] = {"data": np.concatenate([VALUES, tod, dow], axis=2)}
    if names:
        arrays["feature"] = np.array(names)
    store, report = take_both(tmp_path, **arrays)
    assert store.channel_names == [(names or ["channel0"])[0]]
    np.testing.assert_array_equal(store.readings.values, VALUES)
    second = (names or ["", "channel1"])[1]
    assert any(f"--variable {second}" in text for text in report.assumed)
    (tmp_path / "again").mkdir()
    chosen = take(tmp_path / "again", ReadOptions(variables=(second,)), **arrays)
    np.testing.assert_allclose(chosen.readings.values, tod, rtol=1e-6)


def test_channels_that_are_all_alike_stay(tmp_path: Path) -> None:
    store = take(tmp_path, data=np.broadcast_to(VALUES[:, :1], (72, 3, 1)))
    assert store.channel_names == ["value"]


@pytest.mark.parametrize(
    ("ids", "texts"), [([7, 8, 9], "789"), (["007", "008", "1e3"], ["007", "008", "1e3"])]
)
def test_ids_are_texts(tmp_path: Path, ids: list[object], texts: list[str]) -> None:
    store = take(tmp_path, data=VALUES, time=STEPS, sensor_id=np.array(ids))
    assert store.sensors.ids == tuple(texts)


def test_bytes_are_no_part_of_ids(tmp_path: Path) -> None:
    assert take(tmp_path, data=VALUES, sensor_id=np.array([b"x", b"y", b"z"])).sensors.ids == (
        "x",
        "y",
        "z",
    )


@pytest.mark.parametrize(
    ("lon", "lat", "message"),
    [
        ([9.0, 9.1, 9.2], [48.0, 130.0, 48.2], "latitudes in -90..90"),
        ([0.0, 9.1, 9.2], [0.0, 48.1, 48.2], "lies at 0, 0"),
        ([9.0, np.nan, 9.2], [48.0, 48.1, 48.2], "'lon' of '1' is no number"),
        ([9.0, 9.1], [48.0, 48.1], "must hold 3 numbers"),
    ],
)
def test_places_are_checked(
    tmp_path: Path, lon: list[float], lat: list[float], message: str
) -> None:
    arrays = {"data": VALUES, "time": STEPS, "lon": np.array(lon), "lat": np.array(lat)}
    with pytest.raises(DataError, match=message):
        take(tmp_path, **arrays)
    (tmp_path / "p.csv").write_text("id,lon,lat\n0,9,48\n1,9.1,48.1\n2,9.2,48.2\n")
    graph = GraphOptions(positions=tmp_path / "p.csv")
    import_store(tmp_path / "r.npz", tmp_path / "store", graph=graph)
    assert open_store(tmp_path / "store").manifest.positions == "lonlat"


def test_longitudes_beyond_180_are_those_of_the_west(tmp_path: Path) -> None:
    lon, lat = np.array([355.0, 190.0, 9.0]), np.array([48.0, 48.1, 48.2])
    store = take(tmp_path, data=VALUES, time=STEPS, lon=lon, lat=lat)
    assert store.sensors.positions is not None
    assert store.sensors.positions[:, 0].tolist() == [-5.0, -170.0, 9.0]
