"""Errors of a forecaster over a set of windows, every location counted."""

import torch
from torch import Tensor

from dynst.data.scaler import is_zero
from dynst.data.windows import ForecastInputs, Windows
from dynst.devices import device_of, to_cpu, to_device
from dynst.distributed.world import World
from dynst.evaluation.error_table import ErrorTable
from dynst.models.forecaster import SparseForecaster

__all__ = ["evaluate", "forecast_windows", "windows_at_once"]

LOCATIONS_AT_ONCE = 256 * 4096  # windows times sensors


def windows_at_once(num_sensors: int) -> int:
    """So many that memory does not grow with the network."""
    return max(1, min(256, LOCATIONS_AT_ONCE // num_sensors))


def forecast_windows(
    model: SparseForecaster, windows: Windows, index: Tensor, sensors: Tensor
) -> Tensor:
    """Forecasts in raw units ``[B, H, S, targets]`` for the windows ``index``, reading ``sensors``
    alone.
    """
    windows = windows.on(device_of(model))
    batch = windows.batch(index, sensors)
    scaled = model(batch.inputs())
    raw: Tensor = model.scaler.restore(
        scaled, windows.target_times(index), to_device(windows.targets, windows.device)
    )
    return raw


@torch.no_grad()
def evaluate(
    model: SparseForecaster,
    windows: Windows,
    active: Tensor,
    world: World | None = None,
    batch_size: int | None = None,
    failing: Tensor | None = None,
) -> ErrorTable:
    """Errors over ALL locations when only ``active`` (bool ``[S]``) sensors are read.

    Ranks share the windows, or the locations where each has a part of the network.

    The readings of ``failing`` ones (bool ``[S]``) are all missing, as if they had broken down
    after the training.

    It is computed in float32 where the model is, and comes back to main memory once, at the end. By
    default memory does not grow with the network: a batch has 256 windows up to 4,096 sensors, 10
    at 100,000.
    """
    world, windows = world or World(), windows.on(device_of(model))
    batch_size = batch_size or windows_at_once(len(active))
    was_training = model.training
    model.eval()
    sensors, targets = model.readable(active), to_device(windows.targets, windows.device)
    locations, everything = model.locations, torch.arange(len(windows))
    scale = model.scaler.scale[:, targets]
    table = ErrorTable.zeros(
        windows.horizon, len(scale), len(targets), model.scaler.to_first(targets)
    )
    lost = None if failing is None else to_device(failing[sensors], windows.device)
    mine = world.shard(everything) if locations is None else everything
    for index in mine.split(batch_size):
        if not len(index):  # more ranks than windows
            continue
        batch = windows.batch(index, sensors, locations)
        scaled = model(batch.inputs() if lost is None else _without(batch.inputs(), lost))
        truth = model.scaler.restore(batch.target, windows.target_times(index), targets)
        zero = is_zero(truth, batch.target * scale)
        table.add((scaled - batch.target) * scale, truth, batch.target_observed, zero)
    if locations is not None:
        table = table.spread(locations, len(active))
    for part in table.sums:
        world.all_reduce(part)
    model.train(was_training)
    return table.to_cpu().by_quantity(to_cpu(model.scaler.quantity[targets]))


def _without(inputs: ForecastInputs, lost: Tensor) -> ForecastInputs:
    here = ~lost[:, None]  # [K, 1]
    return inputs._replace(readings=inputs.readings * here, observed=inputs.observed & here)
