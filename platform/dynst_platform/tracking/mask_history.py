"""The history of the learned mask: from plain reports to numbers at each update.

Also as a table and a figure.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from dynst.data.sensor_table import Sensors
from dynst.sparsity.diagnostics import MaskHistory, churn, ever_active, overlap, share_of_time_on
from dynst_platform.reports import MaskChange

__all__ = ["history_of", "mask_series", "write_history"]

SERIES = {"mask/overlap": overlap, "mask/churn": churn, "mask/ever_active": ever_active}


def history_of(updates: Sequence[MaskChange]) -> MaskHistory:
    """From the updates in epoch reports."""
    steps, active, importance = zip(
        *((update.step, update.active, update.importance) for update in updates), strict=True
    )
    return MaskHistory(torch.tensor(steps), torch.tensor(active), torch.tensor(importance))


def mask_series(updates: Sequence[MaskChange]) -> list[dict[str, float]]:
    """How the mask moved at each update, by the names of the metrics."""
    active = history_of(updates).active
    columns = {name: measure(active).tolist() for name, measure in SERIES.items()}
    return [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]


def write_history(folder: Path, sensors: Sensors, history: MaskHistory, total_steps: int) -> None:
    """``history``: one row for each update and sensor, and the figure."""
    from dynst_platform.plots.figures import drawn  # noqa: PLC0415 (a second, when figures are drawn)
    from dynst_platform.plots.mask_history import draw_mask_history  # noqa: PLC0415

    steps, active, importance = (
        part.numpy() for part in (history.steps, history.active, history.importance)
    )
    num_updates, num_sensors = active.shape
    table = pd.DataFrame(
        {
            "update": np.repeat(np.arange(num_updates) + 1, num_sensors),
            "step": np.repeat(steps, num_sensors),
            "sensor": pd.Categorical(list(sensors.ids) * num_updates, categories=list(sensors.ids)),
            "active": active.ravel(),
            "importance": importance.ravel(),
        }
    )
    table.to_parquet(folder / "history.parquet", index=False)
    time_on = share_of_time_on(history, total_steps).numpy()
    picture = folder / "history.png"
    drawn(
        picture,
        lambda: draw_mask_history(picture, sensors.ids, steps, active, importance, time_on),
    )
