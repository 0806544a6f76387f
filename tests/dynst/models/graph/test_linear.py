"""Linear means linear, for those who are off too."""

import pytest
import torch
from torch import Tensor

from dynst.data.scaler import SEASONS, SeasonalScaler
from dynst.data.windows import ForecastInputs
from dynst.models.forecaster import CompactForecaster, SparseForecaster
from dynst.models.graph.linear import LinearModel, LinearReadout
from dynst.models.layers.dense_topology import DenseTopology
from dynst.models.protocol import Shape

B, T, H, S, C = 2, 5, 3, 6, 2
ACTIVE = torch.tensor([True, False, True, True, False, False])


def model(targets: tuple[int, ...] = (0,)) -> SparseForecaster:
    """With weights that no training would begin with, so that no term is 0 by chance."""
    torch.manual_seed(0)
    shape = Shape(
        window=T, horizon=H, num_sensors=S, num_channels=C, num_targets=len(targets), hidden=8
    )
    readout = LinearReadout(shape, DenseTopology(torch.rand(S, S)), targets, torch.randn(S, 4) / 2)
    for parameter in readout.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return CompactForecaster(shape, LinearModel(), readout, SeasonalScaler(SEASONS["none"], S, C))


def forecast(network: SparseForecaster, values: Tensor, gated: bool) -> Tensor:
    seen, calendar = torch.ones_like(values, dtype=torch.bool), torch.zeros(len(values), 6)
    if gated:
        return network(ForecastInputs(values, seen, calendar, torch.arange(S), ACTIVE.float()))
    return network(
        ForecastInputs(
            values[:, :, ACTIVE], seen[:, :, ACTIVE], calendar, ACTIVE.nonzero().squeeze(1)
        )
    )


@pytest.mark.parametrize("gated", [False, True])
def test_what_two_windows_say_together_is_the_sum_of_what_each_says(gated: bool) -> None:
    """f(a + b) − f(0) = (f(a) − f(0)) + (f(b) − f(0)), at every location."""
    network, zero = model((1, 0)), torch.zeros(B, T, S, C)
    one, other = torch.randn(2, B, T, S, C, generator=torch.Generator().manual_seed(1)) * 10
    together, first, second, nothing = (
        forecast(network, values, gated) for values in (one + other, one, other, zero)
    )
    torch.testing.assert_close(
        together - nothing, first + second - 2 * nothing, rtol=1e-4, atol=1e-4
    )
    assert ((first - nothing).abs().amax((0, 1, 3)) > 0.01).all()


def test_a_location_that_is_on_leans_on_the_others_by_the_learned_share() -> None:
    network, values = model(), torch.randn(B, T, S, C, generator=torch.Generator().manual_seed(1))
    torch.nn.init.zeros_(network.readout.constant)
    alone, between, others = (_with_weight(network, share, values) for share in (0.0, 0.25, 1.0))
    torch.testing.assert_close(between[:, :, ACTIVE], (0.75 * alone + 0.25 * others)[:, :, ACTIVE])
    assert torch.equal(alone[:, :, ~ACTIVE], others[:, :, ~ACTIVE])
    assert ((alone - others)[:, :, ACTIVE].abs().amax((0, 1, 3)) > 0.01).all()


def _with_weight(network: SparseForecaster, share: float, values: Tensor) -> Tensor:
    torch.nn.init.constant_(network.readout.neighbour_weight, share)
    return forecast(network, values, gated=False)


def test_each_location_and_step_has_a_constant_of_its_own() -> None:
    network, values = model(), torch.randn(B, T, S, C)
    before = forecast(network, values, gated=False)
    with torch.no_grad():
        network.readout.constant[4, 2] += 1.0
    change = forecast(network, values, gated=False) - before
    expected = torch.zeros(B, H, S, 1)
    expected[:, 2, 4] = 1.0
    torch.testing.assert_close(change, expected)
