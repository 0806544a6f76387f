"""The tables and pictures of a run, written into a folder that the tracker uploads whole."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from dynst.data.sensors import Sensors
from dynst.sparsity.diagnostics import MaskHistory, share_of_time_on
from dynst_platform.error_picture import draw_errors_by_step
from dynst_platform.mask_picture import draw_mask_history
from dynst_platform.pictures import draw_sensor_map

__all__ = ["plain_history", "write_errors", "write_history", "write_sensors"]


def write_sensors(stem: Path, sensors: Sensors, title: str, columns: dict[str, list[Any]]) -> None:
    """One row a sensor as ``stem.csv``, and the map beside it."""
    pd.DataFrame({"sensor": sensors.ids} | columns).to_csv(stem.with_suffix(".csv"), index=False)
    draw_sensor_map(stem.with_suffix(".png"), sensors, np.array(columns["active"]), np.array(columns["importance"]), title)


def write_errors(folder: Path, rows: Sequence[dict[str, Any]], units: dict[str, str]) -> None:
    """``errors_by_step``: one row for each forecaster, group, channel and step."""
    table = pd.DataFrame(rows)
    table.to_csv(folder / "errors_by_step.csv", index=False)
    table.to_parquet(folder / "errors_by_step.parquet", index=False)
    draw_errors_by_step(folder / "errors_by_step.png", table, units)


def write_history(folder: Path, sensors: Sensors, history: MaskHistory, total_steps: int) -> None:
    """``history``: one row for each update and sensor, and the picture."""
    steps, active, importance = (part.numpy() for part in (history.steps, history.active, history.importance))
    num_updates, num_sensors = active.shape
    table = pd.DataFrame(
        {
            "update": np.repeat(np.arange(num_updates) + 1, num_sensors),
            "step": np.repeat(steps, num_sensors),
            "sensor": pd.Categorical.from_codes(np.tile(np.arange(num_sensors), num_updates), list(sensors.ids)),
            "active": active.ravel(),
            "importance": importance.ravel(),
        }
    )
    table.to_parquet(folder / "history.parquet", index=False)
    time_on = share_of_time_on(history, total_steps).numpy()
    draw_mask_history(folder / "history.png", sensors.ids, steps, active, importance, time_on)


def plain_history(updates: Sequence[dict[str, Any]]) -> MaskHistory:
    """The mask's history from the plain updates of epoch reports."""
    return MaskHistory(*(torch.tensor([update[key] for update in updates]) for key in ("step", "active", "importance")))
