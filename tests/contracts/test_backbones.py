"""What every compact backbone must hold, whatever it is made of. The whole design rests on these equalities."""

import pytest
import torch
from torch import Tensor

from dynst.backbones.all_pairs import AllPairs
from dynst.backbones.graph import MorphGraphNet
from dynst.backbones.linear import LinearModel
from dynst.backbones.mesh_graph_net import MeshGraphNet
from dynst.backbones.neighbours import NeighbourLists
from dynst.backbones.protocol import Geometry, Shape
from dynst.backbones.readout import Readout
from dynst.backbones.staeformer import Staeformer
from dynst.backbones.stid import Stid
from dynst.backbones.transformer import PatchTransformer, place_features
from dynst.data.scaler import SEASONS, SeasonalScaler
from dynst.forecaster import SparseForecaster

B, T, H, S, C, F = 3, 6, 4, 11, 2, 6
SHAPE = Shape(window=T, horizon=H, num_sensors=S, num_channels=C, num_targets=1, hidden=16)
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def all_pairs() -> Geometry:
    proximity = torch.rand(S, S, generator=torch.Generator().manual_seed(1))
    proximity[proximity < 0.5] = 0
    return AllPairs(proximity)


def neighbour_lists() -> Geometry:
    """Four neighbours each; location 2 has one only, location 7 none."""
    generator = torch.Generator().manual_seed(1)
    order = torch.rand(S, S, generator=generator).fill_diagonal_(2).argsort(1)[:, :4]
    order[2, 1:], order[7] = -1, -1
    return NeighbourLists(order, torch.rand(S, 4, generator=generator) * (order >= 0))


GEOMETRIES = {"all_pairs": all_pairs, "neighbour_lists": neighbour_lists}
POSITIONS = torch.rand(S, 2, generator=torch.Generator().manual_seed(4))
PLACES = place_features(POSITIONS, S)
IDENTITY = torch.randn(S, 4, generator=torch.Generator().manual_seed(5)) / 2
BACKBONES = {
    "morph_graph": lambda geometry: MorphGraphNet(SHAPE, geometry, F, IDENTITY, blocks=2),
    "patch_transformer": lambda geometry: PatchTransformer(SHAPE, geometry, F, PLACES, IDENTITY, blocks=2),
    "staeformer": lambda geometry: Staeformer(SHAPE, geometry, F, IDENTITY),
    "stid": lambda geometry: Stid(SHAPE, F, IDENTITY),
    "mesh_graph_net": lambda geometry: MeshGraphNet(SHAPE, geometry, F, IDENTITY, POSITIONS),
    "linear": lambda geometry: LinearModel(),
}
FORMS = {
    "morph_graph": sorted(GEOMETRIES),
    "patch_transformer": ["all_pairs"],
    "staeformer": ["all_pairs"],
    "stid": sorted(GEOMETRIES),
    "mesh_graph_net": sorted(GEOMETRIES),
    "linear": sorted(GEOMETRIES),
}
VARIANTS = [(backbone, form) for backbone, forms in FORMS.items() for form in forms]


@pytest.fixture(params=VARIANTS, ids="-".join)
def model(request: pytest.FixtureRequest) -> SparseForecaster:
    backbone, form = request.param
    torch.manual_seed(0)
    scaler, geometry = SeasonalScaler(SEASONS["none"], S, C), GEOMETRIES[form]()
    network = BACKBONES[backbone](geometry)
    readout = getattr(type(network), "readout", Readout)
    return SparseForecaster(SHAPE, network, readout(SHAPE, geometry, [1], IDENTITY), scaler)


def inputs(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    readings = torch.randn(B, T, S, C, generator=generator)
    observed = torch.rand(B, T, S, C, generator=generator) > 0.2
    return readings * observed, observed, torch.randn(B, F, generator=generator)


def random_active(seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    count = int(torch.randint(1, S, (1,), generator=generator))
    active = torch.zeros(S, dtype=torch.bool)
    active[torch.randperm(S, generator=generator)[:count]] = True
    return active


def compact(model: SparseForecaster, active: Tensor, data: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    readings, observed, calendar = data
    sensors = active.nonzero().squeeze(1)
    return model(readings[:, :, sensors], observed[:, :, sensors], calendar, sensors)


@pytest.mark.parametrize("seed", range(8))
def test_gated_on_a_superset_equals_compact_on_the_active_set(model: SparseForecaster, seed: int) -> None:
    active, data = random_active(seed), inputs(seed)
    everyone = torch.arange(S)
    gated = model(*data, everyone, active.float())
    torch.testing.assert_close(gated, compact(model, active, data), **CLOSE)


@pytest.mark.parametrize("seed", range(4))
def test_parameter_gradients_are_equal_too(model: SparseForecaster, seed: int) -> None:
    """A probe step is a training step: it moves the weights exactly as a compact one would."""
    active, data = random_active(seed), inputs(seed)
    grads = []
    for run in (lambda: compact(model, active, data), lambda: model(*data, torch.arange(S), active.float())):
        model.zero_grad()
        run().square().mean().backward()
        grads.append([parameter.grad.clone() for parameter in model.parameters()])
    for one, other in zip(*grads, strict=True):
        torch.testing.assert_close(one, other, **CLOSE)


@pytest.mark.parametrize("seed", range(4))
def test_an_inactive_sensors_readings_cannot_change_any_forecast(model: SparseForecaster, seed: int) -> None:
    active, (readings, observed, calendar) = random_active(seed), inputs(seed)
    other = torch.where(active[:, None], readings, 1e3)
    gates, everyone = active.float(), torch.arange(S)
    before, after = (model(values, observed, calendar, everyone, gates) for values in (readings, other))
    assert torch.equal(before, after)


def test_an_active_sensors_readings_do_change_forecasts_elsewhere(model: SparseForecaster) -> None:
    active, (readings, observed, calendar) = torch.ones(S, dtype=torch.bool), inputs()
    other = readings.clone()
    other[:, :, 3] += 1.0
    change = compact(model, active, (other, observed, calendar)) - compact(model, active, (readings, observed, calendar))
    assert (change.abs().amax((0, 1, 3)) > 0).sum() > 1


def test_forecasts_every_location_from_one_sensor(model: SparseForecaster) -> None:
    active = torch.zeros(S, dtype=torch.bool)
    active[4] = True
    forecast = compact(model, active, inputs())
    assert forecast.shape == (B, H, S, 1)
    assert forecast.isfinite().all()


def test_a_batch_of_one_equals_a_row_of_a_batch(model: SparseForecaster) -> None:
    active, data = random_active(3), inputs()
    whole = compact(model, active, data)
    alone = compact(model, active, tuple(part[1:2] for part in data))
    torch.testing.assert_close(alone, whole[1:2], **CLOSE)


def test_the_order_in_which_sensors_are_given_does_not_matter(model: SparseForecaster) -> None:
    readings, observed, calendar = inputs()
    order = torch.randperm(S, generator=torch.Generator().manual_seed(2))
    shuffled = model(readings[:, :, order], observed[:, :, order], calendar, order)
    torch.testing.assert_close(shuffled, model(readings, observed, calendar, torch.arange(S)), **CLOSE)


def test_gradients_reach_every_parameter_and_every_gate(model: SparseForecaster) -> None:
    gates = torch.ones(S, requires_grad=True)
    model(*inputs(), torch.arange(S), gates).square().mean().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in model.parameters())
    assert gates.grad is not None
    assert (gates.grad.abs() > 0).all()


def test_an_inactive_sensors_gate_still_has_a_gradient(model: SparseForecaster) -> None:
    gates = torch.zeros(S)
    gates[:4] = 1
    gates.requires_grad_()
    model(*inputs(), torch.arange(S), gates).square().mean().backward()
    assert gates.grad is not None
    assert (gates.grad[4:].abs() > 0).all()
