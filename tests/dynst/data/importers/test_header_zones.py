"""The time zone in the name of a column of times."""

from pathlib import Path

import pandas as pd
import pytest

from dynst.data.importers.columns.header_zones import UNREADABLE, header_zone
from dynst.data.importers.import_store import import_store
from dynst.data.importers.source import ReadOptions
from dynst.data.store import open_store
from dynst.errors import DataError

OFFSETS = {
    "Time (UTC + 1)": "+01:00",
    "Time (UTC+1h)": "+01:00",
    "Time (UTC\u20135)": "-05:00",
    "Time (UTC\u22125)": "-05:00",
    "Timestamp (UTC offset: -5h)": "-05:00",
    "Time (UTC+5.5)": "+05:30",
    "Time (UTC+5,5)": "+05:30",
    "Time (UTC+0530)": "+05:30",
    "Date Time, GMT+02:00": "+02:00",
    "Time UTC-05:00 (s)": "-05:00",
    "Timestamp GMT-0330": "-03:30",
    "GMT+1, start": "+01:00",
    "Time (UTC+0)": "UTC",
    "Time (UTC)": "UTC",
    "UTC time": "UTC",
    "time_UTC": "UTC",
    "time": None,
}
UNCLEAR = (
    "Time GMT+1/+2",
    "Time (UTC+1/UTC+2)",
    "time (GMT minus 5)",
    "Time (UTC=local-2)",
    "Time (UTC+15)",
    "Time (UTC+1 in winter)",
)


@pytest.mark.parametrize(("name", "zone"), OFFSETS.items())
def test_the_zone_of_a_header(name: str, zone: str | None) -> None:
    assert header_zone(name) == zone


@pytest.mark.parametrize("name", OFFSETS)
def test_times_below_it_are_those_of_that_zone(tmp_path: Path, name: str) -> None:
    times = pd.date_range("2024-03-14", periods=30, freq="h")
    pd.DataFrame({"A": 1.0, "B": range(30)}, index=times).to_csv(
        tmp_path / "x.csv", index_label=name
    )
    import_store(tmp_path / "x.csv", tmp_path / "store")
    zone = OFFSETS[name] or "UTC"
    expected = times.tz_localize(zone).tz_convert("UTC").tz_localize(None)
    found = open_store(tmp_path / "store").readings.time
    assert found.tolist() == expected.astype("datetime64[s]").astype("int64").tolist()


@pytest.mark.parametrize("name", UNCLEAR)
def test_a_zone_that_is_not_understood_is_asked_about(tmp_path: Path, name: str) -> None:
    assert header_zone(name) == UNREADABLE
    times = pd.date_range("2024-03-14", periods=30, freq="h")
    pd.DataFrame({"A": 1.0, "B": range(30)}, index=times).to_csv(
        tmp_path / "x.csv", index_label=name
    )
    with pytest.raises(DataError, match=r"names a time zone .* --zone"):
        import_store(tmp_path / "x.csv", tmp_path / "store")
    import_store(tmp_path / "x.csv", tmp_path / "store", options=ReadOptions(zone="+01:00"))
    assert open_store(tmp_path / "store").manifest.clock.zone == "+01:00"
