"""Names and places of the sensors of a NetCDF file."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from dynst.data.importers.source import ReadOptions
from dynst.data.store import SensorStore
from dynst.errors import DataError
from tests.dynst.data.importers.netcdf_files import (
    LATS,
    LONS,
    STEPS,
    field,
    grid,
    hours,
    readings,
    take,
    write,
)

CALLS, X, Y = ["KAAA", "KBBB", "KCCC"], [4.0, 5.0, 6.0], [50.0, 51.0, 52.0]


def stations(**more: object) -> xr.Dataset:
    """``temp`` of three stations, station by time."""
    data = {
        "temp": (("station", "time"), field(3, STEPS)),
        "lat": ("station", Y),
        "lon": ("station", X),
    }
    return xr.Dataset(data | more, {"time": hours()})


def places(store: SensorStore) -> list[list[float]]:
    assert store.sensors.positions is not None
    return store.sensors.positions.tolist()


def joined(store: SensorStore) -> set[tuple[int, int]]:
    return set(zip(store.edges.source.tolist(), store.edges.target.tolist(), strict=True))


@pytest.mark.parametrize("name", ["station_name", "station", "call"])
@pytest.mark.parametrize("kind", ["S4", "U"])  # characters, and texts of any length
def test_names_and_places_of_stations(tmp_path: Path, name: str, kind: str) -> None:
    data = stations(**{name: ("station", np.array(CALLS, kind))})
    store, report = take(write(data, tmp_path / "a.nc"))
    assert list(store.sensors.ids) == CALLS
    assert places(store) == [list(pair) for pair in zip(X, Y, strict=True)]
    np.testing.assert_array_equal(readings(store), field(3, STEPS).T)
    assert name == "station" or f"sensors are named by '{name}'" in report.known


def test_the_variable_that_cf_marks_names_stations(tmp_path: Path) -> None:
    data = stations(
        owner=("station", ["x", "y", "z"]),
        code=("station", [7, 8, 9], {"cf_role": "timeseries_id"}),
    )
    store, report = take(write(data, tmp_path / "a.nc"))
    assert list(store.sensors.ids) == ["7", "8", "9"]
    assert "sensors are named by 'code'" in report.known


def test_names_that_come_twice_name_nothing(tmp_path: Path) -> None:
    data = stations(station_name=("station", ["A", "A", "B"])).assign_coords(station=[3, 5, 9])
    store, _ = take(write(data, tmp_path / "a.nc"))
    assert list(store.sensors.ids) == ["3", "5", "9"]


def test_numbers_of_stations_have_no_decimals(tmp_path: Path) -> None:
    data = stations().assign_coords(station=[715898.0, 715899.0, 715900.5])
    store, _ = take(write(data, tmp_path / "a.nc"))
    assert list(store.sensors.ids) == ["715898", "715899", "715900.5"]


def test_longitudes_of_stations_beyond_180_are_turned(tmp_path: Path) -> None:
    store, _ = take(write(stations(lon=("station", [356.0, 357, 358])), tmp_path / "a.nc"))
    assert [place[0] for place in places(store)] == [-4, -3, -2]


def test_a_station_without_a_place_is_said(tmp_path: Path) -> None:
    data = stations(lon=("station", [4.0, np.nan, 6.0]))
    store, report = take(write(data, tmp_path / "a.nc"))
    assert store.sensors.positions is None
    assert any("1 of 3 sensors" in text and "--positions" in text for text in report.assumed)


@pytest.mark.parametrize(("lat", "lon", "named"), [(114.1, 22.3, "lat"), (50.0, 550_100.0, "lon")])
def test_what_is_no_place_on_earth_is_refused(
    tmp_path: Path, lat: float, lon: float, named: str
) -> None:
    data = stations(lat=("station", [lat, 51, 52]), lon=("station", [lon, 5, 6]))
    with pytest.raises(DataError, match=f"'{named}' holds"):
        take(write(data, tmp_path / "a.nc"))


def test_a_transect_is_a_row_of_sensors(tmp_path: Path) -> None:
    data = xr.Dataset(
        {"t2m": (("time", "latitude", "longitude"), field(STEPS, 1, 5))},
        {"time": hours(), "latitude": [50.0], "longitude": [1.0, 2, 3, 4, 5]},
    )
    store, report = take(write(data, tmp_path / "a.nc"))
    assert places(store) == [[longitude, 50.0] for longitude in range(1, 6)]
    assert store.manifest.grid is None
    assert "latitude has one value, 50" in report.known


def test_a_single_point_is_one_sensor(tmp_path: Path) -> None:
    data = xr.Dataset(
        {"t2m": (("time", "latitude", "longitude"), field(STEPS, 1, 1))},
        {"time": hours(), "latitude": [50.0], "longitude": [4.0]},
    )
    store, _ = take(write(data, tmp_path / "a.nc"))
    assert places(store) == [[4.0, 50.0]]


def test_stations_at_depths_ask_for_one(tmp_path: Path) -> None:
    data = stations(v=(("time", "station", "depth"), field(STEPS, 3, 2)))
    data = data.drop_vars("temp").assign_coords(depth=("depth", [1.0, 2.0], {"units": "m"}))
    with pytest.raises(DataError, match=r"depth \(1, 2 m\) with --select depth"):
        take(write(data, tmp_path / "a.nc"))


def test_curvilinear_cells_have_their_places(tmp_path: Path) -> None:
    y, x = np.meshgrid([50.0, 51.0], [4.0, 5.0, 6.0], indexing="ij")
    lat, lon = y + x / 10, x + y / 10
    data = xr.Dataset(
        {
            "t2m": (("time", "y", "x"), field(STEPS, 2, 3)),
            "lat": (("y", "x"), lat),
            "lon": (("x", "y"), lon.T),
        },
        {"time": hours(), "y": [0, 1000], "x": [0, 1000, 2000]},
    )
    store, report = take(write(data.drop_vars("lon"), tmp_path / "plane.nc"))
    assert store.manifest.positions == "plane"
    data["lon"] = (("y", "x"), lon)
    store, report = take(write(data, tmp_path / "a.nc"))
    np.testing.assert_array_equal(places(store), np.stack([lon.ravel(), lat.ravel()], axis=1))
    assert store.manifest.grid is not None
    assert any("over y and x" in text for text in report.known)


def cells(lon: np.ndarray, lat: tuple[float, ...] = LATS, turned: bool = False) -> xr.Dataset:
    data = xr.Dataset(
        {"t": (("time", "lat", "lon"), field(STEPS, len(lat), len(lon)))},
        {"time": hours(), "lat": list(lat), "lon": lon},
    )
    return data.transpose("time", "lon", "lat") if turned else data


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("start", [0, -180])
def test_a_grid_around_the_earth_is_joined(tmp_path: Path, start: int, turned: bool) -> None:
    width, height = 12, 3
    data = cells(np.arange(start, start + 360, 30.0), turned=turned)
    store, report = take(write(data, tmp_path / "a.nc"))

    def index(row: int, column: int) -> int:
        column %= width
        return column * height + row if turned else row * width + column

    right = {
        (index(row, column), index(row + down, column + across))
        for row in range(height)
        for column in range(width)
        for down in (-1, 0, 1)
        for across in (-1, 0, 1)
        if (down or across) and 0 <= row + down < height
    }
    assert joined(store) == right
    assert len(store.edges) == len(right)
    assert any("round the earth" in text for text in report.known)


@pytest.mark.parametrize(
    "lon", [[350.0, 355, 0, 5], [0.0, 90, 180], [-180.0, -90, 0, 90, 180], [0.0, 1, 180]]
)
def test_other_grids_are_not_joined(tmp_path: Path, lon: list[float]) -> None:
    store, _ = take(write(cells(np.array(lon)), tmp_path / "a.nc"))
    assert (0, len(lon) - 1) not in joined(store)


def test_a_region_over_greenwich_keeps_its_order(tmp_path: Path) -> None:
    store, _ = take(write(cells(np.array([350.0, 355, 0, 5])), tmp_path / "a.nc"))
    assert [place[0] for place in places(store)[:4]] == [-10, -5, 0, 5]
    assert {(0, 1), (1, 2), (2, 3)} <= joined(store)
    np.testing.assert_array_equal(readings(store), field(STEPS, 3, 4).reshape(STEPS, -1))


def test_rows_and_columns_without_values_are_said(tmp_path: Path) -> None:
    data = grid().drop_vars(["latitude", "longitude"]).rename(latitude="a", longitude="b")
    store, report = take(write(data, tmp_path / "a.nc"))
    assert places(store)[:2] == [[0, 0], [1, 0]]
    assert any("rows are 'a' and columns 'b'" in text for text in report.assumed)
    assert len(places(store)) == len(LATS) * len(LONS)


def test_the_user_names_what_names_stations(tmp_path: Path) -> None:
    data = stations(owner=("station", ["x", "y", "z"]), region=("station", ["n", "s", "w"]))
    file = write(data, tmp_path / "a.nc")
    store, report = take(file)
    assert list(store.sensors.ids) == ["x", "y", "z"]
    assert any("not by region (--sensor-column)" in text for text in report.assumed)
    store, _ = take(file, ReadOptions(sensor_column="region"))
    assert list(store.sensors.ids) == ["n", "s", "w"]
    with pytest.raises(DataError, match=r"lat, lon, owner, region"):
        take(file, ReadOptions(sensor_column="call"))


@pytest.mark.parametrize("dims", [("node", "feature"), ("kind", "gauge"), ("texts", "x")])
def test_sensors_by_quantities_are_no_grid(tmp_path: Path, dims: tuple[str, str]) -> None:
    data = xr.Dataset({"v": (("time", *dims), field(STEPS, 3, 2))}, {"time": hours()})
    if dims[0] == "texts":
        data = data.assign_coords(texts=["a", "b", "c"])
    with pytest.raises(DataError, match=f"--select {dims[dims[1] != 'gauge']}=VALUE"):
        take(write(data, tmp_path / "a.nc"))


def test_radians_become_degrees(tmp_path: Path) -> None:
    """As unstructured meshes keep the centres of their cells."""
    data = stations(
        lat=("station", np.deg2rad(Y), {"units": "radian", "standard_name": "latitude"}),
        lon=("station", np.deg2rad(X), {"units": "radian", "standard_name": "longitude"}),
    )
    store, _ = take(write(data, tmp_path / "a.nc"))
    np.testing.assert_allclose(places(store), np.stack([X, Y], axis=1))


def test_levels_that_take_the_place_of_sensors_are_said(tmp_path: Path) -> None:
    data = xr.Dataset(
        {"t": (("time", "level"), field(STEPS, 2))},
        {"time": hours(), "level": ("level", [1000.0, 850], {"units": "hPa"})},
    )
    store, report = take(write(data, tmp_path / "a.nc"))
    assert list(store.sensors.ids) == ["1000", "850"]
    assert any("--select level=VALUE" in text for text in report.assumed)


def model_output(*, drift: float = 0.0, letters: bool = False) -> xr.Dataset:
    """As WRF writes it: places at each time, and times as texts of letters."""
    dims, shape = ("Time", "south_north", "west_east"), (STEPS, 3, 4)
    moved = drift * np.arange(STEPS)[:, None, None]
    stamps = [f"2024-03-01_{hour:02d}:00:00" for hour in range(STEPS)]
    data = xr.Dataset(
        {
            "T2": (dims, field(*shape)),
            "XLAT": (dims, np.broadcast_to(50 + np.arange(3.0)[:, None], shape)),
            "XLONG": (dims, np.broadcast_to(4 + np.arange(4.0), shape) + moved),
            "Times": ("Time", np.array(stamps, "S19")),
        }
    )
    if letters:
        split = np.array([[letter.encode() for letter in stamp] for stamp in stamps], "S1")
        data["Times"] = (("Time", "DateStrLen"), split)
    return data


@pytest.mark.parametrize("letters", [False, True])
@pytest.mark.parametrize("declared", [False, True])
def test_places_that_a_model_repeats_at_each_time(
    tmp_path: Path, letters: bool, declared: bool
) -> None:
    data = model_output(letters=letters)
    if declared:
        data["T2"].encoding["coordinates"] = "XLONG XLAT"
    store, _ = take(write(data, tmp_path / "a.nc"))
    assert [channel.name for channel in store.manifest.channels] == ["T2"]
    assert store.manifest.positions == "lonlat"
    assert places(store)[5] == [5.0, 51.0]
    assert store.manifest.start == "2024-03-01 00:00:00"


def test_places_that_a_model_moves_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="sensors must stay where they are"):
        take(write(model_output(drift=0.1), tmp_path / "a.nc"))


@pytest.mark.parametrize("unit", ["degrees_west", "degree_west", "degrees_W"])
def test_degrees_of_the_west_and_south_are_negative(tmp_path: Path, unit: str) -> None:
    west = ("station", X, {"units": unit})
    south = ("station", Y, {"units": "degrees_south"})
    store, _ = take(write(stations(lon=west, lat=south), tmp_path / "a.nc"))
    assert places(store) == [[-x, -y] for x, y in zip(X, Y, strict=True)]


def test_negative_degrees_of_the_west_may_be_either(tmp_path: Path) -> None:
    west = ("station", [-4.0, -5.0, -6.0], {"units": "degrees_west"})
    with pytest.raises(DataError, match=r"must not be negative.*degrees_east"):
        take(write(stations(lon=west), tmp_path / "a.nc"))


def test_a_station_at_null_island_has_no_place(tmp_path: Path) -> None:
    data = stations(lon=("station", [0.0, 5.0, 6.0]), lat=("station", [0.0, 51.0, 52.0]))
    with pytest.raises(DataError, match="lies at 0, 0"):
        take(write(data, tmp_path / "a.nc"))
