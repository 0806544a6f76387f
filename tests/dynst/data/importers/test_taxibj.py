"""TaxiBJ's slots of the day."""

from datetime import timedelta
from pathlib import Path

import h5py
import numpy as np
import pytest

from dynst.data.importers.source import ReadOptions
from dynst.errors import DataError
from tests.dynst.data.importers.netcdf_files import labels, readings, take


def taxi(path: Path, stamps: list[str], channels: int = 2) -> Path:
    with h5py.File(path, "w") as file:
        file["data"] = np.arange(len(stamps) * channels * 6.0).reshape(len(stamps), channels, 2, 3)
        file["date"] = np.array(stamps, "S10")
    return path


def day(date: str, last: int, first: int = 1) -> list[str]:
    return [f"{date}{slot:02d}" for slot in range(first, last + 1)]


@pytest.mark.parametrize("slots", [24, 48, 96])
def test_whole_days_tell_how_long_a_slot_is(tmp_path: Path, slots: int) -> None:
    file = taxi(tmp_path / "a.h5", day("20150228", slots) + day("20150301", 5))
    store, report = take(file)
    assert store.manifest.step == 86_400 // slots
    assert labels(store)[slots] == "2015-03-01 00:00:00"
    assert any(f"run to {slots}" in text for text in report.known)
    assert store.channel_names == ["inflow", "outflow"]
    with h5py.File(file) as raw:
        np.testing.assert_array_equal(readings(store, 1), raw["data"][:, 1].reshape(slots + 5, 6))


def test_half_days_do_not(tmp_path: Path) -> None:
    """24 slots may be a day of hours, or twelve hours of halves."""
    file = taxi(tmp_path / "a.h5", day("20150228", 24))
    with pytest.raises(DataError, match=r"reach to 24.*--step 30min"):
        take(file)
    store, _ = take(file, ReadOptions(step=timedelta(minutes=30)))
    assert labels(store)[-1] == "2015-02-28 11:30:00"
    with pytest.raises(DataError, match=r"1\.\.12, but 'date' of step 12 is '2015022813'"):
        take(file, ReadOptions(step=timedelta(hours=2)))
    with pytest.raises(DataError, match="must divide a day"):
        take(file, ReadOptions(step=timedelta(minutes=7)))


@pytest.mark.parametrize(
    ("stamp", "reason"),
    [
        ("2015023005", "'date' of step 3 is '2015023005', but 20150230 is no date"),
        ("2015130105", "20151301 is no date"),
        ("2015-02-28", "but one is '2015-02-28'"),
        ("2015022800", r"1\.\.48, but 'date' of step 3 is '2015022800'"),
    ],
)
def test_the_bad_date_itself_is_named(tmp_path: Path, stamp: str, reason: str) -> None:
    stamps = day("20150227", 48) + day("20150228", 48)
    stamps[3] = stamp
    with pytest.raises(DataError, match=reason):
        take(taxi(tmp_path / "a.h5", stamps))


def test_the_zone_of_the_clock(tmp_path: Path) -> None:
    stamps = day("20150301", 48) + day("20150302", 48)
    store, _ = take(taxi(tmp_path / "a.h5", stamps), ReadOptions(zone="Asia/Shanghai"))
    assert labels(store)[0] == "2015-03-01 00:00:00+08:00"
