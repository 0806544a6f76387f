"""Untrained forecasters of any size, and one forecast of them as a call."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from dynst.data.edges import nearest_neighbour_edges
from dynst.data.scaler import SEASONS, SeasonalScaler
from dynst.data.windows import ForecastInputs
from dynst.devices import device_of, synchronize
from dynst.models.factory import ModelConfig, build_forecaster
from dynst.models.forecaster import SparseForecaster

__all__ = ["CALENDAR", "forecast_call", "forecaster"]

CALENDAR = 6  # features of a window's time


def forecaster(backbone: str, size: int) -> SparseForecaster:
    """Twelve steps from twelve, over sensors at random positions.

    Up to 512 sensors are connected in all pairs, more of them by neighbour lists.
    """
    positions = np.random.default_rng(0).random((size, 2))
    edges = nearest_neighbour_edges(positions, lonlat=False)
    config = ModelConfig.model_validate({"backbone": backbone})
    scaler, at = SeasonalScaler(SEASONS["none"], size, 1), torch.from_numpy(positions)
    return build_forecaster(config, scaler, edges, targets=[0], seed=0, positions=at).eval()


def forecast_call(
    model: SparseForecaster, batch: int, sparsity: float, compiled: bool = False
) -> Callable[[], None]:
    """A forecast of all locations with a random share of the sensors off."""
    device, size = device_of(model), model.shape.num_sensors
    order = torch.randperm(size, generator=torch.Generator().manual_seed(0))
    kept = order[: size - round(sparsity * size)].sort().values.to(device)
    readings = torch.randn(batch, model.shape.window, len(kept), 1, device=device)
    observed = torch.ones_like(readings, dtype=torch.bool)
    calendar = torch.randn(batch, CALENDAR, device=device)
    inputs = ForecastInputs(readings, observed, calendar, kept)
    forward: Callable[..., Tensor] = torch.compile(model, dynamic=False) if compiled else model

    @torch.no_grad()
    def call() -> None:
        forward(inputs)
        synchronize(device)

    return call
