"""Which column is time, sensor, reading, or none of them: situations of public reports."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dynst.data.importers.import_store import ImportReport, import_store
from dynst.data.importers.source import ReadOptions
from dynst.data.importers.tabular import text_table
from dynst.data.store import SensorStore, open_store
from dynst.errors import DataError

HOURS = pd.date_range("2024-03-01", periods=48, freq="h")
VALUES = np.round(50 + 10 * np.sin(np.arange(48)[:, None] / 4) + np.arange(3), 2)
FRAME = pd.DataFrame(VALUES, columns=["A", "B", "C"])
ROWS = [(hour, name, column) for hour in range(48) for column, name in enumerate("ABC")]


def take(file: Path, **options: object) -> tuple[SensorStore, ImportReport]:
    store = file.with_name("store")
    report = import_store(file, store, options=ReadOptions(**options))  # type: ignore[arg-type]
    return open_store(store), report


def values(store: SensorStore) -> np.ndarray:
    return np.where(store.readings.observed, store.readings.values, np.nan)


def check(store: SensorStore, times: Sequence[object] = HOURS, zone: str | None = None) -> None:
    """The three sensors of VALUES, one channel, at ``times``."""
    assert store.sensors.ids == ("A", "B", "C")
    np.testing.assert_allclose(values(store)[..., 0], VALUES, rtol=1e-6)
    expected = pd.DatetimeIndex(times).as_unit("s").asi8
    assert store.readings.time.tolist() == expected.tolist()
    assert store.manifest.clock.zone == zone


def refusal(file: Path, **options: object) -> str:
    with pytest.raises(DataError) as caught:
        take(file, **options)
    assert not file.with_name("store").exists()
    return str(caught.value)


def long(**columns: object) -> pd.DataFrame:
    """Rows in order of time, with further columns."""
    frame = pd.DataFrame(
        {
            "time": [HOURS[hour].strftime("%Y-%m-%d %H:%M") for hour, _, _ in ROWS],
            "station": [name for _, name, _ in ROWS],
            "flow": [VALUES[hour, column] for hour, _, column in ROWS],
        }
    )
    return frame.assign(**columns)


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize("start", [0, 1])
def test_a_row_number_is_no_sensor(tmp_path: Path, twice: bool, start: int) -> None:  # A12
    frame = FRAME.assign(date=HOURS)[["date", "A", "B", "C"]]
    frame.index += start
    if twice:
        frame = frame.rename_axis("Unnamed: 0").reset_index()
    frame.to_csv(tmp_path / "r.csv")
    store, report = take(tmp_path / "r.csv")
    check(store)
    assert any("numbers the rows" in text for text in report.assumed)


@pytest.mark.parametrize("name", ["index", "row", "id"])
def test_a_named_row_number_is_no_sensor(tmp_path: Path, name: str) -> None:
    FRAME.assign(time=HOURS).rename_axis(name).to_csv(tmp_path / "r.csv")
    check(take(tmp_path / "r.csv")[0])


def test_a_sensor_whose_name_is_a_number_stays(tmp_path: Path) -> None:
    frame = pd.DataFrame({"time": HOURS, "1": range(48), "2": 7, "no2": 3})
    frame.to_csv(tmp_path / "r.csv", index=False)
    store, report = take(tmp_path / "r.csv")
    assert store.sensors.ids == ("1", "2", "no2")
    assert any("'1' grows by 1" in text for text in report.assumed)


@pytest.mark.parametrize("names", [("year", "month", "day", "hour"), ("YY", "MM", "DD", "hh")])
@pytest.mark.parametrize("minute", [False, True])
def test_times_from_year_month_day_hour(
    tmp_path: Path, names: tuple[str, ...], minute: bool
) -> None:  # A13
    parts = [HOURS.year, HOURS.month, HOURS.day, HOURS.hour]
    frame = pd.DataFrame(dict(zip(names, parts, strict=True)))
    if minute:
        frame["mm" if names[1] == "MM" else "Minute"] = 30
    frame.join(FRAME).to_csv(tmp_path / "r.csv", index=False)
    store, report = take(tmp_path / "r.csv")
    check(store, HOURS + pd.Timedelta(minutes=30 if minute else 0))
    assert any("put together" in text and "--time-column" in text for text in report.assumed)


def test_monthly_data_of_year_and_month(tmp_path: Path) -> None:
    months = pd.date_range("2020-01-01", periods=48, freq="MS")
    frame = pd.DataFrame({"Year": months.year, "Month": months.month}).join(FRAME)
    frame.to_csv(tmp_path / "r.csv", index=False)
    store, _ = take(tmp_path / "r.csv")
    assert store.manifest.clock.unit == "month"
    assert (store.manifest.start, store.manifest.step_text) == ("2020-01", "1 month")
    np.testing.assert_allclose(values(store)[..., 0], VALUES, rtol=1e-6)


def test_daily_data_of_year_and_day_of_the_year(tmp_path: Path) -> None:
    days = pd.date_range("2024-02-20", periods=48, freq="D")
    frame = pd.DataFrame({"year": days.year, "doy": days.day_of_year}).join(FRAME)
    frame.to_csv(tmp_path / "r.csv", index=False)
    check(take(tmp_path / "r.csv")[0], days)


def test_a_month_of_13_is_refused_by_its_name(tmp_path: Path) -> None:
    frame = pd.DataFrame({"year": HOURS.year, "month": 3, "day": HOURS.day, "hour": HOURS.hour})
    more = pd.date_range(HOURS[-1], periods=300, freq="h")[1:]
    late = pd.DataFrame({"year": 2024, "month": 13, "day": more.day, "hour": more.hour, "A": 1})
    frame = pd.concat([frame.join(FRAME), late.assign(month=[3] * 298 + [13])], ignore_index=True)
    frame.to_csv(tmp_path / "r.csv", index=False)
    assert "'month' must be a month from 1 to 12, but one is '13'" in refusal(tmp_path / "r.csv")


@pytest.mark.parametrize(
    "name",
    ["ts", "unixtime", "epoch", "unix_time", "timestamp", "Timestamp (ms)", "timestampUnix"],
)
@pytest.mark.parametrize("scale", [1, 10**3, 10**6, 10**9])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_epochs_by_their_name(tmp_path: Path, name: str, scale: int, suffix: str) -> None:
    """A14, B22."""
    frame = FRAME.copy()
    frame.insert(0, name, HOURS.as_unit("s").asi8 * scale)
    file = tmp_path / f"r.{suffix}"
    frame.to_csv(file, index=False) if suffix == "csv" else frame.to_parquet(file)
    check(take(file)[0], zone="UTC")


def test_epochs_without_a_name_for_time_are_asked_about(tmp_path: Path) -> None:
    file = tmp_path / "r.csv"
    FRAME.assign(t=HOURS.as_unit("s").asi8).to_csv(file, index=False)
    assert "'t' may be the time" in refusal(file)
    assert "--time-column 't'" in refusal(file)
    check(take(file, time_columns=("t",))[0], zone="UTC")


def test_a_whole_number_of_a_date_in_parquet(tmp_path: Path) -> None:  # A15
    days = pd.date_range("2024-03-01", periods=48, freq="D")
    FRAME.assign(date=days.strftime("%Y%m%d").astype(int)).to_parquet(tmp_path / "d.parquet")
    check(take(tmp_path / "d.parquet")[0], days)


def test_the_sensor_column_makes_a_long_table(tmp_path: Path) -> None:  # A16
    frame = long().rename(columns={"station": "Where", "time": "t0"})
    frame["Where"] = frame["Where"].map({"A": 44, "B": 73, "C": 78})
    frame.to_csv(tmp_path / "r.csv", index=False)
    store, report = take(tmp_path / "r.csv", sensor_column="Where", time_columns=("t0",))
    assert report.kind == "long-table"
    assert store.sensors.ids == ("44", "73", "78")
    np.testing.assert_allclose(values(store)[..., 0], VALUES, rtol=1e-6)


def test_a_sensor_column_that_is_not_there_is_refused(tmp_path: Path) -> None:
    FRAME.assign(time=HOURS).to_csv(tmp_path / "r.csv", index=False)
    assert "no column 'Where' for the sensor" in refusal(tmp_path / "r.csv", sensor_column="Where")


@pytest.mark.parametrize(
    "options", [{"aggregate": "last"}, {"select": (("level", "5"),)}, {"key": "df"}]
)
def test_a_flag_without_effect_is_an_error(tmp_path: Path, options: dict[str, object]) -> None:
    long().to_csv(tmp_path / "r.csv", index=False)
    assert "had no effect, since" in refusal(tmp_path / "r.csv", **options)


def test_a_row_number_named_id_gives_way_to_the_station(tmp_path: Path) -> None:  # A17
    frame = long().rename(columns={"station": "name"})
    frame.insert(0, "id", range(len(frame)))
    frame.to_csv(tmp_path / "r.csv", index=False)
    store, report = take(tmp_path / "r.csv")
    check(store)
    assert store.channel_names == ["flow"]
    assert any("--sensor-column" in text for text in report.assumed)


def test_row_numbers_alone_name_no_sensor(tmp_path: Path) -> None:
    frame = long().drop(columns="station")
    frame.insert(0, "id", range(len(frame)))
    frame.to_csv(tmp_path / "r.csv", index=False)
    assert "'id' has another value in each row" in refusal(tmp_path / "r.csv")
    frame.drop(columns="id").to_csv(tmp_path / "r.csv", index=False)
    assert "--sensor-column" in refusal(tmp_path / "r.csv")


def test_columns_that_tell_sensors_apart_differently_are_asked_about(tmp_path: Path) -> None:
    frame = long(place=[{"A": "x", "B": "y", "C": "z"}[name] for _, name, _ in ROWS])
    frame = frame.rename(columns={"station": "probe"})
    frame.loc[0, "place"] = "w"
    frame.to_csv(tmp_path / "r.csv", index=False)
    text = refusal(tmp_path / "r.csv")
    assert "'probe', 'place' may each name the sensor" in text
    assert "--sensor-column" in text
    check(take(tmp_path / "r.csv", sensor_column="probe")[0])


@pytest.mark.parametrize("rows", [4, 144])
def test_a_quantity_whose_first_rows_are_missing_is_a_channel(tmp_path: Path, rows: int) -> None:
    """A19, also where no row of the sample has a number."""
    numbers = [str(10 + row) for row in range(len(ROWS))]
    frame = pd.concat([long(temp=numbers)] * 2, ignore_index=True)
    frame["time"] = [f"{HOURS[0] + pd.Timedelta(hours=row // 3):%Y-%m-%d %H:%M}" for row in
                     range(len(frame))]  # fmt: skip
    late = min(rows * 2, 280) if rows > 4 else rows
    frame["humidity"] = ["NA"] * late + ["61"] * (len(frame) - late)
    frame.to_csv(tmp_path / "r.csv", index=False)
    store, _ = take(tmp_path / "r.csv")
    assert store.channel_names == ["flow", "temp", "humidity"]
    assert store.readings.observed[..., 2].sum() == len(frame) - late
    assert (store.readings.values[..., 2][store.readings.observed[..., 2]] == 61).all()


def test_a_column_that_later_holds_texts_is_no_channel(tmp_path: Path) -> None:
    frame = pd.concat([long()] * 2, ignore_index=True)
    frame["time"] = [f"{HOURS[0] + pd.Timedelta(hours=row // 3):%Y-%m-%d %H:%M}" for row in
                     range(len(frame))]  # fmt: skip
    frame["words"] = [""] * 250 + ["broken"] * (len(frame) - 250)
    frame.to_csv(tmp_path / "r.csv", index=False)
    assert take(tmp_path / "r.csv")[0].channel_names == ["flow"]


def by_parameter(apart: bool) -> pd.DataFrame:
    frames = []
    for number, (name, unit) in enumerate([("pm25", "ug/m3"), ("o3", "ppb")]):
        frame = long().rename(columns={"flow": "value"})
        frame["value"] *= 10.0**-number
        shift = pd.Timedelta(minutes=30 * number * apart)
        frame["time"] = (pd.to_datetime(frame["time"]) + shift).astype(str)
        frame["lat"] = 50 + frame["station"].map({"A": 0.1, "B": 0.2, "C": 0.3})
        frames.append(frame.assign(lon=4.5, parameter=name, units=unit))
    whole = pd.concat(frames).sort_values(["time", "station"], kind="stable")
    return whole.reset_index(drop=True)


@pytest.mark.parametrize("apart", [False, True])
def test_each_parameter_is_a_channel(tmp_path: Path, apart: bool) -> None:  # A20
    frame = by_parameter(apart)
    frame.to_csv(tmp_path / "r.csv", index=False)
    store, report = take(tmp_path / "r.csv")
    assert [(c.name, c.unit) for c in store.manifest.channels] == [
        ("pm25", "ug/m3"),
        ("o3", "ppb"),
    ]
    for channel, name in enumerate(["pm25", "o3"]):
        part = frame[frame["parameter"] == name]
        expected = part.pivot(index="time", columns="station", values="value")
        expected = expected.reindex(sorted(frame["time"].unique()))[list(store.sensors.ids)]
        np.testing.assert_allclose(values(store)[..., channel], expected, rtol=1e-6)
    assert store.manifest.positions == "lonlat"
    assert store.sensors.positions is not None
    np.testing.assert_allclose(store.sensors.positions, [[4.5, 50.1], [4.5, 50.2], [4.5, 50.3]])
    assert any("positions from 'lon' and 'lat'" in text for text in report.known)


def test_a_parameter_may_be_asked_for(tmp_path: Path) -> None:
    by_parameter(True).to_csv(tmp_path / "r.csv", index=False)
    store, _ = take(tmp_path / "r.csv", variables=("o3",))
    assert [(c.name, c.unit) for c in store.manifest.channels] == [("o3", "ppb")]
    assert "there is no variable 'no2'" in refusal_again(tmp_path, variables=("no2",))


def refusal_again(folder: Path, **options: object) -> str:
    (folder / "again").mkdir(exist_ok=True)
    (folder / "r.csv").rename(folder / "again" / "r.csv")
    return refusal(folder / "again" / "r.csv", **options)


def test_a_parameter_of_two_units_is_refused(tmp_path: Path) -> None:
    frame = by_parameter(False)
    frame.loc[5, "units"] = "mg/m3"
    frame.to_csv(tmp_path / "r.csv", index=False)
    assert "readings of 'o3' must have one unit, but have 'ppb', 'mg/m3'" in refusal(
        tmp_path / "r.csv"
    )


def test_a_reading_of_two_units_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "r.csv"
    long(unit=["C", "C", "F"] * 48).to_csv(file, index=False)
    assert "'flow' must have one unit, but have 'C', 'F'" in refusal(file)
    long(unit="C").to_csv(file, index=False)
    assert take(file)[0].manifest.channels[0].unit == "C"


def test_positions_that_are_none_are_said_and_not_taken(tmp_path: Path) -> None:
    file = tmp_path / "r.csv"
    long(lat=114.1, lon=22.5).to_csv(file, index=False)
    store, report = take(file)
    assert (store.manifest.positions, store.channel_names) == ("none", ["flow"])
    assert any("latitude 114.1" in text and "--positions" in text for text in report.assumed)


def test_places_that_move_are_no_positions(tmp_path: Path) -> None:
    file = tmp_path / "r.csv"
    long(lat=50 + np.arange(144) / 1e3, lon=4.0).to_csv(file, index=False)
    store, report = take(file)
    assert (store.manifest.positions, store.channel_names) == ("none", ["flow"])
    assert any("'lat' of sensor 'A' changes" in text for text in report.assumed)


@pytest.mark.parametrize("text", [False, True])
def test_flags_heights_and_numbers_of_rows_are_no_readings(tmp_path: Path, text: bool) -> None:
    """A39."""
    frame = long(
        elevation=[12.5 + column for _, _, column in ROWS],
        qc=[1, 4, 1] * 48,
        status=["M", "V", "V"] * 48,
    )
    frame.insert(0, "obs_id", range(len(frame)))
    frame = frame if text else frame.drop(columns="status")
    file = tmp_path / "r.csv"
    frame.to_csv(file, index=False)
    store, report = take(file)
    check(store)
    assert store.channel_names == ["flow"]
    said = " ".join(report.assumed)
    assert all(name in said for name in ("'obs_id'", "'elevation'", "'qc'", "--variable"))


def test_a_flag_may_be_asked_for(tmp_path: Path) -> None:
    long(qc=[1, 4, 1] * 48).to_csv(tmp_path / "r.csv", index=False)
    store, _ = take(tmp_path / "r.csv", variables=("flow", "qc"))
    assert store.channel_names == ["flow", "qc"]
    assert (values(store)[..., 1] == [1, 4, 1]).all()


def test_a_height_that_changes_is_a_reading(tmp_path: Path) -> None:
    long(height=[hour + column for hour, _, column in ROWS]).to_csv(tmp_path / "r.csv", index=False)
    assert take(tmp_path / "r.csv")[0].channel_names == ["flow", "height"]


def test_a_reading_that_begins_to_change_late_is_a_channel(tmp_path: Path) -> None:
    """The first rows show no rain, which is no property of a place."""
    frame = pd.concat([long()] * 4, ignore_index=True)
    frame["time"] = [str(HOURS[0] + pd.Timedelta(hours=row // 3)) for row in range(len(frame))]
    frame["rain"] = [0.0] * 500 + [1.5] * (len(frame) - 500)
    frame.to_csv(tmp_path / "r.csv", index=False)
    assert take(tmp_path / "r.csv")[0].channel_names == ["flow", "rain"]


def test_a_channel_alike_for_all_sensors_is_said(tmp_path: Path) -> None:
    long(sun=[float(hour % 7) + 0.5 for hour, _, _ in ROWS]).to_csv(tmp_path / "r.csv", index=False)
    store, report = take(tmp_path / "r.csv")
    assert store.channel_names == ["flow", "sun"]
    assert any("'sun' is the same for all sensors" in text for text in report.assumed)


@pytest.mark.parametrize("ids", [["10A", "11P", "12A"], ["2024-1", "2024-2", "2024-3"]])
@pytest.mark.parametrize("first", [False, True])
def test_ids_that_look_like_times(tmp_path: Path, ids: list[str], first: bool) -> None:  # B21
    frame = long(stop=[ids[column] for _, _, column in ROWS]).drop(columns="station")
    frame = frame.rename(columns={"time": "when"})
    frame[["stop", "when", "flow"] if first else ["when", "stop", "flow"]].to_csv(
        tmp_path / "r.csv", index=False
    )
    store, _ = take(tmp_path / "r.csv")
    assert store.sensors.ids == tuple(ids)
    np.testing.assert_allclose(values(store)[..., 0], VALUES, rtol=1e-6)


@pytest.mark.parametrize(
    ("clock", "name"),
    [
        (lambda hours: hours.strftime("%H%M"), "time"),
        (lambda hours: hours.strftime("%H:%M"), "uhrzeit"),
        (lambda hours: hours.strftime("%H:%M:%S"), "Time (local)"),
        (lambda hours: hours.hour, "hour"),
        (lambda hours: hours.hour * 100, "hhmm"),
        (lambda hours: hours.strftime("%I:%M %p"), "time"),
    ],
)
@pytest.mark.parametrize("form", ["%Y%m%d", "%Y-%m-%d", "%d-%b-%Y"])
@pytest.mark.parametrize("given", [False, True])
def test_a_date_and_a_clock(
    tmp_path: Path, clock: object, name: str, form: str, given: bool
) -> None:  # B15
    frame = pd.DataFrame({"date": HOURS.strftime(form), name: clock(HOURS)}).join(FRAME)  # type: ignore[operator]
    frame.to_csv(tmp_path / "r.csv", index=False)
    options = {"time_columns": ("date", name)} if given else {}
    store, report = take(tmp_path / "r.csv", **options)
    check(store)
    assert given or any("put together from 'date'" in text for text in report.assumed)


def test_hours_from_1_to_24(tmp_path: Path) -> None:
    frame = pd.DataFrame({"date": HOURS.strftime("%Y-%m-%d"), "hour": HOURS.hour + 1}).join(FRAME)
    frame.to_csv(tmp_path / "r.csv", index=False)
    store, report = take(tmp_path / "r.csv")
    check(store, HOURS + pd.Timedelta(hours=1))
    assert any("24 is the next midnight" in text for text in report.assumed)


def test_a_date_and_a_clock_in_parquet(tmp_path: Path) -> None:
    frame = pd.DataFrame({"date": HOURS.date, "time": HOURS.time}).join(FRAME)
    frame.to_parquet(tmp_path / "r.parquet")
    check(take(tmp_path / "r.parquet")[0])


def test_a_clock_that_is_left_out_at_midnight(tmp_path: Path) -> None:
    texts = [f"{hour:%Y-%m-%d %H:%M}".removesuffix(" 00:00") for hour in HOURS]
    FRAME.assign(time=texts).to_csv(tmp_path / "r.csv", index=False)
    check(take(tmp_path / "r.csv")[0])


def test_of_begin_and_end_the_begin(tmp_path: Path) -> None:
    frame = FRAME.assign(end_time=HOURS + pd.Timedelta(minutes=59), start_time=HOURS)
    frame.to_csv(tmp_path / "r.csv", index=False)
    store, report = take(tmp_path / "r.csv")
    check(store)
    assert any("'start_time' is the time" in text for text in report.assumed)


def test_two_times_without_an_order_are_asked_about(tmp_path: Path) -> None:
    frame = FRAME.assign(seen=HOURS, entered=HOURS + pd.Timedelta(minutes=7))
    frame.to_csv(tmp_path / "r.csv", index=False)
    assert "'seen', 'entered' may each be the time" in refusal(tmp_path / "r.csv")
    check(take(tmp_path / "r.csv", time_columns=("seen",))[0])


@pytest.mark.parametrize("name", ["Time (UTC)", "time_utc", "Zeit (UTC+1)"])
def test_a_header_may_name_the_zone(tmp_path: Path, name: str) -> None:
    shift, zone = (1, "+01:00") if "+1" in name else (0, "UTC")
    FRAME.assign(**{name: HOURS}).to_csv(tmp_path / "r.csv", index=False)
    check(take(tmp_path / "r.csv")[0], HOURS - pd.Timedelta(hours=shift), zone)


def berlin() -> pd.DatetimeIndex:
    return pd.date_range("2024-10-26 12:00", periods=48, freq="h", tz="Europe/Berlin")


@pytest.mark.parametrize("form", ["long", "wide", "index"])
def test_the_zone_of_parquet_times_stays(tmp_path: Path, form: str) -> None:  # A27, B9
    file = tmp_path / "r.parquet"
    if form == "long":
        long(time=[berlin()[hour] for hour, _, _ in ROWS]).to_parquet(file)
    elif form == "wide":
        FRAME.assign(time=berlin()).to_parquet(file)
    else:
        FRAME.set_index(berlin()).to_parquet(file)
    check(take(file)[0], berlin().tz_convert(None), "Europe/Berlin")


@pytest.mark.parametrize("form", ["long", "wide"])
def test_texts_with_the_offsets_of_an_autumn_are_utc(tmp_path: Path, form: str) -> None:
    file, texts = tmp_path / "r.csv", berlin().astype(str)
    frame = FRAME.assign(time=texts)
    if form == "long":
        frame = long(time=[texts[hour] for hour, _, _ in ROWS])
    frame.to_csv(file, index=False)
    store, report = take(file)
    check(store, berlin().tz_convert(None), "UTC")
    assert any("+01:00 and +02:00" in text for text in report.assumed)


@pytest.mark.parametrize("form", ["long", "wide"])
def test_nobody_is_told_to_drop_the_hour_that_autumn_repeats(tmp_path: Path, form: str) -> None:
    file, texts = tmp_path / "r.csv", berlin().tz_localize(None).astype(str)
    frame = FRAME.assign(time=texts)
    if form == "long":
        frame = long(time=[texts[hour] for hour, _, _ in ROWS])
    frame.to_csv(file, index=False)
    text = refusal(file).removeprefix(str(file))
    assert "2024-10-27 02:00:00" in text
    assert "put back in autumn" in text
    assert "offset" in text
    assert not any(word in text for word in ("drop", "keep one", "remove"))


def test_a_repeated_row_is_refused_with_both_rows(tmp_path: Path) -> None:  # B25
    frame = long()
    file = tmp_path / "r.csv"
    pd.concat([frame, frame.iloc[[7]]]).to_csv(file, index=False)
    text = refusal(file)
    assert "sensor 'B' has two readings at 2024-03-01 02:00:00" in text
    assert "row 8 below the header and row 145 below the header, which are alike" in text


LEVELS = [("s1", "flow"), ("s1", "speed"), ("s2", "flow"), ("s2", "speed")]


@pytest.mark.parametrize("swapped", [False, True])
def test_columns_of_two_levels(tmp_path: Path, swapped: bool) -> None:  # A28
    table = pd.DataFrame(np.arange(192.0).reshape(48, 4), index=HOURS)
    table.columns = pd.MultiIndex.from_tuples([pair[::-1] if swapped else pair for pair in LEVELS])
    table.to_parquet(tmp_path / "r.parquet")
    store, report = take(tmp_path / "r.parquet")
    assert (store.sensors.ids, store.channel_names) == (("s1", "s2"), ["flow", "speed"])
    np.testing.assert_array_equal(values(store).reshape(48, 4), table.to_numpy())
    assert any("two levels" in text and "--variable" in text for text in report.assumed)


def test_columns_of_two_levels_that_tell_nothing_are_asked_about(tmp_path: Path) -> None:
    table = pd.DataFrame(np.arange(192.0).reshape(48, 4), index=HOURS)
    table.columns = pd.MultiIndex.from_product([["k", "m"], ["u", "v"]])
    file = tmp_path / "r.parquet"
    table.to_parquet(file)
    assert "--variable 'k' --variable 'm' or --variable 'u' --variable 'v'" in refusal(file)
    store, _ = take(file, variables=("u", "v"))
    assert (store.sensors.ids, store.channel_names) == (("k", "m"), ["u", "v"])


def test_names_of_levels_tell_which_is_which(tmp_path: Path) -> None:
    table = pd.DataFrame(np.arange(192.0).reshape(48, 4), index=HOURS)
    table.columns = pd.MultiIndex.from_product([["k", "m"], ["u", "v"]], names=["variable", "site"])
    table.to_parquet(tmp_path / "r.parquet")
    store, _ = take(tmp_path / "r.parquet")
    assert (store.sensors.ids, store.channel_names) == (("u", "v"), ["k", "m"])


def test_a_header_of_two_lines_is_refused_by_its_name(tmp_path: Path) -> None:
    table = pd.DataFrame(np.arange(192.0).reshape(48, 4), index=HOURS)
    table.columns = pd.MultiIndex.from_tuples(LEVELS)
    table.to_csv(tmp_path / "r.csv")
    assert "one line" in refusal(tmp_path / "r.csv")


def test_times_of_seconds_of_their_own_are_refused_with_the_remedy(tmp_path: Path) -> None:  # B4
    seconds = np.random.default_rng(0).integers(1, 599, len(ROWS))
    times = [HOURS[hour] + pd.Timedelta(seconds=int(s)) for (hour, _, _), s in
             zip(ROWS, seconds, strict=True)]  # fmt: skip
    file = tmp_path / "r.csv"
    long(time=times).to_csv(file, index=False)
    assert "--resample" in refusal(file)
    check(take(file, resample=timedelta(hours=1))[0])


def test_ids_in_a_table_are_texts_exactly(tmp_path: Path) -> None:
    ids = ["007", "1e3", "7.0"]
    long(station=[ids[column] for _, _, column in ROWS]).to_csv(tmp_path / "r.csv", index=False)
    assert take(tmp_path / "r.csv")[0].sensors.ids == tuple(ids)


def test_a_column_that_counts_rows_is_a_reading_only_where_there_is_no_other(
    tmp_path: Path,
) -> None:
    file = tmp_path / "r.csv"
    long(pulse=range(144)).drop(columns="flow").to_csv(file, index=False)
    assert take(file)[0].channel_names == ["pulse"]
    (tmp_path / "again").mkdir()
    file = tmp_path / "again" / "r.csv"
    long(pulse=range(144)).to_csv(file, index=False)
    store, report = take(file)
    assert store.channel_names == ["flow"]
    assert any("'pulse' (grows by 1 from row to row)" in text for text in report.assumed)


@pytest.mark.parametrize("beside", [False, True])
def test_row_numbers_of_many_rows_at_each_time(tmp_path: Path, beside: bool) -> None:
    """The first rows are all of one time, where a number of a row looks like one of a sensor."""
    hours = HOURS[:3].repeat(300)
    frame = pd.DataFrame({"id": range(900), "time": hours, "flow": np.arange(900) % 97 / 2})
    if beside:
        frame["name"] = [f"n{row % 300}" for row in range(900)]
    frame.to_csv(tmp_path / "r.csv", index=False)
    if beside:
        assert take(tmp_path / "r.csv")[0].readings.values.shape == (3, 300, 1)
    else:
        assert "numbers rows" in refusal(tmp_path / "r.csv")


def test_sensors_that_are_numbered_from_0(tmp_path: Path) -> None:
    hours = HOURS[:3].repeat(300)
    frame = pd.DataFrame({"time": hours, "id": [*range(300)] * 3, "flow": np.arange(900) % 97 / 2})
    frame.to_csv(tmp_path / "r.csv", index=False)
    assert take(tmp_path / "r.csv")[0].sensors.ids == tuple(map(str, range(300)))


def test_a_clock_goes_with_the_date_of_its_zone(tmp_path: Path) -> None:
    local = HOURS - pd.Timedelta(hours=7)
    frame = pd.DataFrame(
        {
            "Date Local": local.strftime("%Y-%m-%d"),
            "Time Local": local.strftime("%H:%M"),
            "Date GMT": HOURS.strftime("%Y-%m-%d"),
            "Time GMT": HOURS.strftime("%H:%M"),
        }
    )
    frame.join(FRAME).to_csv(tmp_path / "r.csv", index=False)
    store, report = take(tmp_path / "r.csv")
    check(store, zone="UTC")
    assert any("'Date GMT', 'Time GMT'" in text for text in report.known)


def test_a_text_beside_several_sensors_is_a_note(tmp_path: Path) -> None:
    file = tmp_path / "r.csv"
    FRAME.assign(time=HOURS, zone="EST").to_csv(file, index=False)
    store, report = take(file)
    check(store)
    assert any("'zone'" in text and "--sensor-column" in text for text in report.assumed)


def test_quantities_of_one_sensor_are_asked_about(tmp_path: Path) -> None:
    file = tmp_path / "r.csv"
    frame = long().rename(columns={"station": "pollutant"})
    frame.to_csv(file, index=False)
    assert "--sensor-column 'pollutant'" in refusal(file)
    check(take(file, sensor_column="pollutant")[0])


def test_what_pandas_melts_is_a_wide_table_again(tmp_path: Path) -> None:
    file = tmp_path / "r.csv"
    FRAME.assign(time=HOURS).melt("time").to_csv(file, index=False)
    check(take(file)[0])


def test_steps_that_are_counted_in_a_long_table(tmp_path: Path) -> None:
    long(time=[hour for hour, _, _ in ROWS]).to_csv(tmp_path / "r.csv", index=False)
    store, _ = take(tmp_path / "r.csv")
    assert not store.manifest.timed
    assert store.readings.time.tolist() == list(range(48))


def test_the_value_of_several_quantities_is_not_mixed(tmp_path: Path) -> None:
    frame = by_parameter(True).assign(error=1.5)
    frame.to_csv(tmp_path / "r.csv", index=False)
    assert take(tmp_path / "r.csv")[0].channel_names == ["pm25", "o3"]
    assert "several quantities" in refusal_again(tmp_path, variables=("error",))


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text is read in parts of 2 KiB, as a large file is in parts of 8 MiB."""
    monkeypatch.setattr(text_table, "BLOCK_BYTES", 2048)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("form", ["long", "wide"])
def test_dates_have_one_order_in_all_parts_of_a_file(tmp_path: Path, form: str) -> None:  # A4
    times = pd.date_range("2024-03-01", periods=600, freq="h")
    frame = pd.DataFrame({"time": times.strftime("%d/%m/%Y %H:%M"), "A": np.arange(600) % 89})
    if form == "long":
        frame = frame.melt("time", var_name="sensor", value_name="flow")
    frame.to_csv(tmp_path / "r.csv", index=False)
    store, _ = take(tmp_path / "r.csv")
    assert store.readings.time.tolist() == times.as_unit("s").asi8.tolist()
    assert (values(store).ravel() == np.arange(600) % 89).all()


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("form", ["long", "wide"])
def test_offsets_that_change_between_parts_of_a_file(tmp_path: Path, form: str) -> None:
    times = pd.date_range("2024-10-20", periods=400, freq="h", tz="Europe/Berlin")
    frame = pd.DataFrame({"time": times.astype(str), "A": np.arange(400) % 89})
    if form == "long":
        frame = frame.melt("time", var_name="sensor", value_name="flow")
    frame.to_csv(tmp_path / "r.csv", index=False)
    store, report = take(tmp_path / "r.csv")
    assert store.manifest.clock.zone == "UTC"
    assert store.readings.time.tolist() == times.tz_convert(None).as_unit("s").asi8.tolist()
    assert any("+01:00 and +02:00" in text for text in report.assumed)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("length", [None, timedelta(hours=2)])
def test_rows_of_later_parts_are_named_by_their_place_in_the_file(
    tmp_path: Path, length: timedelta | None
) -> None:
    frame = long()
    pd.concat([frame, frame.iloc[[7]]]).to_csv(tmp_path / "r.csv", index=False)
    text = refusal(tmp_path / "r.csv", resample=length)
    assert "row 8 below the header and row 145 below the header" in text
    frame.loc[130, "station"] = ""
    frame.to_csv(tmp_path / "r.csv", index=False)
    assert "row 131 below the header has no 'station'" in refusal(tmp_path / "r.csv")


@pytest.mark.usefixtures("small_blocks")
def test_a_repeated_time_of_a_later_part_is_refused(tmp_path: Path) -> None:
    times = [*HOURS[:40], *HOURS[39:47]]
    FRAME.assign(time=times).to_csv(tmp_path / "r.csv", index=False)
    assert (
        "repeated at row 41 below the header (2024-03-02 15:00:00, with other readings)"
        in refusal(tmp_path / "r.csv")
    )


def test_rows_that_another_column_tells_apart_are_no_repeats_to_drop(tmp_path: Path) -> None:
    frame = pd.concat([long(direction="N"), long(direction="S")])
    frame.to_csv(tmp_path / "r.csv", index=False)
    assert "--sensor-column" in refusal(tmp_path / "r.csv")


def test_lines_named_by_numbers_and_letters_are_asked_about(tmp_path: Path) -> None:
    line = ["1", "2", "A"] * 48
    long(Line=line).drop(columns="station").to_csv(tmp_path / "r.csv", index=False)
    assert "--sensor-column" in refusal(tmp_path / "r.csv")
    store, _ = take(tmp_path / "r.csv", sensor_column="Line")
    assert store.sensors.ids == ("1", "2", "A")
