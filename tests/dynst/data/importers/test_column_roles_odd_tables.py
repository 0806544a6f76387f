"""Headers of times, notes, odd numbers, totals, zones: tables that are not what they seem."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynst.data.importers.import_store import ImportReport, import_store
from dynst.data.importers.source import ReadOptions
from dynst.data.store import SensorStore, open_store
from dynst.errors import DataError

HOURS = pd.date_range("2024-03-01", periods=48, freq="h")
DAYS = pd.date_range("2024-03-01", periods=30, freq="D").strftime("%Y-%m-%d")
YEARS = [str(year) for year in range(1990, 2020)]
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
CLOCKS = [f"{hour:02d}:00" for hour in range(24)]
NUMBERED = [f"H{hour:02d}" for hour in range(1, 25)]
TEMP = np.round(20 + 5 * np.sin(np.arange(48) / 4), 2)


def take(file: Path, **options: object) -> tuple[SensorStore, ImportReport]:
    store = file.with_name("store")
    report = import_store(file, store, options=ReadOptions(**options))  # type: ignore[arg-type]
    return open_store(store), report


def refusal(file: Path, **options: object) -> str:
    with pytest.raises(DataError) as caught:
        take(file, **options)
    assert not file.with_name("store").exists()
    return str(caught.value)


def written(folder: Path, frame: pd.DataFrame, **how: object) -> Path:
    frame.to_csv(folder / "r.csv", index=False, **how)  # type: ignore[call-overload]
    return folder / "r.csv"


def across(first: dict[str, Sequence[str]], names: Sequence[str]) -> pd.DataFrame:
    """Columns of numbers behind the first."""
    frame = pd.DataFrame(first)
    cells = np.round(np.random.default_rng(0).normal(20, 3, (len(frame), len(names))), 2)
    return frame.join(pd.DataFrame(cells, columns=list(names)))


def values(store: SensorStore) -> np.ndarray:
    return np.where(store.readings.observed, store.readings.values, np.nan)[..., 0]


SPREAD = {
    "months": ({"Year": YEARS}, MONTHS),
    "months in full": ({"Year": YEARS}, pd.date_range("2024", periods=12, freq="MS").month_name()),
    "months of stations": ({"station": ["A"] * 30, "year": YEARS}, MONTHS),
    "days of the week": ({"date": DAYS}, ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]),
    "times of the day": ({"date": DAYS}, CLOCKS),
    "hours": ({"date": DAYS}, NUMBERED),
    "may be hours": ({"date": DAYS}, [str(hour) for hour in range(24)]),
    "may be months": ({"Year": YEARS}, [str(month) for month in range(1, 13)]),
    "dates": ({"sensor": ["A1", "B2", "C3"]}, DAYS),
    "dates with clocks": ({"sensor": ["A1", "B2", "C3"]}, [f"{DAYS[0]} {text}" for text in CLOCKS]),
    "dates of months": ({"id": ["A1", "B2", "C3"]}, ["2024-01", "2024-02", "2024-03"]),
    "years": ({"station": ["A1", "B2", "C3"]}, YEARS),
}


@pytest.mark.parametrize("kind", SPREAD)
def test_times_across_the_header_are_no_sensors(tmp_path: Path, kind: str) -> None:
    text = refusal(written(tmp_path, across(*SPREAD[kind])))
    assert kind.split(" of ")[0].split(" with ")[0].split(" in ")[0] in text or "day" in text
    assert "melt" in text
    assert "the header must name sensors" in text


def test_hours_and_flags_in_turn(tmp_path: Path) -> None:
    names = [name for hour in NUMBERED for name in (hour, hour.replace("H", "V"))]
    first = {"ESTACION": ["4"] * 30, "ANO": ["2024"] * 30, "MES": ["3"] * 30}
    frame = across(first | {"DIA": [str(day) for day in range(1, 31)]}, names)
    frame[[name for name in names if name[0] == "V"]] = "V"
    file = written(tmp_path, frame, sep=";")
    for options in ({}, {"sensor_column": "ESTACION"}):
        assert "are hours" in refusal(file, **options)


@pytest.mark.parametrize("names", [NUMBERED, [str(hour) for hour in range(24)]])
def test_names_like_hours_beside_hourly_times_are_sensors(tmp_path: Path, names: list[str]) -> None:
    store, _ = take(written(tmp_path, across({"time": HOURS.astype(str)}, names)))
    assert store.sensors.ids == tuple(names)


def test_some_months_are_names(tmp_path: Path) -> None:
    store, _ = take(
        written(tmp_path, across({"time": HOURS.astype(str)}, ["April", "May", "June"]))
    )
    assert store.sensors.ids == ("April", "May", "June")


def test_a_season_beside_a_year_is_asked_about(tmp_path: Path) -> None:
    seasons = {"year": np.repeat(YEARS, 4), "season": ["DJF", "MAM", "JJA", "SON"] * 30}
    text = refusal(written(tmp_path, across(seasons, ["a", "b"])))
    assert "'season'" in text
    assert "one date" in text


NOTES = {
    "door": ["open", "closed"],
    "weather": ["sun", "rain", "fog"],
    "wind_dir": ["N", "SW"],
    "busy": ["TRUE", "FALSE"],
    "Bemerkung": ["Rohwert", "geprüft"],
    "Weekday": ["Fri", "Sat"],
}


@pytest.mark.parametrize("name", NOTES)
@pytest.mark.parametrize("others", [1, 3])
def test_texts_beside_readings_are_notes(tmp_path: Path, name: str, others: int) -> None:
    sensors = {f"s{place}": TEMP + place for place in range(others)}
    note = np.resize(NOTES[name], 48)
    store, report = take(written(tmp_path, pd.DataFrame({"Datum": HOURS, **sensors, name: note})))
    assert store.sensors.ids == tuple(sensors)
    np.testing.assert_allclose(values(store), np.stack(list(sensors.values()), 1), rtol=1e-6)
    assert any(f"'{name}'" in text for text in report.assumed)
    assert not any(f"'{name}'" in text for text in report.known)


def test_notes_that_name_sensors_after_all(tmp_path: Path) -> None:
    long = pd.DataFrame({"time": [*HOURS, *HOURS], "Ort": ["A"] * 48 + ["B"] * 48})
    file = written(tmp_path, long.assign(temp=np.tile(TEMP, 2)))
    store, report = take(file)
    assert store.sensors.ids == ("A", "B")
    assert any("sensors are named by 'Ort'" in text for text in report.assumed)
    assert not any("'Ort'" in text for text in report.known)


@pytest.mark.parametrize("rows", [400, 25_000])
def test_sensors_one_after_the_other(tmp_path: Path, rows: int) -> None:
    times = pd.date_range("2024-01-01", periods=rows, freq="min")
    frame = pd.DataFrame({"time": [*times, *times], "Ort": ["A"] * rows + ["B"] * rows})
    file = written(tmp_path, frame.assign(temp=np.arange(2 * rows) % 17 + 0.5))
    if rows < 20_000:
        assert take(file)[0].sensors.ids == ("A", "B")
        return
    assert "--sensor-column 'Ort'" in refusal(file)
    assert take(file, sensor_column="Ort")[0].sensors.ids == ("A", "B")


ODD = {
    "percent": "{:.0f}%",
    "minus": "−{:.1f}",
    "brackets": "({:.1f})",
    "limit": "<{:.1f}",
    "degrees": "{:.1f} °C",
    "spaces": "1 {:03.0f},5",
}


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("with_station", [False, True])
@settings(max_examples=5, deadline=None)
@given(numbers=st.lists(st.floats(1, 99), min_size=8, max_size=8))
def test_odd_numbers_are_refused_by_the_cell(
    tmp_path_factory: pytest.TempPathFactory, kind: str, with_station: bool, numbers: list[float]
) -> None:
    cells = [ODD[kind].format(number) for number in numbers]
    frame = pd.DataFrame({"time": HOURS[:8], "temp": TEMP[:8], "hum": cells})
    frame = frame.assign(station="A") if with_station else frame
    file = written(tmp_path_factory.mktemp("odd"), frame, sep=";")
    text = refusal(file)
    assert "'hum'" in text
    assert f"'{cells[0]}'" in text


def test_the_wrong_decimal_sign_is_refused_by_the_cell(tmp_path: Path) -> None:
    frame = pd.DataFrame({"time": HOURS, "MQ_01": TEMP, "MQ_02": TEMP + 1})
    file = written(tmp_path, frame, sep=";", decimal=",")
    text = refusal(file, decimal=".")
    assert f"'{TEMP[0]:g}".replace(".", ",") in text or "'20,0'" in text
    assert "--decimal ," in text
    np.testing.assert_allclose(values(take(file, decimal=",")[0])[:, 0], TEMP, rtol=1e-6)


def placed(latitudes: list[float], longitudes: list[float]) -> pd.DataFrame:
    rows = [(hour, place) for hour in HOURS[:12] for place in range(3)]
    return pd.DataFrame(
        {
            "time": [hour for hour, _ in rows],
            "station": ["ABC"[place] for _, place in rows],
            "lat": [latitudes[place] for _, place in rows],
            "lon": [longitudes[place] for _, place in rows],
            "temp": [20.5 + place for _, place in rows],
        }
    )


def test_a_sensor_at_null_island_is_refused(tmp_path: Path) -> None:
    text = refusal(written(tmp_path, placed([50, 0, 51], [4, 0, 5])))
    assert "'B' lies at 0, 0" in text
    assert "--positions" in text


def test_longitudes_east_of_180_are_turned(tmp_path: Path) -> None:
    store, _ = take(written(tmp_path, placed([50, 50.5, 51], [355, 356, 2])))
    assert store.sensors.positions is not None
    np.testing.assert_allclose(store.sensors.positions[:, 0], [-5, -4, 2])


THINGSPEAK = ["latitude", "longitude", "elevation", "status"]


def thingspeak() -> pd.DataFrame:
    frame = pd.DataFrame({"created_at": HOURS, "entry_id": range(1, 49), "field1": TEMP})
    return frame.assign(field2=TEMP + 1).assign(**dict.fromkeys(THINGSPEAK, ""))


def test_readings_with_empty_places_are_readings(tmp_path: Path) -> None:
    store, report = take(written(tmp_path, thingspeak()))
    assert store.sensors.ids == ("field1", "field2")
    np.testing.assert_allclose(values(store)[:, 1], TEMP + 1, rtol=1e-6)
    assert any("'entry_id' (numbers the rows)" in text for text in report.assumed)


def test_places_without_readings_are_positions(tmp_path: Path) -> None:
    frame = thingspeak()[["created_at", "latitude", "longitude"]]
    assert "--positions" in refusal(written(tmp_path, frame))


def test_places_that_change_are_asked_about(tmp_path: Path) -> None:
    frame = thingspeak().assign(latitude=50 + TEMP / 10, longitude=TEMP)
    text = refusal(written(tmp_path, frame))
    assert "--positions" in text
    assert "--sensor-column" in text


def test_influx_annotated(tmp_path: Path) -> None:
    series = [(host, field) for host in ("h1", "h2") for field in ("usage", "idle")]
    head = "#group,false,false,true,true,false,false,true,true,true\n#datatype,string,long,"
    head += "dateTime:RFC3339,dateTime:RFC3339,dateTime:RFC3339,double,string,string,string\n"
    head += (
        "#default,mean,,,,,,,,\n,result,table,_start,_stop,_time,_value,_field,_measurement,host"
    )
    rows = [
        f",,{table},2024-03-01T00:00:00Z,2024-03-02T00:00:00Z,2024-03-01T{hour:02d}:00:00Z,"
        f"{100 * table + hour},{field},cpu,{host}"
        for table, (host, field) in enumerate(series)
        for hour in range(24)
    ]
    (tmp_path / "r.csv").write_text("\n".join([head, *rows]) + "\n")
    store, _ = take(tmp_path / "r.csv")
    assert store.sensors.ids == ("h1", "h2")
    assert [channel.name for channel in store.manifest.channels] == ["usage", "idle"]
    expected = 100 * np.array([[0, 1], [2, 3]]) + np.arange(24)[:, None, None]
    np.testing.assert_allclose(store.readings.values, expected)


def test_a_station_called_na(tmp_path: Path) -> None:
    names = ["NA", "BB", "CC"]
    frame = pd.DataFrame({"time": np.repeat(HOURS, 3), "station": names * 48})
    file = written(tmp_path, frame.assign(temp=np.arange(144) % 11 + 0.5))
    assert "--sensor-column 'station'" in refusal(file)
    assert take(file, sensor_column="station")[0].sensors.ids == tuple(names)


@pytest.mark.parametrize(
    ("name", "why"), [("Total", "sum"), ("x", "sum"), ("Mean", "mean"), ("y", "mean"), ("All", "")]
)
def test_totals_are_said(tmp_path: Path, name: str, why: str) -> None:
    frame = pd.DataFrame({"time": HOURS, "a": TEMP, "b": TEMP**1.5, "c": TEMP[::-1]})
    sums = frame[["a", "b", "c"]].sum(axis=1)
    frame[name] = {"sum": sums, "mean": sums / 3, "": TEMP * 2}[why]
    store, report = take(written(tmp_path, frame))
    assert store.sensors.ids == ("a", "b", "c", name)
    said = [text for text in report.assumed if f"'{name}' is taken as a sensor" in text]
    assert len(said) == 1
    assert why in said[0]


def test_ordinary_sensors_are_no_totals(tmp_path: Path) -> None:
    frame = across({"time": HOURS.astype(str)}, ["a", "b", "c"])
    assert not any("taken as a sensor" in text for text in take(written(tmp_path, frame))[1].notes)


def test_sensors_that_leave_nearly_all_missing_are_asked_about(tmp_path: Path) -> None:
    times = pd.date_range("2024-03-01", periods=400, freq="min")
    frame = pd.DataFrame({"time": times, "device": [f"b{row // 2}" for row in range(400)]})
    file = written(tmp_path, frame.assign(temp=np.arange(400) % 13 + 0.5))
    text = refusal(file)
    assert "'device' gives 200 sensors, of which 99.50% of readings are missing" in text
    store, report = take(file, sensor_column="device")
    assert len(store.sensors.ids) == 200
    assert any("missing" in text for text in report.assumed)


@pytest.mark.parametrize("name", ["type", "parameter"])
@pytest.mark.parametrize("count", [3, 60])
def test_quantities_in_rows_of_a_wide_table(tmp_path: Path, name: str, count: int) -> None:
    kinds = ["AQI", "PM2.5", "PM2.5_24h", "SO2", "O3"]
    frame = across({"time": np.repeat(HOURS.astype(str), 5)}, [f"{n}A" for n in range(count)])
    frame.insert(1, name, kinds * 48)
    text = refusal(written(tmp_path, frame))
    assert f"'{name}' names the quantity" in text
    assert "one file for each" in text


@pytest.mark.parametrize("name", ["tz", "tz_cd", "timezone", "utc_offset"])
@pytest.mark.parametrize("station", [[], ["A"]])
def test_a_column_of_one_zone_is_said(tmp_path: Path, name: str, station: list[str]) -> None:
    zone = "+01:00" if name == "utc_offset" else "Europe/Berlin"
    frame = pd.DataFrame({"time": HOURS, name: zone, "temp": TEMP})
    for text in station:
        frame["station"] = text
    file = written(tmp_path, frame)
    store, report = take(file)
    assert store.sensors.ids == (tuple(station) or ("temp",))
    assert store.manifest.clock.zone is None
    assert any(f"--zone {zone}" in text for text in report.assumed)


@pytest.mark.parametrize("station", [[], ["A"]])
@pytest.mark.parametrize("zones", [["CST", "CDT"], [1, 2]])
def test_a_column_of_several_zones_is_asked_about(
    tmp_path: Path, station: list[str], zones: list[object]
) -> None:
    rows = pd.date_range("2024-03-01", periods=400, freq="h")
    frame = pd.DataFrame({"time": rows, "tz_cd": [zones[0]] * 300 + [zones[1]] * 100})
    frame["temp"] = np.arange(400) % 13 + 0.5
    for text in station:
        frame["station"] = text
    file = written(tmp_path, frame)
    assert "--zone" in refusal(file)
    store, _ = take(file, zone="Asia/Tokyo")
    assert store.manifest.clock.zone == "Asia/Tokyo"
    np.testing.assert_allclose(values(store)[:, 0], frame["temp"])
