"""Which variable, level and value of a NetCDF file are taken, against xarray."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from dynst.data.importers.formats.netcdf.selection import select
from dynst.data.importers.source import ReadOptions
from dynst.errors import DataError
from tests.dynst.data.importers.netcdf_files import (
    DIMS,
    LATS,
    LONS,
    STEPS,
    field,
    grid,
    hours,
    labels,
    readings,
    take,
    write,
)

LEVELS = (100_000, 85_000, 50_000, 1_000)
SHAPE = (STEPS, len(LATS), len(LONS))


def levels(
    unit: str = "Pa", values: tuple[float, ...] = (100_000, 85_000, 50_000, 1_000)
) -> xr.Dataset:
    """``z`` on levels; each level holds its own number."""
    attributes = {"units": unit} if unit else {}
    data = np.broadcast_to(
        np.array(values, np.float32)[None, :, None, None], (STEPS, len(values), 3, 4)
    )
    coords = {"time": hours(), "latitude": list(LATS), "longitude": list(LONS)}
    return xr.Dataset(
        {"z": (("time", "level", "latitude", "longitude"), data)},
        coords | {"level": ("level", np.array(values, np.float64), attributes)},
    )


def pick(**wanted: str) -> ReadOptions:
    return ReadOptions(select=tuple(wanted.items()))


def test_a_level_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    file = write(levels(), tmp_path / "z.nc")
    with pytest.raises(DataError, match=r"level=500: .*100000, 85000, 50000, 1000 Pa"):
        take(file, pick(level="500"))
    with pytest.raises(DataError, match=r"level \(100000, 85000, 50000, 1000 Pa\) with --select"):
        take(file)


@pytest.mark.parametrize("text", ["50000", "500hPa", "500 mbar", "50 kPa", "5e4", "50000.001"])
def test_a_level_is_taken_in_any_unit_of_pressure(tmp_path: Path, text: str) -> None:
    store, report = take(write(levels(), tmp_path / "z.nc"), pick(level=text))
    assert (readings(store) == 50_000).all()
    assert "level 50000 Pa taken of 4" in report.known


@pytest.mark.parametrize("text", ["500m", "500 furlong", "high", "50001", "50000 K"])
def test_what_is_no_level_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match=r"100000, 85000, 50000, 1000 Pa"):
        take(write(levels(), tmp_path / "z.nc"), pick(level=text))


def test_a_unit_is_refused_where_the_file_has_none(tmp_path: Path) -> None:
    file = write(levels("", (500, 850)), tmp_path / "z.nc")
    with pytest.raises(DataError, match="no unit"):
        take(file, pick(level="500hPa"))
    assert (readings(take(file, pick(level="500"))[0]) == 500).all()


def test_float32_noise_is_no_other_level(tmp_path: Path) -> None:
    data = levels("m", (0.1, 0.3))
    data["level"] = ("level", np.array([0.1, 0.3], np.float32), {"units": "m"})
    store, _ = take(write(data, tmp_path / "z.nc"), pick(level="0.3"))
    assert (readings(store) == np.float32(0.3)).all()


@given(
    values=st.lists(st.integers(1, 10**6), min_size=2, max_size=8, unique=True),
    text=st.integers(1, 10**6),
    unit=st.sampled_from(["", "Pa", "hPa"]),
)
def test_select_is_exact_or_refuses(values: list[int], text: int, unit: str) -> None:
    """As ``xarray.sel`` without ``method="nearest"``."""
    data = xr.Dataset(
        {"v": ("level", np.arange(len(values)))},
        {"level": ("level", np.array(values, float), {"units": unit})},
    )
    options = pick(level=str(text))
    try:
        right = int(data["v"].sel(level=text))
    except KeyError:
        close = [value for value in values if abs(value - text) <= 1e-6 * max(value, text)]
        if not close:
            with pytest.raises(DataError, match="no such value"):
                select(data, options)
        return
    assert int(select(data, options)[0]["v"]) == right


def forecasts() -> xr.Dataset:
    lead = ("prediction_timedelta", [0, 6, 12], {"units": "hours"})
    return xr.Dataset(
        {"t": (("time", "prediction_timedelta", "latitude", "longitude"), field(10, 3, 3, 4))},
        {
            "time": ("time", 12 * np.arange(10), {"units": "hours since 2020-01-01"}),
            "prediction_timedelta": lead,
            "latitude": list(LATS),
            "longitude": list(LONS),
        },
    )


@pytest.mark.parametrize("text", ["6h", "0.25 days", "360min", "6 hours"])
def test_a_lead_time_is_a_duration(tmp_path: Path, text: str) -> None:
    data = forecasts()
    store, report = take(write(data, tmp_path / "f.nc"), pick(prediction_timedelta=text))
    np.testing.assert_array_equal(readings(store), data["t"][:, 1].to_numpy().reshape(10, -1))
    assert any("6 hours later" in text for text in report.assumed)


@pytest.mark.parametrize("text", ["6", "6 apples", "soon"])
def test_a_lead_time_without_a_unit_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match=r"--select prediction_timedelta=6h.*0, 6, 12 hours"):
        take(write(forecasts(), tmp_path / "f.nc"), pick(prediction_timedelta=text))


def test_the_course_of_one_forecast(tmp_path: Path) -> None:
    store, _ = take(write(forecasts(), tmp_path / "f.nc"), pick(time="2020-01-02"))
    assert labels(store) == [f"2020-01-02 {hour:02d}:00:00+00:00" for hour in (0, 6, 12)]
    np.testing.assert_array_equal(readings(store), forecasts()["t"][2].to_numpy().reshape(3, -1))


def test_valid_times_are_taken_where_the_file_has_them(tmp_path: Path) -> None:
    data = forecasts().rename(prediction_timedelta="step")
    data["time"].attrs["standard_name"] = "forecast_reference_time"
    valid = data["time"].to_numpy()[:, None] + np.array([0, 6, 12])
    attributes = {"units": "hours since 2020-01-01", "standard_name": "time"}
    data["valid_time"] = (("time", "step"), valid, attributes)
    store, _ = take(write(data, tmp_path / "f.nc"), pick(step="6h"))
    assert labels(store)[:2] == ["2020-01-01 06:00:00+00:00", "2020-01-01 18:00:00+00:00"]


def test_texts_and_dimensions_without_values(tmp_path: Path) -> None:
    data = xr.Dataset(
        {"v": (("time", "kind", "latitude", "longitude"), field(STEPS, 2, 3, 4))},
        {"time": hours(), "latitude": list(LATS), "longitude": list(LONS)},
    )
    bare = write(data, tmp_path / "bare.nc")
    store, report = take(bare, pick(kind="1"))
    np.testing.assert_array_equal(readings(store), data["v"][:, 1].to_numpy().reshape(STEPS, -1))
    assert any("number 1, counted from 0" in text for text in report.known)
    with pytest.raises(DataError, match="from 0 to 1"):
        take(bare, pick(kind="2"))
    named = write(data.assign_coords(kind=["wet", "dry"]), tmp_path / "named.nc")
    store, _ = take(named, pick(kind="dry"))
    np.testing.assert_array_equal(readings(store), data["v"][:, 1].to_numpy().reshape(STEPS, -1))
    with pytest.raises(DataError, match="it has wet, dry"):
        take(named, pick(kind="damp"))
    with pytest.raises(DataError, match="no dimension 'species'"):
        take(named, pick(species="dry"))


def test_bounds_and_static_fields_do_not_stand_in_the_way(tmp_path: Path) -> None:
    data = grid()
    bounded = xr.Dataset(
        {
            "lat_bnds": (("latitude", "bnds"), np.zeros((3, 2))),
            "edges": (("time", "bnds"), np.zeros((STEPS, 2))),
            "orography": (("latitude", "longitude"), np.ones((3, 4))),
            "crs": ((), 0),
        }
    ).merge(data)
    bounded["time"].attrs["bounds"] = "edges"
    store, report = take(write(bounded, tmp_path / "a.nc"))
    assert store.channel_names == ["t2m"]
    np.testing.assert_array_equal(readings(store), data["t2m"].to_numpy().reshape(STEPS, -1))
    skipped = next(text for text in report.known if text.startswith("skipped"))
    assert {"lat_bnds", "edges", "orography", "crs"} <= set(skipped.replace(",", "").split())


def test_a_static_field_cannot_be_asked_for(tmp_path: Path) -> None:
    data = grid().assign(orography=(("latitude", "longitude"), np.ones((3, 4))))
    file = write(data, tmp_path / "a.nc")
    with pytest.raises(DataError, match=r"'orography' has no time.*--variable"):
        take(file, ReadOptions(variables=("orography",)))
    with pytest.raises(DataError, match=r"no variable 'snow'.*t2m"):
        take(file, ReadOptions(variables=("snow",)))


def test_variables_of_other_dimensions_are_left_out_and_said(tmp_path: Path) -> None:
    data = grid().assign(
        u10=(DIMS, field(*SHAPE)),
        mean=("time", np.zeros(STEPS)),
        t2m2=(DIMS[::-1], field(4, 3, STEPS)),
    )
    store, report = take(write(data, tmp_path / "a.nc"))
    assert store.channel_names == ["t2m", "u10", "t2m2"]
    np.testing.assert_array_equal(
        readings(store, 2), data["t2m2"].transpose(*DIMS).to_numpy().reshape(STEPS, -1)
    )
    assert any(
        "variables left out: mean" in text and "--variable" in text for text in report.assumed
    )
    with pytest.raises(DataError, match="import one of them"):
        take(tmp_path / "a.nc", ReadOptions(variables=("t2m", "mean")))


def versions(overlap: float) -> xr.Dataset:
    whole = field(*SHAPE)
    parts = np.full((STEPS, 2, 3, 4), np.nan, np.float32)
    parts[:8, 0], parts[8:, 1] = whole[:8], whole[8:]
    parts[7, 1] = whole[7] + overlap
    return xr.Dataset(
        {"t2m": (("time", "expver", "latitude", "longitude"), parts)},
        {"time": hours(), "latitude": list(LATS), "longitude": list(LONS), "expver": [1, 5]},
    )


def test_preliminary_and_final_data_are_put_together(tmp_path: Path) -> None:
    file = write(versions(0), tmp_path / "a.nc")
    store, report = take(file)
    np.testing.assert_array_equal(readings(store), field(*SHAPE).reshape(STEPS, -1))
    assert any("put together" in text and "--select expver" in text for text in report.assumed)
    alone, _ = take(file, pick(expver="1"))
    assert np.isnan(readings(alone)[8:]).all()


def test_two_versions_of_one_reading_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"1, 5.*--select expver"):
        take(write(versions(1), tmp_path / "a.nc"))
    assert not list(tmp_path.glob("*.store*"))


@pytest.mark.parametrize(
    ("attributes", "missing"),
    [
        ({"missing_value": 1e20}, {1e20}),
        ({"missing_value": np.float32(1e20)}, {1e20}),
        ({"missing_value": np.array([1e20, -999.0])}, {1e20, -999.0}),
        ({"missing_value": np.float32(-999), "_FillValue": np.float32(1e20)}, {1e20, -999.0}),
        ({"missing_value": "-999"}, {-999.0}),
        ({"missing_value": "none"}, set()),
        ({"valid_range": np.array([0, 10_000], np.float32)}, {1e20, -999.0}),
        ({"valid_min": np.float32(0)}, {-999.0}),
        ({"valid_max": 10_000}, {1e20}),
    ],
)
def test_what_the_file_declares_is_missing(
    tmp_path: Path, attributes: dict[str, object], missing: set[float]
) -> None:
    """xarray alone leaves a fill value of a wider type than the readings, and valid ranges."""
    values = field(*SHAPE)
    values[1, 0, 0], values[2, 0, 0] = 1e20, -999
    file = write(grid(values), tmp_path / "a.nc")
    with h5py.File(file, "r+") as raw:
        for name, value in attributes.items():
            raw["t2m"].attrs[name] = value
    store, report = take(file)
    lost = np.isin(values, np.array(list(missing), np.float32)).reshape(STEPS, -1)
    np.testing.assert_array_equal(np.isnan(readings(store)), lost)
    np.testing.assert_array_equal(readings(store)[~lost], values.reshape(STEPS, -1)[~lost])
    ranged = any(name.startswith("valid") for name in attributes)
    assert ranged == any("valid range that the file declares" in text for text in report.known)


@pytest.mark.parametrize("scale", [0.1, -0.1])
@pytest.mark.parametrize(("dtype", "low", "high"), [("i2", 3, 30), ("f8", 5.3, 8.0)])
def test_the_range_of_packed_numbers(
    tmp_path: Path, scale: float, dtype: str, low: float, high: float
) -> None:
    """A range of the packed type is one of packed numbers, one of the type of the scale is not."""
    packed = np.arange(np.prod(SHAPE), dtype="i2").reshape(SHAPE) % 40
    file = write(grid(packed), tmp_path / "a.nc")
    with h5py.File(file, "r+") as raw:
        raw["t2m"].attrs["scale_factor"], raw["t2m"].attrs["add_offset"] = scale, 5.0
        raw["t2m"].attrs["valid_range"] = np.array([low, high], dtype)
    if dtype == "f8" and scale < 0:
        with pytest.raises(DataError, match="every reading"):
            take(file)
        return
    store, _ = take(file)
    inside = (packed >= 3) & (packed <= 30)
    np.testing.assert_array_equal(~np.isnan(readings(store)), inside.reshape(STEPS, -1))
    np.testing.assert_allclose(
        readings(store)[inside.reshape(STEPS, -1)], (packed * scale + 5)[inside], rtol=1e-6
    )


def test_a_range_without_any_reading_is_refused(tmp_path: Path) -> None:
    file = write(grid(), tmp_path / "a.nc")
    with h5py.File(file, "r+") as raw:
        raw["t2m"].attrs["valid_max"] = np.float32(10)
    with pytest.raises(DataError, match=r"every reading of 't2m'.*at most 10.*valid_range"):
        take(file)


def test_groups_are_named_and_chosen_by_key(tmp_path: Path) -> None:
    write(grid(), tmp_path / "flat.nc")
    xr.load_dataset(tmp_path / "flat.nc", decode_times=False).to_netcdf(
        tmp_path / "a.nc", group="PRODUCT", engine="h5netcdf"
    )
    with pytest.raises(DataError, match=r"groups \(PRODUCT\).*--key"):
        take(tmp_path / "a.nc")
    store, _ = take(tmp_path / "a.nc", ReadOptions(key="/PRODUCT"))
    np.testing.assert_array_equal(readings(store), field(*SHAPE).reshape(STEPS, -1))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"hello", "is no NetCDF file"),
        (b"CDF\x05" + bytes(40), "CDF-5"),
        (b"CDF\x01" + bytes(3), "cannot be read"),
    ],
)
def test_what_is_no_netcdf_is_refused_for_its_true_reason(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    (tmp_path / "a.nc").write_bytes(content)
    with pytest.raises(DataError, match=reason):
        take(tmp_path / "a.nc")


@given(
    order=st.permutations(list(DIMS)),
    lats=st.lists(st.integers(-90, 90), min_size=2, max_size=4, unique=True),
    lons=st.lists(st.integers(0, 359), min_size=2, max_size=4, unique=True),
)
def test_every_reading_stands_at_its_place(
    tmp_path_factory: pytest.TempPathFactory, order: list[str], lats: list[int], lons: list[int]
) -> None:
    """Whatever the order of dimensions, latitudes and longitudes."""
    folder = tmp_path_factory.mktemp("order")
    coords = {
        "time": hours(4),
        "latitude": np.array(lats, float),
        "longitude": np.array(lons, float),
    }
    array = xr.DataArray(field(4, len(lats), len(lons)), coords, DIMS, name="t2m")
    store, _ = take(write(array.transpose(*order).to_dataset(), folder / "a.nc"))
    assert store.sensors.positions is not None
    series = readings(store)
    for index, (lon, lat) in enumerate(store.sensors.positions.tolist()):
        right = array.sel(latitude=lat, longitude=lon % 360).to_numpy()
        np.testing.assert_array_equal(series[:, index], right)
