"""A map of very many sensors shows shares, since dots would hide one another."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from dynst.data.sensor_table import Sensors
from dynst_platform.plots import masks
from dynst_platform.plots.masks import draw_sensor_map


@pytest.mark.parametrize("placed", [True, False])
def test_shares_of_many_sensors_are_theirs(
    placed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the west one in four is on, in the east all are."""
    figures: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: figures.append(figure))
    monkeypatch.setattr(masks, "MAX_DOTS", 6_000)
    side = 80
    column, row = np.tile(np.arange(side), side), np.repeat(np.arange(side), side)
    places: Any = np.stack([column, row], 1).astype(float) if placed else None
    sensors = Sensors(tuple(f"s{number}" for number in range(side**2)), places)
    active = (column >= side // 2) | ((column % 2 == 0) & (row % 2 == 0))
    monkeypatch.setattr(masks, "CELLS", 10)
    importance = np.zeros(side**2)
    draw_sensor_map(tmp_path / "map.png", sensors, active, importance, "half", lonlat=False)
    (cells,) = (part for part in figures[0].axes[0].collections if isinstance(part, PolyCollection))
    share, west = np.asarray(cells.get_array()), cells.get_offsets()[:, 0] < side / 2 - 8
    assert share[west] == pytest.approx(0.25, abs=0.12)
    assert (share[cells.get_offsets()[:, 0] > side / 2 + 8] == 1).all()
    assert figures[0].axes[1].get_ylabel() == "share of the sensors that are on"
    few = Sensors(sensors.ids[:100], None if places is None else places[:100])
    draw_sensor_map(tmp_path / "map.png", few, active[:100], importance[:100], "few", lonlat=False)
    assert not any(isinstance(part, PolyCollection) for part in figures[1].axes[0].collections)
