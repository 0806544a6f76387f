"""The embedded network, and the traps that its data set."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dynst.data.auckland import import_auckland
from dynst.data.store import SensorStore, open_store
from tests.conftest import shared_data


@pytest.fixture(scope="module")
def auckland(tmp_path_factory: pytest.TempPathFactory) -> SensorStore:
    path = tmp_path_factory.mktemp("auckland") / "store"
    import_auckland(path)
    return open_store(path)


def test_hours_follow_row_order_without_a_gap(auckland: SensorStore) -> None:
    time = auckland.readings.time
    assert time[0].astype("datetime64[s]") == np.datetime64("2023-01-01T00:00:00")
    assert time[-1].astype("datetime64[s]") == np.datetime64("2026-01-01T05:00:00")
    assert set(np.diff(time)) == {3600}


def test_the_hour_that_summer_time_swallows_is_missing_for_all(auckland: SensorStore) -> None:
    row = int(
        (np.datetime64("2024-09-29T02:00:00") - np.datetime64("2023-01-01T00:00:00"))
        / np.timedelta64(1, "h")
    )
    assert not auckland.readings.observed[row].any()
    assert auckland.readings.observed[row - 1].all()


def test_new_years_fireworks_are_at_midnight(auckland: SensorStore) -> None:
    """The package dates them a day early: its day runs from six to six."""
    counts = auckland.readings.values[..., 0].sum(axis=1)
    row = 8760  # 2024-01-01 00:00
    assert counts[row] > 3 * counts[row - 24]


def test_ids_and_positions_belong_together(auckland: SensorStore) -> None:
    row = auckland.sensors.ids.index("150 K Road")
    positions = auckland.sensors.positions
    assert positions is not None
    assert (
        positions[row, 1] == positions[:, 1].min()
    )  # the southernmost counters stand on Karangahape Road
    assert auckland.manifest.positions == "lonlat"
    assert "CC BY 4.0" in auckland.manifest.attribution


def test_equals_an_independent_preparation(auckland: SensorStore) -> None:
    file: Path = shared_data() / "graph" / "auckland_pedestrian" / "auckland_hourly.parquet"
    if not file.is_file():
        pytest.skip("the shared data sets are not on this machine")
    other = pd.read_parquet(file).loc["2023-01-01":, list(auckland.sensors.ids)]
    ours = np.where(auckland.readings.observed, auckland.readings.values, np.nan)[..., 0]
    np.testing.assert_array_equal(other.to_numpy(), ours)
