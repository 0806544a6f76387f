"""The history of a mask, from plain reports to figures and files."""

from pathlib import Path

import pandas as pd
import pytest
from matplotlib.image import imread

from dynst.data.sensor_table import Sensors
from dynst_platform.reports import MaskChange
from dynst_platform.tracking.mask_history import history_of, mask_series, write_history
from tests.dynst_platform.reports import change


def update(step: int, active: str, importance: float) -> MaskChange:
    return change(step, [mark == "x" for mark in active], importance=(importance,) * len(active))


def test_figures_at_each_update() -> None:
    series = mask_series([update(10, "xxx.", 1.0), update(20, "xx.x", 2.0)])
    assert series == [
        {"mask/overlap": pytest.approx(3 / 4), "mask/churn": 0, "mask/ever_active": 0.75},
        {
            "mask/overlap": pytest.approx(2 / 4),
            "mask/churn": pytest.approx(1 / 3),
            "mask/ever_active": 1.0,
        },
    ]


@pytest.mark.parametrize("num_sensors", [2, 45, 46, 2000])
@pytest.mark.parametrize("num_updates", [1, 40])
def test_a_table_and_a_picture_of_any_size(
    tmp_path: Path, num_sensors: int, num_updates: int
) -> None:
    """One sensor is always off, importance never changes: the colours have nothing to span."""
    updates = [
        update(10 * number, "." + "x" * (num_sensors - 1), 0.5) for number in range(num_updates)
    ]
    ids = tuple(f"sensor {number}" for number in range(num_sensors))
    write_history(tmp_path, Sensors(ids), history_of(updates), total_steps=1000)
    table = pd.read_parquet(tmp_path / "history.parquet")
    assert len(table) == num_sensors * num_updates
    assert table.query("not active")["sensor"].tolist() == ["sensor 0"] * num_updates
    height, width, _ = imread(tmp_path / "history.png").shape
    assert width > 1000
    assert 500 < height < 1400
