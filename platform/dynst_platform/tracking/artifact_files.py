"""The tables and figures of a run, written into a folder that the tracker uploads whole."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from dynst.data.store import SensorStore
from dynst.evaluation.summary import StepError
from dynst_platform.plots.errors import draw_errors_by_step
from dynst_platform.plots.masks import draw_mask

__all__ = ["write_errors", "write_sensors"]


def write_sensors(
    stem: Path, store: SensorStore, title: str, columns: Mapping[str, Sequence[object]]
) -> None:
    """One row a sensor as ``stem.csv``, and the map beside it."""
    pd.DataFrame({"sensor": store.sensors.ids, **columns}).to_csv(
        stem.with_suffix(".csv"), index=False
    )
    draw_mask(
        stem.with_suffix(".png"),
        store,
        np.array(columns["active"]),
        np.array(columns["importance"]),
        title,
    )


def write_errors(folder: Path, rows: Sequence[StepError], units: dict[str, str]) -> None:
    """``errors_by_step``: one row for each forecaster, group, channel and step."""
    table = pd.DataFrame([vars(row) for row in rows])
    table.to_csv(folder / "errors_by_step.csv", index=False)
    table.to_parquet(folder / "errors_by_step.parquet", index=False)
    draw_errors_by_step(folder / "errors_by_step.png", table, units)
