"""Frames of pandas in HDF against ``pandas.read_hdf``, and what is refused for its true reason."""

import pickle
import tempfile
from datetime import datetime, timedelta, timezone, tzinfo
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynst.data.clock import Clock
from dynst.data.importers.formats.hdf.pickled_text import listed_names, tokens, zone_in
from dynst.data.importers.source import ReadOptions
from dynst.errors import DataError
from tests.dynst.data.importers.netcdf_files import labels, readings, take

HOURS = pd.date_range("2024-03-30 20:00", periods=12, freq="h", name="when")
FRAME = pd.DataFrame(np.arange(36.0).reshape(12, 3) / 4, HOURS, list("ABC"))
TRAP = Path(tempfile.gettempdir()) / "dynst-hdf-trap"


class Evil:
    """Pickled, it would write a file as soon as it is read."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (TRAP.touch, ())  # type: ignore[return-value]


def save(data: pd.DataFrame | pd.Series, path: Path, key: str = "df", form: str = "fixed") -> Path:
    data.to_hdf(path, key=key, format=form)
    return path


@pytest.mark.parametrize("form", ["fixed", "table"])
@pytest.mark.parametrize(
    "columns", [["A", "B", "C"], ["Düsseldorf", "北京", "c d"], [400001, 400017, 400030]]
)
def test_a_frame_is_what_pandas_reads(
    tmp_path: Path, form: str, columns: list[str] | list[int]
) -> None:
    file = save(FRAME.set_axis(columns, axis=1), tmp_path / "a.h5", form=form)
    store, _ = take(file)
    right = pd.read_hdf(file)
    assert isinstance(right, pd.DataFrame)
    assert list(store.sensors.ids) == [str(name) for name in right.columns]
    np.testing.assert_array_equal(readings(store), right.to_numpy())
    assert labels(store) == [f"{time:%Y-%m-%d %H:%M:%S}" for time in right.index]


@pytest.mark.parametrize("form", ["fixed", "table"])
def test_columns_of_several_types_keep_their_places(tmp_path: Path, form: str) -> None:
    data = FRAME.assign(D=np.arange(12), E=np.arange(12, dtype="f4"), F=1.5)[list("DAFBEC")]
    file = save(data, tmp_path / "a.h5", form=form)
    store, _ = take(file)
    assert list(store.sensors.ids) == list("DAFBEC")
    np.testing.assert_array_equal(readings(store), data.to_numpy(float))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("form", ["fixed", "table"])
def test_columns_without_numbers_are_left_out_and_said(tmp_path: Path, form: str) -> None:
    """Times are kept as numbers, which are no readings."""
    data = FRAME.assign(note=list("abcdefghijkl"), checked=HOURS.to_numpy())[
        ["A", "note", "B", "checked", "C"]
    ]
    store, report = take(save(data, tmp_path / "a.h5", form=form))
    assert list(store.sensors.ids) == list("ABC")
    np.testing.assert_array_equal(readings(store), FRAME.to_numpy())
    said = next(text for text in report.assumed if "left out" in text)
    assert "note" in said
    assert "checked" in said


@pytest.mark.parametrize("form", ["fixed", "table"])
def test_a_series_is_one_sensor(tmp_path: Path, form: str) -> None:
    store, _ = take(save(FRAME["B"], tmp_path / "a.h5", form=form))
    assert list(store.sensors.ids) == ["B"]
    np.testing.assert_array_equal(readings(store)[:, 0], FRAME["B"])


@pytest.mark.parametrize("form", ["fixed", "table"])
@pytest.mark.parametrize(
    ("zone", "clock"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        ("America/Los_Angeles", "America/Los_Angeles"),
        ("UTC", "UTC"),
        (timezone(timedelta(hours=5, minutes=30)), "+05:30"),
        (timezone(-timedelta(hours=3)), "-03:00"),
    ],
)
def test_an_index_with_a_zone_is_utc_and_keeps_its_clock(
    tmp_path: Path, form: str, zone: str | tzinfo, clock: str
) -> None:
    """The hour that Berlin skips lies within."""
    data = FRAME.tz_localize("UTC").tz_convert(zone)
    store, _ = take(save(data, tmp_path / "a.h5", form=form))
    assert store.manifest.clock == Clock(zone=clock)
    right = data.index.tz_convert("UTC").tz_localize(None).astype("datetime64[s]").astype(np.int64)
    np.testing.assert_array_equal(store.readings.time, right)
    assert labels(store)[0] == str(data.index[0])


def test_the_zone_of_the_user_is_that_of_the_clock(tmp_path: Path) -> None:
    file = save(FRAME.tz_localize("UTC"), tmp_path / "a.h5")
    store, _ = take(file, ReadOptions(zone="Asia/Tokyo"))
    assert labels(store)[0] == "2024-03-31 05:00:00+09:00"


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_every_unit_of_an_index(tmp_path: Path, unit: str) -> None:
    data = FRAME.set_axis(HOURS.as_unit(unit), axis=0)
    store, _ = take(save(data, tmp_path / "a.h5"))
    assert labels(store)[1] == "2024-03-30 21:00:00"


def test_several_keys_are_named_and_one_is_chosen(tmp_path: Path) -> None:
    file = save(FRAME * 0, tmp_path / "a.h5", key="mask")
    save(FRAME, file, key="deep/er/flow")
    with pytest.raises(DataError, match=r"deep/er/flow, mask; name one with --key"):
        take(file)
    with pytest.raises(DataError, match=r"no key 'speed'; it has deep/er/flow, mask"):
        take(file, ReadOptions(key="speed"))
    for key in ("deep/er/flow", "/deep/er/flow"):
        np.testing.assert_array_equal(readings(take(file, ReadOptions(key=key))[0]), FRAME)


def test_a_nested_key_alone_is_found(tmp_path: Path) -> None:
    store, _ = take(save(FRAME, tmp_path / "a.h5", key="data/readings"))
    np.testing.assert_array_equal(readings(store), FRAME)


def pairs(names: tuple[str | None, str | None]) -> pd.DataFrame:
    columns = pd.MultiIndex.from_tuples(
        [("s1", "flow"), ("s1", "speed"), ("s2", "flow")], names=names
    )
    return FRAME.set_axis(columns, axis=1)


@pytest.mark.parametrize(
    ("names", "given"),
    [
        (("sensor_id", None), None),
        ((None, "channels"), None),
        ((None, None), "0"),
        (("one", "two"), "one"),
    ],
)
def test_two_levels_are_sensors_and_quantities(
    tmp_path: Path, names: tuple[str | None, str | None], given: str | None
) -> None:
    store, _ = take(save(pairs(names), tmp_path / "a.h5"), ReadOptions(sensor_column=given))
    assert (list(store.sensors.ids), store.channel_names) == (["s1", "s2"], ["flow", "speed"])
    np.testing.assert_array_equal(readings(store, 0), FRAME[["A", "C"]])
    np.testing.assert_array_equal(readings(store, 1)[:, 0], FRAME["B"])
    assert np.isnan(readings(store, 1)[:, 1]).all()


def test_two_levels_that_nothing_tells_apart_are_refused(tmp_path: Path) -> None:
    file = save(pairs((None, None)), tmp_path / "a.h5")
    with pytest.raises(DataError, match=r"s1, s2, or flow, speed; .*--sensor-column 0"):
        take(file)
    assert list(take(file, ReadOptions(sensor_column="1"))[0].sensors.ids) == ["flow", "speed"]
    with pytest.raises(DataError, match="no level 'station'"):
        take(file, ReadOptions(sensor_column="station"))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (FRAME.stack().to_frame("v"), "index of several levels; unstack"),
        (FRAME.stack(), "series with an index of several levels; unstack"),
        (FRAME.T, "times as its columns; transpose"),
        (FRAME.set_axis(["A", 1, 2.5], axis=1), "'/df/axis0' as Python objects"),
        (FRAME.to_period("h"), "index of periods; give it a DatetimeIndex"),
        (FRAME.set_axis(pd.to_timedelta(np.arange(12), "h"), axis=0), "DatetimeIndex"),
    ],
)
def test_what_is_no_frame_over_time_is_refused(
    tmp_path: Path, data: pd.DataFrame | pd.Series, reason: str
) -> None:
    with pytest.raises(DataError, match=reason):
        take(save(data, tmp_path / "a.h5"))


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    file = save(FRAME, tmp_path / "a.h5")
    with h5py.File(file, "r+") as raw:
        raw["df/axis0"][...] = np.array([b"A", b"A", b"B"])
    with pytest.raises(DataError, match="has two columns"):
        take(file)


@pytest.mark.parametrize(
    ("index", "unit", "first"),
    [
        (range(12), "step", "0"),
        (range(20240301, 20240313), "second", "2024-03-01 00:00:00"),
        (range(1990, 2002), "month", "1990-01"),
    ],
)
def test_an_index_of_numbers_counts_or_dates(
    tmp_path: Path, index: range, unit: str, first: str
) -> None:
    store, _ = take(save(FRAME.set_axis(list(index), axis=0), tmp_path / "a.h5"))
    assert (store.manifest.clock.unit, store.manifest.start) == (unit, first)


def test_counts_become_times(tmp_path: Path) -> None:
    file = save(FRAME.set_axis([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12], axis=0), tmp_path / "a.h5")
    options = ReadOptions(start=datetime(2024, 1, 1), step=timedelta(hours=1))
    with pytest.raises(DataError, match="--time-format"):
        take(file, options)
    options = ReadOptions(start=datetime(2024, 1, 1), step=timedelta(hours=1), time_format="count")
    assert labels(take(file, options)[0])[-1] == "2024-01-01 12:00:00"


def test_texts_are_times(tmp_path: Path) -> None:
    texts = [f"{hour:02d}.03.2024" for hour in range(1, 13)]
    file = save(FRAME.set_axis(texts, axis=0), tmp_path / "a.h5")
    with pytest.raises(DataError, match="--day-first"):
        take(file)
    assert labels(take(file, ReadOptions(day_first=True))[0])[1] == "2024-03-02 00:00:00"


@pytest.mark.parametrize(
    ("place", "name"), [("df", "encoding"), ("df/axis1", "tz"), ("df/axis1", "freq")]
)
def test_nothing_in_a_file_is_run(tmp_path: Path, place: str, name: str) -> None:
    file = save(FRAME, tmp_path / "a.h5")
    with h5py.File(file, "r+") as raw:
        raw[place].attrs[name] = np.bytes_(pickle.dumps(Evil(), 0))
    store, report = take(file)
    np.testing.assert_array_equal(readings(store), FRAME)
    assert not TRAP.exists()
    assert (name == "tz") == any("only Python could read" in text for text in report.assumed)


def test_nothing_in_a_table_is_run(tmp_path: Path) -> None:
    file = save(FRAME, tmp_path / "a.h5", form="table")
    with h5py.File(file, "r+") as raw:
        raw["df/table"].attrs["values_block_0_kind"] = np.bytes_(pickle.dumps([Evil()], 0))
    with pytest.raises(DataError, match=r"Python objects.*format='fixed'"):
        take(file)
    assert not TRAP.exists()


@given(
    names=st.lists(st.text(max_size=6) | st.integers(-(10**12), 10**12), max_size=6),
    protocol=st.integers(0, 5),
)
def test_names_are_read_without_unpickling(names: list[str | int], protocol: int) -> None:
    assert listed_names(pickle.dumps(names, protocol)) == [str(name) for name in names]


@given(minutes=st.integers(-14 * 60, 14 * 60), protocol=st.integers(0, 1))
def test_offsets_are_read_without_unpickling(minutes: int, protocol: int) -> None:
    zone = timezone(timedelta(minutes=minutes))
    assert zone_in(tokens(pickle.dumps(zone, protocol))) == 60 * minutes


@given(
    kinds=st.lists(st.sampled_from(["f8", "f4", "i8", "i2", "bool"]), min_size=1, max_size=5),
    steps=st.integers(2, 30),
    form=st.sampled_from(["fixed", "table"]),
)
def test_any_numbers_are_those_of_pandas(
    tmp_path_factory: pytest.TempPathFactory, kinds: list[str], steps: int, form: str
) -> None:
    rng = np.random.default_rng(steps)
    index = pd.date_range("2024-01-01", periods=steps, freq="15min")
    data = pd.DataFrame(
        {f"c{n}": (rng.normal(size=steps) * 9).astype(kind) for n, kind in enumerate(kinds)}, index
    )
    file = save(data, tmp_path_factory.mktemp("any") / "a.h5", form=form)
    store, _ = take(file)
    right = pd.read_hdf(file)
    assert isinstance(right, pd.DataFrame)
    np.testing.assert_array_equal(readings(store), right.to_numpy(float).astype(np.float32))
