"""The linear path of the readout: what a forecaster says before it has learned anything."""

import pytest
import torch
from torch import Tensor

from dynst.data.scaler import SEASONS, SeasonalScaler
from dynst.data.windows import ForecastInputs
from dynst.models.forecaster import CompactForecaster, SparseForecaster
from dynst.models.graph.stream_morph import MorphGraphNet
from dynst.models.layers.dense_topology import DenseTopology
from dynst.models.layers.readout import Readout
from dynst.models.protocol import Shape

B, T, H, S, C = 2, 5, 3, 6, 2


def straight(targets: list[int]) -> SparseForecaster:
    """Untrained, and with the path of the states cut."""
    torch.manual_seed(0)
    shape = Shape(
        window=T, horizon=H, num_sensors=S, num_channels=C, num_targets=len(targets), hidden=8
    )
    topology = DenseTopology(torch.rand(S, S))
    node_embedding = torch.randn(S, 4) / 2
    readout = Readout(shape, topology, targets, node_embedding)
    torch.nn.init.zeros_(readout.forecast.weight)
    torch.nn.init.zeros_(readout.forecast.bias)
    backbone = MorphGraphNet(shape, topology, 6, node_embedding, blocks=1)
    return CompactForecaster(shape, backbone, readout, SeasonalScaler(SEASONS["none"], S, C))


def readings() -> Tensor:
    return torch.randn(B, T, S, C, generator=torch.Generator().manual_seed(1))


def forecast(model: SparseForecaster, values: Tensor, active: Tensor, gated: bool) -> Tensor:
    seen, calendar = torch.ones_like(values, dtype=torch.bool), torch.zeros(B, 6)
    if gated:
        return model(ForecastInputs(values, seen, calendar, torch.arange(S), active.float()))
    sensors = active.nonzero().squeeze(1)
    return model(ForecastInputs(values[:, :, sensors], seen[:, :, sensors], calendar, sensors))


@pytest.mark.parametrize("targets", [[0], [1], [1, 0]], ids=str)
@pytest.mark.parametrize("gated", [False, True])
def test_an_active_sensor_repeats_its_last_reading_of_each_target(
    targets: list[int], gated: bool
) -> None:
    active, values = torch.tensor([True, False, True, True, False, False]), readings()
    found = forecast(straight(targets), values, active, gated)
    expected = values[:, -1, :, targets][:, None].expand(B, H, S, len(targets))
    torch.testing.assert_close(found[:, :, active], expected[:, :, active])


def test_a_location_that_is_off_is_told_a_mean_of_the_others() -> None:
    active, values = torch.tensor([True, False, True, True, False, False]), readings()
    last = values[:, -1, active, 0]
    found = forecast(straight([0]), values, active, gated=False)[:, 0, ~active, 0]
    assert (found > last.amin(1, keepdim=True)).all()
    assert (found < last.amax(1, keepdim=True)).all()
    sensor_to_location = torch.full_like(values, 2.5)
    torch.testing.assert_close(
        forecast(straight([0]), sensor_to_location, active, False), torch.full((B, H, S, 1), 2.5)
    )


def test_the_nearest_sensor_says_most() -> None:
    model, active = straight([0]), torch.tensor([True, True, False, False, False, False])
    proximity = torch.zeros(S, S)
    proximity[2, 1] = 1
    model.readout.topology = DenseTopology(proximity)
    torch.nn.init.zeros_(model.readout.location_embedding)  # all alike, but for who is near
    values = torch.zeros(B, T, S, C)
    values[:, :, 1] = 1
    found = forecast(model, values, active, gated=False)
    assert (found[:, :, 2] > found[:, :, 3] + 0.1).all()
