"""Members of each kind of table, made by chance; pandas, or the draw itself, as referee."""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from dynst.data.importers.import_store import ImportReport, import_store
from dynst.data.importers.source import ReadOptions
from dynst.data.store import SensorStore, open_store
from dynst.errors import DataError

CHANCE = settings(deadline=None, max_examples=40)
FORMS = {
    "iso": lambda times: times.strftime("%Y-%m-%d %H:%M"),
    "german": lambda times: times.strftime("%d.%m.%Y %H:%M"),
    "month": lambda times: times.strftime("%d-%b-%Y %H:%M"),
    "compact": lambda times: times.strftime("%Y%m%d%H%M"),
    "epoch": lambda times: times.as_unit("s").asi8,
    "epoch-ms": lambda times: times.as_unit("s").asi8 * 1000,
}
IDS = st.lists(
    st.one_of(
        st.integers(1, 99_999).map(str),
        st.from_regex(r"[A-Z]{1,3}[0-9]{1,3}[A-P]?", fullmatch=True),
        st.from_regex(r"20[0-9]{2}-[1-9]", fullmatch=True),
        st.sampled_from(["Main St, North", "Köln/Süd", "50%", 'the "Loop"', "站点七"]),
    ),
    min_size=2,
    max_size=6,
    unique=True,
)


def take(
    frame: pd.DataFrame, suffix: str = "csv", **options: object
) -> tuple[SensorStore, ImportReport]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"r.{suffix}"
        frame.to_csv(file, index=False) if suffix == "csv" else frame.to_parquet(file, index=False)
        report = import_store(
            file,
            Path(folder) / "store",
            options=ReadOptions(**options),  # type: ignore[arg-type]
        )
        store = open_store(Path(folder) / "store")
        store.readings.values.sum()
        return store, report


def values(store: SensorStore) -> np.ndarray:
    return np.where(store.readings.observed, store.readings.values, np.nan)


@st.composite
def shapes(draw: st.DrawFn) -> tuple[pd.DatetimeIndex, list[str], np.random.Generator]:
    """Times over at least a fortnight, ids, and a source of readings."""
    start = pd.Timestamp("2021-05-03") + pd.Timedelta(days=draw(st.integers(0, 1200)))
    times = pd.date_range(start, periods=draw(st.integers(60, 130)), freq="6h")
    return times, draw(IDS), np.random.default_rng(draw(st.integers(0, 2**32)))


EXTRAS = {
    "obs_id": lambda count, sensors: np.arange(count),
    "qc": lambda count, sensors: np.arange(count) % 3,
    "status": lambda count, sensors: np.array(["M", "V", "N"])[np.arange(count) % 3],
    "elevation": lambda count, sensors: 10.5 + sensors,
    "country": lambda count, sensors: np.array(["BE"] * count),
    "": lambda count, sensors: np.arange(count) + 1,
}


@CHANCE
@given(
    shape=shapes(),
    form=st.sampled_from(sorted(FORMS)),
    name=st.sampled_from(["sensor", "station_id", "siteName", "LOCATION", "Detector ID"]),
    extras=st.lists(st.sampled_from(sorted(EXTRAS)), unique=True),
    order=st.randoms(),
    by_sensor=st.booleans(),
    suffix=st.sampled_from(["csv", "parquet"]),
)
def test_a_long_table_with_columns_that_are_no_readings(
    shape: tuple[pd.DatetimeIndex, list[str], np.random.Generator],
    form: str,
    name: str,
    extras: list[str],
    order: object,
    by_sensor: bool,
    suffix: str,
) -> None:
    times, ids, chance = shape
    steps, sensors = np.meshgrid(np.arange(len(times)), np.arange(len(ids)), indexing="ij")
    if by_sensor:
        steps, sensors = steps.T, sensors.T
    steps, sensors = steps.ravel(), sensors.ravel()
    readings = chance.normal(20, 5, (len(times), len(ids), 2)).round(3)
    readings[chance.random(readings.shape) < 0.1] = np.nan
    readings[0] = 1.5
    columns: dict[str, object] = {
        "timestamp": np.asarray(FORMS[form](times))[steps],
        name: np.array(ids, object)[sensors],
        "flow": readings[steps, sensors, 0],
        "speed": readings[steps, sensors, 1],
    }
    columns |= {extra: EXTRAS[extra](len(steps), sensors) for extra in extras}
    names = list(columns)
    order.shuffle(names)  # type: ignore[attr-defined]
    quantities = [key for key in names if key in {"flow", "speed"}]
    store, report = take(pd.DataFrame(columns)[names], suffix)
    assert report.kind == "long-table"
    assert store.sensors.ids == tuple(ids)
    assert store.channel_names == quantities
    assert store.readings.time.tolist() == times.as_unit("s").asi8.tolist()
    expected = readings[..., [["flow", "speed"].index(key) for key in quantities]]
    np.testing.assert_allclose(values(store), expected, rtol=1e-6)
    said = " ".join(report.notes)
    assert all(f"'{extra}'" in said for extra in extras if extra not in {"", "country"})


@CHANCE
@given(
    shape=shapes(),
    form=st.sampled_from(sorted(FORMS)),
    index=st.sampled_from([None, "", "Unnamed: 0", "index", "id"]),
    parts=st.booleans(),
    suffix=st.sampled_from(["csv", "parquet"]),
)
def test_a_wide_table_with_a_row_number_and_parts_of_the_time(
    shape: tuple[pd.DatetimeIndex, list[str], np.random.Generator],
    form: str,
    index: str | None,
    parts: bool,
    suffix: str,
) -> None:
    times, ids, chance = shape
    readings = chance.normal(20, 5, (len(times), len(ids))).round(3)
    frame = pd.DataFrame(readings, columns=ids)
    frame.insert(0, "timestamp", FORMS[form](times))
    if parts:
        frame["year"], frame["hour"] = times.year, times.hour
    if index is not None:
        frame.insert(0, index, range(len(frame)))
    store, report = take(frame, suffix)
    assert report.kind == "wide-table"
    assert store.sensors.ids == tuple(ids)
    assert store.readings.time.tolist() == times.as_unit("s").asi8.tolist()
    np.testing.assert_allclose(values(store)[..., 0], readings, rtol=1e-6)


@CHANCE
@given(
    shape=shapes(),
    date=st.sampled_from(["date", "fields"]),
    clock=st.sampled_from(["hour", "hhmm", "text", "24"]),
    offset=st.integers(0, 5),
)
def test_times_in_several_columns(
    shape: tuple[pd.DatetimeIndex, list[str], np.random.Generator],
    date: str,
    clock: str,
    offset: int,
) -> None:
    times, ids, chance = shape
    times = times + pd.Timedelta(hours=offset)
    days = times.normalize()
    if clock == "24":  # hours from 1 to 24, of which the last ends the day
        days = (times - pd.Timedelta(hours=1)).normalize()
    hours = ((times - days) / pd.Timedelta(hours=1)).astype(int)
    columns: dict[str, object] = {"Date": days.strftime("%Y-%m-%d")}
    if date == "fields":
        columns = {"Year": days.year, "Month": days.month, "Day": days.day}
    if clock == "hhmm":
        columns["HHMM"] = hours * 100
    elif clock == "text":
        columns["Time"] = [f"{hour:02d}:00" for hour in hours]
    else:
        columns["Hour"] = hours
    readings = chance.normal(20, 5, (len(times), len(ids))).round(3)
    frame = pd.concat([pd.DataFrame(columns), pd.DataFrame(readings, columns=ids)], axis=1)
    store, report = take(frame)
    assert store.sensors.ids == tuple(ids)
    assert store.readings.time.tolist() == times.as_unit("s").asi8.tolist()
    np.testing.assert_allclose(values(store)[..., 0], readings, rtol=1e-6)
    assert any("put together" in text for text in report.assumed)


@CHANCE
@given(
    shape=shapes(),
    parameters=st.lists(
        st.sampled_from(["pm25", "o3", "Air temperature", "00060", "no2"]),
        min_size=1,
        max_size=4,
        unique=True,
    ),
    name=st.sampled_from(["parameter", "pollutant", "variable", "Quantity", "observable"]),
    keep=st.floats(0.5, 1),
)
def test_parameters_become_channels_as_pandas_pivots_them(
    shape: tuple[pd.DatetimeIndex, list[str], np.random.Generator],
    parameters: list[str],
    name: str,
    keep: float,
) -> None:
    times, ids, chance = shape
    rows = [(time, i, p) for time in times for i in ids for p in parameters]
    frame = pd.DataFrame(rows, columns=["when", "station", name])
    frame["value"] = chance.normal(20, 5, len(frame)).round(3)
    frame["unit"] = frame[name].map({p: f"u{n}" for n, p in enumerate(parameters)})
    kept = chance.random(len(frame)) < keep
    kept[: len(ids) * len(parameters)] = True
    frame = frame[kept].sample(frac=1, random_state=1).reset_index(drop=True)
    store, _ = take(frame)
    pivot = frame.pivot(index="when", columns=["station", name], values="value")
    assert set(store.sensors.ids) == set(ids)
    assert set(store.channel_names) == set(parameters)
    assert store.readings.time.tolist() == pivot.index.as_unit("s").asi8.tolist()
    for channel, parameter in enumerate(store.channel_names):
        expected = pivot[[(sensor, parameter) for sensor in store.sensors.ids]]
        np.testing.assert_allclose(values(store)[..., channel], expected, rtol=1e-6)
        unit = store.manifest.channels[channel].unit
        assert unit == f"u{parameters.index(parameter)}"


@CHANCE
@given(shape=shapes(), twin=st.integers(0, 10**6), zone=st.booleans())
def test_a_second_reading_is_never_taken_in_silence(
    shape: tuple[pd.DatetimeIndex, list[str], np.random.Generator], twin: int, zone: bool
) -> None:
    times, ids, chance = shape
    frame = pd.DataFrame(
        [(time, i) for time in times for i in ids], columns=["time", "sensor"]
    ).assign(flow=lambda table: chance.normal(20, 5, len(table)))
    row = twin % len(frame)
    frame = pd.concat([frame, frame.iloc[[row]].assign(flow=7.0)], ignore_index=True)
    if zone:
        frame["time"] = frame["time"].dt.tz_localize("UTC")
    try:
        take(frame, "parquet" if zone else "csv")
    except DataError as error:
        message = str(error)
    sensor, time = frame.loc[row, ["sensor", "time"]]
    assert f"sensor '{sensor}' has two readings at {time:%Y-%m-%d %H:%M:%S}" in message
    assert "not alike" in message
