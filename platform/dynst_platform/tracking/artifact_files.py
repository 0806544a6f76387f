"""The tables and figures of a run, written into a folder that the tracker uploads whole."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from dynst.data.store import SensorStore
from dynst.evaluation.summary import StepError
from dynst_platform.csv_files import write_csv

__all__ = ["write_errors", "write_sensors"]


def write_sensors(
    stem: Path, store: SensorStore, title: str, columns: Mapping[str, Sequence[object]]
) -> None:
    """One row a sensor as ``stem.csv``, and the map beside it, or a note why there is none."""
    from dynst_platform.plots.figures import drawn  # noqa: PLC0415 (a second, when figures are drawn)
    from dynst_platform.plots.masks import draw_mask  # noqa: PLC0415

    write_csv(stem.with_suffix(".csv"), pd.DataFrame({"sensor": store.sensors.ids, **columns}))
    active, importance = np.array(columns["active"]), np.array(columns["importance"])
    picture = stem.with_suffix(".png")
    drawn(picture, lambda: draw_mask(picture, store, active, importance, title))


def write_errors(folder: Path, rows: Sequence[StepError], units: dict[str, str]) -> None:
    """``errors_by_step``: one row for each forecaster, group, channel and step."""
    from dynst_platform.plots.errors import draw_errors_by_step  # noqa: PLC0415
    from dynst_platform.plots.figures import drawn  # noqa: PLC0415 (a second, when figures are drawn)

    table = pd.DataFrame([vars(row) for row in rows])
    write_csv(folder / "errors_by_step.csv", table)
    table.to_parquet(folder / "errors_by_step.parquet", index=False)
    picture = folder / "errors_by_step.png"
    drawn(picture, lambda: draw_errors_by_step(picture, table, units))
