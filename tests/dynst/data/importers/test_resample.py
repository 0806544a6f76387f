"""Readings resampled to steps, with pandas as referee."""

import tempfile
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynst.data.clock import COUNTED, Clock
from dynst.data.importers import resample
from dynst.data.importers.import_store import import_store
from dynst.data.importers.source import ReadOptions, Source, array_blocks
from dynst.data.manifest import Channel
from dynst.data.store import SensorStore, open_store
from dynst.errors import DataError

AGGREGATES = {"mean": "mean", "sum": "sum", "last": "last"}
START = 1_709_251_200


@st.composite
def readings(draw: st.DrawFn) -> pd.DataFrame:
    """Rows of time (seconds), sensor, and two quantities with gaps, each time and sensor once."""
    pairs = draw(
        st.lists(
            st.tuples(st.integers(-5_000, 20_000), st.sampled_from("abc")),
            min_size=4,
            max_size=60,
            unique=True,
        )
    )
    number = st.none() | st.integers(-1000, 1000).map(lambda value: value / 4)
    rows = [(START + time, name, draw(number), draw(number)) for time, name in pairs]
    return pd.DataFrame(rows, columns=["time", "sensor", "flow", "speed"])


def expected(frame: pd.DataFrame, length: int, aggregate: str) -> pd.DataFrame:
    """By pandas: of each step, sensor and quantity."""
    ordered = frame.sort_values("time")
    steps = ordered["time"] // length * length
    groups = ordered.groupby([steps, ordered["sensor"]])[["flow", "speed"]]
    return groups.sum(min_count=1) if aggregate == "sum" else groups.agg(aggregate)


def check(store: SensorStore, right: pd.DataFrame) -> None:
    values = np.where(store.readings.observed, store.readings.values, np.nan)
    steps = store.readings.time.tolist()
    assert steps == sorted(set(right.index.get_level_values(0)))
    for place, name in enumerate(store.sensors.ids):
        for channel, quantity in enumerate(store.channel_names):
            column = right[quantity].xs(name, level=1).reindex(steps).to_numpy(float)
            np.testing.assert_allclose(values[:, place, channel], column, rtol=1e-5, atol=1e-5)


def usable(right: pd.DataFrame, length: int) -> bool:
    """Whether a store can hold it: with a reading, and some steps that follow each other."""
    steps = np.diff(sorted(set(right.index.get_level_values(0))))
    if not len(steps) or not right.notna().any().any():
        return False
    return bool(min(steps) == length)


@settings(deadline=None, max_examples=60)
@given(
    frame=readings(),
    length=st.sampled_from([7, 60, 600, 3600]),
    aggregate=st.sampled_from(sorted(AGGREGATES)),
)
def test_a_long_table_is_what_pandas_groups(
    frame: pd.DataFrame, length: int, aggregate: str
) -> None:
    right = expected(frame, length, aggregate)
    if not usable(right, length):
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "r.csv"
        frame.assign(time=pd.to_datetime(frame["time"], unit="s")).to_csv(file, index=False)
        options = ReadOptions(
            resample=timedelta(seconds=length),
            aggregate=aggregate,  # type: ignore[arg-type]
            sensor_column="sensor",
            variables=("flow", "speed"),
        )
        import_store(file, Path(folder) / "store", options=options, missing=("none",))
        check(open_store(Path(folder) / "store"), right)


@settings(deadline=None)
@given(
    frame=readings(),
    length=st.sampled_from([7, 60, 600, 3600]),
    aggregate=st.sampled_from(sorted(AGGREGATES)),
    size=st.integers(1, 9),
)
def test_blocks_of_any_size_are_what_pandas_groups(
    frame: pd.DataFrame, length: int, aggregate: str, size: int
) -> None:
    table = frame.set_index(["time", "sensor"])[["flow", "speed"]].unstack("sensor").sort_index()
    table = table.astype(float)
    ids = list(table["flow"].columns)
    values = np.stack([table[name].to_numpy() for name in ("flow", "speed")], axis=-1)
    time = table.index.to_numpy(np.int64)
    source = Source(
        "test",
        tuple(ids),
        (Channel(name="flow"), Channel(name="speed")),
        lambda: ((time[i : i + size], values[i : i + size]) for i in range(0, len(time), size)),
    )
    options = ReadOptions(resample=timedelta(seconds=length), aggregate=aggregate)  # type: ignore[arg-type]
    blocks = list(resample.resampled(source, options).blocks())
    steps = np.concatenate([block[0] for block in blocks])
    found = np.concatenate([block[1] for block in blocks])
    groups = table.groupby(table.index // length * length)
    right = groups.sum(min_count=1) if aggregate == "sum" else groups.agg(aggregate)
    assert steps.tolist() == right.index.tolist()
    for channel, name in enumerate(("flow", "speed")):
        np.testing.assert_allclose(found[..., channel], right[name].to_numpy(), atol=1e-9)


@pytest.mark.parametrize("form", ["long", "wide"])
def test_markers_of_the_missing_are_no_part_of_a_mean(tmp_path: Path, form: str) -> None:
    times = pd.date_range("2024-03-01", periods=12, freq="20min")
    frame = pd.DataFrame({"time": times, "a": [10.0, -999, 20] * 4, "b": 1.0})
    if form == "long":
        frame = frame.melt("time", var_name="sensor", value_name="flow")
    frame.to_csv(tmp_path / "r.csv", index=False)
    import_store(
        tmp_path / "r.csv",
        tmp_path / "store",
        missing=(-999.0,),
        options=ReadOptions(resample=timedelta(hours=1)),
    )
    values = open_store(tmp_path / "store").readings.values
    assert values[:, :, 0].tolist() == [[15.0, 1.0]] * 4


@pytest.mark.parametrize("form", ["long", "wide"])
def test_what_may_mean_missing_is_asked_for_before_it_is_averaged(
    tmp_path: Path, form: str
) -> None:
    times = pd.date_range("2024-03-01", periods=12, freq="20min")
    frame = pd.DataFrame({"time": times, "a": [10.0, -999, 20] * 4, "b": 1.0})
    if form == "long":
        frame = frame.melt("time", var_name="sensor", value_name="flow")
    frame.to_csv(tmp_path / "r.csv", index=False)
    options = ReadOptions(resample=timedelta(hours=1))
    with pytest.raises(DataError, match=r"-999 in 4 of 24.*--missing -999.*--missing none"):
        import_store(tmp_path / "r.csv", tmp_path / "store", options=options)
    assert not (tmp_path / "store").exists()
    for missing, first in (((-999.0,), 15.0), (("none",), -323.0)):
        path = tmp_path / str(missing)
        report = import_store(tmp_path / "r.csv", path, options=options, missing=missing)
        assert not report.questions
        assert open_store(path).readings.values[0, 0, 0] == first


@pytest.mark.parametrize("form", ["long", "wide"])
def test_sums_of_fewer_readings_are_said(tmp_path: Path, form: str) -> None:
    times = pd.date_range("2024-03-01", periods=48, freq="15min")
    frame = pd.DataFrame({"time": times, "a": 1.5, "b": 2.5})
    frame.loc[5, "a"] = np.nan
    if form == "long":
        frame = frame.melt("time", var_name="sensor", value_name="flow")
    frame.to_csv(tmp_path / "r.csv", index=False)
    options = ReadOptions(resample=timedelta(hours=1), aggregate="sum")
    report = import_store(tmp_path / "r.csv", tmp_path / "store", options=options)
    assert any(
        text.startswith("1 of 24 sums have fewer readings than the usual 4")
        for text in report.assumed
    )


def test_a_mean_that_equals_a_declared_value_is_a_reading(tmp_path: Path) -> None:
    times = pd.date_range("2024-03-01", periods=8, freq="30min")
    frame = pd.DataFrame({"a": [-2.0, 4, 0, 3, 5, -7, 0, 0], "b": 2.5}, times)
    frame.rename_axis("time").to_csv(tmp_path / "r.csv")
    options = ReadOptions(resample=timedelta(hours=1))
    import_store(tmp_path / "r.csv", tmp_path / "store", options=options, missing=(-1.0, 0.0, 1.0))
    store = open_store(tmp_path / "store")
    assert store.readings.values[:3, 0, 0].tolist() == [1, 3, -1]
    assert store.readings.observed[:, 0, 0].tolist() == [True, True, True, False]
    assert store.manifest.missing == (-1, 0, 1)


def test_days_of_a_zone_begin_at_its_midnight(tmp_path: Path) -> None:
    times = pd.date_range("2024-03-20", "2024-04-10", freq="h", tz="Europe/Berlin")
    frame = pd.DataFrame({"a": np.arange(len(times)) % 31, "b": 1.0}, times)
    frame.rename_axis("time").to_parquet(tmp_path / "r.parquet")
    import_store(
        tmp_path / "r.parquet",
        tmp_path / "store",
        options=ReadOptions(resample=timedelta(days=1), aggregate="sum"),
        missing=("none",),
    )
    store, right = open_store(tmp_path / "store"), frame["a"].resample("1D").sum()
    assert store.manifest.step == 86_400
    assert store.manifest.clock.labels(store.readings.time) == [
        f"{day:%Y-%m-%d} 00:00:00" for day in right.index
    ]
    np.testing.assert_array_equal(store.readings.values[:, 0, 0], right)
    assert set(np.diff(store.readings.time)) == {86_400}


def test_steps_of_fractions_of_seconds_are_resampled(tmp_path: Path) -> None:
    times = pd.date_range("2024-03-01", periods=300, freq="100ms")
    frame = pd.DataFrame({"a": np.arange(300.0), "b": 1.5}, times)
    frame.rename_axis("time").to_csv(tmp_path / "r.csv", date_format="%Y-%m-%d %H:%M:%S.%f")
    with pytest.raises(DataError, match=r"fractions of a second.*--resample"):
        import_store(tmp_path / "r.csv", tmp_path / "asked")
    options = ReadOptions(resample=timedelta(seconds=1))
    import_store(tmp_path / "r.csv", tmp_path / "store", options=options)
    found = open_store(tmp_path / "store").readings.values[..., 0]
    np.testing.assert_allclose(found, frame.resample("1s").mean().to_numpy())


def test_readings_of_one_second_are_averaged_and_not_refused(tmp_path: Path) -> None:
    lines = [
        f"2024-03-01 00:{minute:02d}:00.{part},{sensor},{minute + part}"
        for minute in range(30)
        for part in (1, 7)
        for sensor in "ab"
    ]
    (tmp_path / "r.csv").write_text("\n".join(["time,sensor,value", *lines]) + "\n")
    with pytest.raises(DataError, match=r"within one second.*--resample"):
        import_store(tmp_path / "r.csv", tmp_path / "asked")
    options = ReadOptions(resample=timedelta(minutes=1))
    import_store(tmp_path / "r.csv", tmp_path / "store", options=options)
    found = open_store(tmp_path / "store").readings.values[:, 0, 0]
    np.testing.assert_array_equal(found, np.arange(30) + 4)


@pytest.mark.parametrize(
    ("clock", "length", "message"),
    [
        (COUNTED, timedelta(minutes=5), "--start and --step"),
        (Clock(), timedelta(milliseconds=1500), "whole seconds"),
        (Clock(), timedelta(0), "whole seconds"),
    ],
)
def test_steps_that_cannot_be_are_refused(clock: Clock, length: timedelta, message: str) -> None:
    source = Source("test", ("a",), (Channel(name="x"),), lambda: iter(()), clock=clock)
    with pytest.raises(DataError, match=message):
        resample.resampled(source, ReadOptions(resample=length))


def test_steps_begin_on_the_clock_of_the_zone() -> None:
    """An hour begins at a full hour of India, which is a half one of UTC."""
    steps = resample.steps_of(Clock(zone="Asia/Kolkata"), ReadOptions(resample=timedelta(hours=1)))
    assert steps is not None
    assert Clock(zone="Asia/Kolkata").label(int(steps.begin(np.array([START + 100]))[0])) == (
        "2024-03-01 05:00:00+05:30"
    )


def test_times_that_go_back_are_refused() -> None:
    time = np.array([0, 60, 30])
    source = Source("t", ("a",), (Channel(name="x"),), array_blocks(time, np.zeros((3, 1, 1))))
    blocks = resample.resampled(source, ReadOptions(resample=timedelta(minutes=1))).blocks()
    with pytest.raises(DataError, match="time goes back at step 2"):
        list(blocks)


def test_two_readings_at_one_moment_are_refused_however_far_apart(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "time": pd.date_range("2024-03-01 12:00", periods=40, freq="7s").repeat(2),
            "sensor": ["a", "b"] * 40,
            "flow": range(80),
        }
    )
    frame = pd.concat([frame, frame.iloc[[11]]])
    frame.to_csv(tmp_path / "r.csv", index=False)
    with pytest.raises(DataError, match="sensor 'b' has two readings at 2024-03-01 12:00:35"):
        import_store(
            tmp_path / "r.csv",
            tmp_path / "store",
            options=ReadOptions(resample=timedelta(minutes=1)),
        )
