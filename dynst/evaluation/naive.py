"""Forecasts that need no training: what every model must beat."""

from collections.abc import Callable

import torch
from torch import Tensor

from dynst.data.gather import window_rows
from dynst.data.scaler import SeasonalScaler, is_zero
from dynst.data.windows import Windows
from dynst.evaluation.error_table import ErrorTable

__all__ = ["persistence_errors", "seasonal_naive_errors"]

BLOCK_VALUES = 2**22
NOWHERE = -1
SourceRows = Callable[
    [Tensor, Tensor], Tensor
]  # target rows [B, H], first target row [B] -> rows to copy [B, H]


def persistence_errors(windows: Windows, scaler: SeasonalScaler) -> ErrorTable:
    """Each sensor repeats its last reading, so it reads ALL sensors."""
    return _errors(
        windows, scaler, lambda rows, first: (first - 1).clamp(min=0)[:, None].expand_as(rows)
    )


def seasonal_naive_errors(windows: Windows, scaler: SeasonalScaler) -> ErrorTable | None:
    """Each sensor repeats what it read one season (a week or a day) before.

    None where there is no season, or it does not cover the horizon. A forecast whose season before
    lies in a gap is not counted.
    """
    time, period = windows.series.time, scaler.season.period
    step = int(torch.diff(time).mode().values)
    if scaler.season.slots == 1 or windows.horizon * step > period:
        return None
    before = torch.searchsorted(time, time - period).clamp(max=len(time) - 1)
    before = torch.where(time[before] == time - period, before, NOWHERE)
    errors = _errors(windows, scaler, lambda rows, first: before[rows])
    return errors if errors.count.any() else None


def _errors(windows: Windows, scaler: SeasonalScaler, source_rows: SourceRows) -> ErrorTable:
    series, targets = windows.series, windows.targets
    table = ErrorTable.zeros(
        windows.horizon, series.num_sensors, len(targets), scaler.to_first(targets)
    )
    size = max(1, BLOCK_VALUES // (windows.horizon * table.count.shape[1]))
    for index in torch.arange(len(windows)).split(size):
        first = windows.starts[index] + windows.window
        rows = window_rows(first, windows.horizon)  # [B, H]
        source = source_rows(rows, first)
        departure, seen = series.at(rows, targets)
        said, read = series.at(source, targets)
        truth = scaler.restore(departure, series.time[rows], targets)
        copied = scaler.restore(said, series.time[source], targets)
        zero = is_zero(truth, departure * scaler.scale[:, targets])
        known = (source != NOWHERE)[..., None, None]
        table.add(copied - truth, truth, seen & read & known, zero)
    return table.by_quantity(scaler.quantity[targets])
