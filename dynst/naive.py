"""Forecasts that need no training: what every model must beat."""

from collections.abc import Callable

import torch
from torch import Tensor

from dynst.data.scaler import SeasonalScaler
from dynst.data.windows import Windows
from dynst.metrics import ErrorTable

__all__ = ["persistence_errors", "seasonal_naive_errors"]

SourceRows = Callable[[Tensor, Tensor], Tensor]  # target rows [B, H], first target row [B] -> rows to copy [B, H]


def persistence_errors(windows: Windows, scaler: SeasonalScaler) -> ErrorTable:
    """Each sensor repeats its last reading, so it reads ALL sensors."""
    return _errors(windows, scaler, lambda rows, first: (first - 1).clamp(min=0)[:, None].expand_as(rows))


def seasonal_naive_errors(windows: Windows, scaler: SeasonalScaler, step_seconds: int) -> ErrorTable | None:
    """Each sensor repeats what it read one season (a week or a day) before; None where there is no season.

    Rows are counted, so a series with gaps is compared with the row that stands one unbroken season earlier.
    """
    if scaler.season.slots == 1:
        return None
    lag = scaler.season.period // step_seconds
    if windows.horizon > lag or int(windows.starts[0]) + windows.window < lag:
        return None
    return _errors(windows, scaler, lambda rows, first: rows - lag)


def _errors(windows: Windows, scaler: SeasonalScaler, source_rows: SourceRows) -> ErrorTable:
    series, targets = windows.series, windows.targets
    table = ErrorTable.zeros(windows.horizon, series.values.shape[1], len(targets))
    for index in torch.arange(len(windows)).split(512):
        first = windows.starts[index] + windows.window
        rows = first[:, None] + torch.arange(windows.horizon)  # [B, H]
        source = source_rows(rows, first)
        truth = _raw(windows, scaler, rows)
        seen = (series.observed[rows] & series.observed[source])[..., targets]
        table.add(_raw(windows, scaler, source) - truth, truth, seen)
    return table


def _raw(windows: Windows, scaler: SeasonalScaler, rows: Tensor) -> Tensor:
    return scaler.restore(windows.series.values[rows][..., windows.targets], windows.series.time[rows], windows.targets)
