"""A mask's history has no more rows than its figure can show."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch

from dynst_platform.plots.mask_history import MAX_ROWS, draw_mask_history


@pytest.mark.parametrize(
    ("sensors", "rows", "words"),
    [
        (60, 60, "60 sensors, longest on at the top"),
        (2 * MAX_ROWS + 1, MAX_ROWS * 2 // 3 + 1, "one in 3 drawn"),
    ],
)
def test_sensors_of_a_large_network_are_drawn_evenly(
    sensors: int, rows: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures: list[Figure] = []
    save = Figure.savefig

    def keep(figure: Figure, *arguments: Any, **settings: Any) -> None:
        figures.append(figure)
        save(figure, *arguments, **settings)

    monkeypatch.setattr(Figure, "savefig", keep)
    updates = np.arange(3)[:, None]
    active = np.arange(sensors) % 4 > updates
    importance = np.arange(sensors) / sensors + updates
    draw_mask_history(
        tmp_path / "history.png",
        tuple(f"s{number}" for number in range(sensors)),
        np.arange(3) * 10,
        active,
        importance,
        active.mean(0),
    )
    (figure,) = figures
    heat, bars, _ = figure.axes
    (image,) = heat.images
    assert image.get_array().shape == (rows, 3)
    (steps,) = (patch for patch in bars.patches if isinstance(patch, StepPatch))
    time_on = steps.get_data().values
    assert len(time_on) == rows
    assert (np.diff(time_on) <= 0).all()
    assert set(time_on) == set(active.mean(0)), "of all kinds some are drawn"
    assert words in heat.get_ylabel()
