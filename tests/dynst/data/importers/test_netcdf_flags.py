"""Variables and attributes that tell of readings and are none, or contradict themselves."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from dynst.data.importers.source import ReadOptions
from dynst.errors import DataError
from tests.dynst.data.importers.netcdf_files import DIMS, field, grid, hours, readings, take, write

SHAPE = (12, 3, 4)


def beside(name: str, kind: str = "int8", **attributes: Any) -> xr.Dataset:
    """``t2m`` and another variable over the same dimensions."""
    return grid().assign({name: (DIMS, np.ones(SHAPE, kind), attributes)})


FLAGS: list[tuple[str, str, dict[str, Any]]] = [
    ("a", "int8", {"flag_values": np.array([0, 1], np.int8), "flag_meanings": "good bad"}),
    ("a", "int32", {"flag_masks": np.array([1, 2], np.int32)}),
    ("a", "int16", {"standard_name": "air_temperature status_flag"}),
    ("a", "float32", {"standard_name": "quality_flag"}),
    ("t2m_qc", "int8", {}),
    ("t2m_flag", "int16", {}),
    ("t2m_quality", "int8", {}),
    ("t2m_error", "float32", {}),
    ("obs_count", "int8", {}),
    ("number_of_observations", "int32", {}),
]


@pytest.mark.parametrize(("name", "kind", "attributes"), FLAGS)
def test_flags_are_left_out_and_said(
    tmp_path: Path, name: str, kind: str, attributes: dict[str, Any]
) -> None:
    path = write(beside(name, kind, **attributes), tmp_path / "f.nc")
    store, report = take(path)
    assert [channel.name for channel in store.manifest.channels] == ["t2m"]
    assert any(name in text and "--variable" in text for text in report.assumed)
    store, _ = take(path, ReadOptions(variables=(name,)))
    np.testing.assert_array_equal(readings(store), np.ones((12, 12)))


@pytest.mark.parametrize("name", ["air_quality", "vehicle_count", "tp"])
def test_readings_with_such_words_are_readings(tmp_path: Path, name: str) -> None:
    store, _ = take(write(beside(name, "float32"), tmp_path / "f.nc"))
    assert [channel.name for channel in store.manifest.channels] == ["t2m", name]


def test_a_file_of_flags_alone_has_them_as_readings(tmp_path: Path) -> None:
    data = beside("t2m_qc").drop_vars("t2m")
    store, _ = take(write(data, tmp_path / "f.nc"))
    assert [channel.name for channel in store.manifest.channels] == ["t2m_qc"]


@pytest.mark.parametrize("value", [np.array([0.1, 0.2]), "0.1"])
@pytest.mark.parametrize("key", ["scale_factor", "add_offset"])
def test_packing_by_no_single_number_is_refused(tmp_path: Path, key: str, value: Any) -> None:
    data = grid(field(*SHAPE))
    data["t2m"].attrs[key] = value
    with pytest.raises(DataError, match=f"{key} of 't2m' must be one number, but is '0.1"):
        take(write(data, tmp_path / "f.nc"))


def test_a_valid_range_the_wrong_way_round_is_said(tmp_path: Path) -> None:
    attributes = {"valid_range": np.array([0, -6], np.int8)}
    values = np.arange(12, dtype=np.int8)
    data = xr.Dataset({"t": ("time", values, attributes)}, {"time": hours()})
    store, report = take(write(data, tmp_path / "f.nc"))
    np.testing.assert_array_equal(readings(store)[:, 0], values)
    assert any("valid range of 't', 0 to -6, is the wrong way" in text for text in report.assumed)


def test_the_choice_of_a_lead_time_shows_its_form(tmp_path: Path) -> None:
    lead = ("prediction_timedelta", [0, 6], {"units": "hours"})
    data = xr.Dataset(
        {"t": (("time", "prediction_timedelta", "x"), np.zeros((12, 2, 3)))},
        {"time": hours(), "prediction_timedelta": lead},
    )
    path = write(data, tmp_path / "f.nc")
    with pytest.raises(DataError, match=r"0, 6 hours.*--select prediction_timedelta=6h"):
        take(path)
    with pytest.raises(DataError, match=r"--select prediction_timedelta=6h.*it has 0, 6 hours"):
        take(path, ReadOptions(select=(("prediction_timedelta", "6"),)))
