"""Kriging is what its formula says, for any set of sensors, and a gate's gradient is a switch."""

import pytest
import torch
from torch import Tensor

from dynst.models.layers.location_kriging import LocationKriging
from dynst.models.protocol import Shape

S, E = 9, 4
EVERYONE = torch.arange(S)
SHAPE = Shape(window=3, horizon=2, num_sensors=S, num_channels=1, num_targets=1, hidden=8)


@pytest.fixture
def kriging() -> LocationKriging:
    generator = torch.Generator().manual_seed(0)
    return LocationKriging(SHAPE, torch.randn(S, E, generator=generator)).double()


def some(seed: int) -> Tensor:
    active = torch.rand(S, generator=torch.Generator().manual_seed(seed)) > 0.4
    assert 1 < active.sum() < S
    return active


def reference(kriging: LocationKriging, location: int, active: Tensor) -> Tensor:
    """``[S]`` by the covariance matrix itself: (C + λI)⁻¹ c over the other active sensors."""
    covariance = kriging.factors @ kriging.factors.mT
    others = [sensor for sensor in active.nonzero().squeeze(1).tolist() if sensor != location]
    noise = kriging.log_noise.exp() * torch.eye(len(others), dtype=covariance.dtype)
    weight = torch.zeros(S, dtype=covariance.dtype)
    weight[others] = torch.linalg.solve(
        covariance[others][:, others] + noise, covariance[others, location]
    )
    return weight


@pytest.mark.parametrize("seed", range(4))
def test_weights_are_those_of_simple_kriging(kriging: LocationKriging, seed: int) -> None:
    active = some(seed)
    expected = torch.stack([reference(kriging, location, active) for location in range(S)])
    sensors = active.nonzero().squeeze(1)
    torch.testing.assert_close(kriging.weights(sensors, None), expected[:, sensors])
    torch.testing.assert_close(kriging.weights(EVERYONE, active.double()), expected)
    rows = torch.tensor([1, 4, 7])
    torch.testing.assert_close(kriging.weights(sensors, None, rows), expected[1::3][:, sensors])


@pytest.mark.parametrize("seed", range(4))
def test_the_gradient_of_a_gate_is_what_a_switch_does(kriging: LocationKriging, seed: int) -> None:
    """At locations that are off; one that is on is estimated without itself, so that its own gate
    changes nothing.
    """
    active, values = some(seed), torch.randn(S, generator=torch.Generator().manual_seed(9)).double()
    gates = active.double()

    def estimate(location: int, gates: Tensor) -> Tensor:
        return (kriging.weights(EVERYONE, gates) @ values)[location]

    for location in range(S):
        leaf = gates.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(estimate(location, leaf), leaf)
        if active[location]:
            assert gradient[location].abs() < 1e-12
            continue
        for sensor in range(S):
            other = gates.clone()
            other[sensor] = 1 - other[sensor]
            change = estimate(location, other) - estimate(location, gates)
            expected = change if gates[sensor] == 0 else -change
            torch.testing.assert_close(gradient[sensor], expected.detach(), rtol=1e-6, atol=1e-9)


def test_what_is_computed_once_is_the_same(kriging: LocationKriging) -> None:
    sensors = some(0).nonzero().squeeze(1)
    guessed = torch.zeros(3, S, 2, dtype=torch.float64)
    values = torch.randn(3, len(sensors), 2, dtype=torch.float64)
    once = kriging.reading(sensors)
    torch.testing.assert_close(
        once(guessed, values, sensors, None), kriging(guessed, values, sensors, None)
    )
    assert kriging.fixed is None
    assert kriging.state_dict().keys() == once.state_dict().keys()
