"""What every backbone of the catalogue must hold, whatever it is made of.

The whole design rests on these equalities.
"""

from inspect import signature

import numpy as np
import pytest
import torch
from torch import Tensor

from dynst.data.edges import Edges
from dynst.data.manifest import Channel, Grid, Patching
from dynst.data.scaler import SEASONS, SeasonalScaler
from dynst.data.windows import ForecastInputs
from dynst.errors import ConfigError
from dynst.models.factory import ModelConfig, build_forecaster
from dynst.models.forecaster import InputGatedForecaster, SparseForecaster
from dynst.models.inference import ServedForecaster
from dynst.models.registry import BACKBONES, backbone_class, traits_of

B, T, H, S, C, F = 3, 6, 4, 12, 2, 6
FEW_STEPS = 3
LAYOUT = Patching(
    grid=Grid(height=3, width=4),
    rows=1,
    columns=1,
    channels=(Channel(name="a"), Channel(name="b")),
    places=tuple(range(S)),
)
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def edges() -> Edges:
    """Random neighbours; location 2 has one only, location 7 none."""
    rng = np.random.default_rng(1)
    source, target = np.nonzero(rng.random((S, S)) < 0.3)
    kept = (source != target) & ~np.isin(target, (2, 7)) & ~np.isin(source, (2, 7))
    source, target = np.append(source[kept], 4), np.append(target[kept], 2)
    return Edges(source, target, rng.uniform(0.1, 1, len(source)).astype(np.float32))


def forms(name: str) -> list[str]:
    traits = traits_of(backbone_class(name))
    if not traits.compact:
        return ["everywhere"]
    return ["all_pairs"] * bool(traits.max_all_pairs) + ["neighbour_lists"] * traits.takes_lists


VARIANTS = [(name, form) for name in BACKBONES for form in forms(name)]
BOTH_FORMS = {"morph_graph"}  # compiled in each of its forms every time, the other networks in one
COMPILED = [
    pytest.param(
        (name, form),
        marks=pytest.mark.nightly if form != forms(name)[0] and name not in BOTH_FORMS else (),
    )
    for name, form in VARIANTS
]


def made(name: str, form: str, seed: int = 0, **more: object) -> SparseForecaster:
    settings = {
        "window": T,
        "horizon": H,
        "hidden": 16,
        "embedding": 4,
        "neighbours": 4 if form == "neighbour_lists" else None,
        "location_blocks": 2,  # such a small network would have none
    }
    model = ModelConfig.model_validate({"backbone": name} | settings | more)
    scaler = SeasonalScaler(SEASONS["none"], S, C)
    positions = torch.rand(S, 2, generator=torch.Generator().manual_seed(4))
    return build_forecaster(
        model, scaler, edges(), targets=[1], seed=seed, positions=positions, layout=LAYOUT
    )


@pytest.fixture(params=VARIANTS, ids="-".join)
def variant(request: pytest.FixtureRequest) -> tuple[str, str]:
    return request.param


@pytest.fixture
def model(variant: tuple[str, str]) -> SparseForecaster:
    return made(*variant)


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
    return model(
        ForecastInputs(readings[:, :, sensors], observed[:, :, sensors], calendar, sensors)
    )


@pytest.mark.parametrize("seed", range(8))
def test_gated_on_a_superset_equals_compact_on_the_active_set(
    model: SparseForecaster, seed: int
) -> None:
    active, data = random_active(seed), inputs(seed)
    everyone = torch.arange(S)
    gated = model(ForecastInputs(*data, everyone, active.float()))
    torch.testing.assert_close(gated, compact(model, active, data), **CLOSE)


@pytest.mark.parametrize("seed", range(4))
def test_parameter_gradients_are_equal_too(model: SparseForecaster, seed: int) -> None:
    """A probe step is a training step: it moves the weights exactly as a compact one would."""
    active, data = random_active(seed), inputs(seed)
    grads = []
    for run in (
        lambda: compact(model, active, data),
        lambda: model(ForecastInputs(*data, torch.arange(S), active.float())),
    ):
        model.zero_grad()
        run().square().mean().backward()
        grads.append([parameter.grad.clone() for parameter in model.parameters()])
    for one, other in zip(*grads, strict=True):
        torch.testing.assert_close(one, other, **CLOSE)


@pytest.mark.parametrize("seed", range(4))
def test_an_inactive_sensors_readings_cannot_change_any_forecast(
    model: SparseForecaster, seed: int
) -> None:
    active, (readings, observed, calendar) = random_active(seed), inputs(seed)
    other = torch.where(active[:, None], readings, 1e3)
    gates, everyone = active.float(), torch.arange(S)
    before, after = (
        model(ForecastInputs(values, observed, calendar, everyone, gates))
        for values in (readings, other)
    )
    assert torch.equal(before, after)


def test_an_active_sensors_readings_do_change_forecasts_elsewhere(model: SparseForecaster) -> None:
    active, (readings, observed, calendar) = torch.ones(S, dtype=torch.bool), inputs()
    active[5] = False
    other = readings.clone()
    other[:, :, 4] += 1.0
    change = compact(model, active, (other, observed, calendar)) - compact(
        model, active, (readings, observed, calendar)
    )
    assert (change.abs().amax((0, 1, 3)) > 0).sum() > 1


def test_forecasts_every_location_from_one_sensor(model: SparseForecaster) -> None:
    active = torch.zeros(S, dtype=torch.bool)
    active[4] = True
    forecast = compact(model, active, inputs())
    assert forecast.shape == (B, H, S, 1)
    assert forecast.isfinite().all()


@pytest.mark.parametrize("gated", [False, True])
def test_locations_asked_for_alone_get_the_forecasts_that_they_get_among_all(
    model: SparseForecaster, gated: bool
) -> None:
    """Bit for bit where all are asked for; a part of a large network is trained on so."""
    active, (readings, observed, calendar) = random_active(1), inputs()
    sensors, gates = (
        (torch.arange(S), active.float()) if gated else (active.nonzero().squeeze(1), None)
    )
    data = ForecastInputs(
        readings[:, :, sensors], observed[:, :, sensors], calendar, sensors, gates
    )
    if isinstance(model, InputGatedForecaster):
        with pytest.raises(
            ConfigError, match="forecasts all of them at once, but was asked for a part"
        ):
            model(data._replace(locations=torch.arange(S)))
        return
    whole, asked = model(data), torch.tensor([0, 3, 4, 9])
    assert torch.equal(model(data._replace(locations=torch.arange(S))), whole)
    torch.testing.assert_close(model(data._replace(locations=asked)), whole[:, :, asked], **CLOSE)


def test_a_batch_of_one_equals_a_row_of_a_batch(model: SparseForecaster) -> None:
    active, data = random_active(3), inputs()
    whole = compact(model, active, data)
    alone = compact(model, active, tuple(part[1:2] for part in data))
    torch.testing.assert_close(alone, whole[1:2], **CLOSE)


def test_the_order_in_which_sensors_are_given_does_not_matter(model: SparseForecaster) -> None:
    readings, observed, calendar = inputs()
    order = torch.randperm(S, generator=torch.Generator().manual_seed(2))
    shuffled = model(ForecastInputs(readings[:, :, order], observed[:, :, order], calendar, order))
    torch.testing.assert_close(
        shuffled, model(ForecastInputs(readings, observed, calendar, torch.arange(S))), **CLOSE
    )


def test_gradients_reach_every_parameter_and_every_gate(model: SparseForecaster) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            if not parameter.any():  # a block that begins as none at all
                parameter.normal_(std=0.1)
    gates = random_active(0).float().requires_grad_()
    model(ForecastInputs(*inputs(), torch.arange(S), gates)).square().mean().backward()
    assert all(
        parameter.grad is not None and parameter.grad.abs().sum() > 0
        for parameter in model.parameters()
    )
    assert gates.grad is not None
    assert (gates.grad.abs() > 0).all()


def test_an_inactive_sensors_gate_still_has_a_gradient(model: SparseForecaster) -> None:
    gates = torch.zeros(S)
    gates[:4] = 1
    gates.requires_grad_()
    model(ForecastInputs(*inputs(), torch.arange(S), gates)).square().mean().backward()
    assert gates.grad is not None
    assert (gates.grad[4:].abs() > 0).all()


def test_a_state_makes_another_model_the_same(
    variant: tuple[str, str], model: SparseForecaster
) -> None:
    other, active, data = made(*variant, seed=1), torch.ones(S, dtype=torch.bool), inputs()
    assert not torch.equal(compact(other, active, data), compact(model, active, data))
    other.load_state_dict(model.state_dict())
    assert torch.equal(compact(other, active, data), compact(model, active, data))


def test_the_present_is_one_step_more_and_changes_nothing_else(variant: tuple[str, str]) -> None:
    model = made(*variant, present=True)
    active, data = random_active(5), inputs()
    forecast = compact(model, active, data)
    every, now = compact(model.every_step, active, data), compact(model.at_present(), active, data)
    assert forecast.shape == (B, H, S, 1)
    assert now.shape == (B, 1, S, 1)
    assert torch.equal(torch.cat([now, forecast], dim=1), every)
    spoilt = data[0].clone()
    spoilt[:, :, ~active] = 1e6
    assert torch.equal(compact(model.at_present(), active, (spoilt, *data[1:])), now)
    with pytest.raises(ConfigError, match="the model has no present step"):
        made(*variant).at_present()


def test_a_network_that_reads_its_own_forecasts_has_no_present() -> None:
    with pytest.raises(ConfigError, match="leave one of them out"):
        made("morph_graph", "all_pairs", present=True, steps_at_once=2)


def test_several_steps_at_a_time_read_their_own_forecasts(variant: tuple[str, str]) -> None:
    """The first steps are those of the network itself, and later ones depend on them through the
    active sensors alone.
    """
    settings = {"window": T, "horizon": H, "hidden": 16, "embedding": 4, "steps_at_once": 2}
    model = ModelConfig.model_validate({"backbone": variant[0]} | settings)
    rolled = build_forecaster(
        model, SeasonalScaler(SEASONS["none"], S, C), edges(), targets=[0, 1], seed=0, layout=LAYOUT
    )
    active, data = random_active(5), inputs()
    forecast = compact(rolled, active, data)
    assert forecast.shape == (B, H, S, C)
    inner = compact(rolled.inner, active, data)  # type: ignore[arg-type]
    torch.testing.assert_close(forecast[:, :2], inner, **CLOSE)
    told = torch.cat([data[0], inner], dim=1)[:, -T:]
    seen = torch.cat([data[1], torch.ones_like(inner, dtype=torch.bool)], dim=1)[:, -T:]
    later = compact(rolled.inner, active, (told, seen, data[2]))  # type: ignore[arg-type]
    torch.testing.assert_close(forecast[:, 2:], later, **CLOSE)
    gated = rolled(ForecastInputs(*data, torch.arange(S), active.float()))
    torch.testing.assert_close(gated, forecast, **CLOSE)
    if model.traits.compact:
        asked = torch.tensor([0, 3, 4, 9])
        torch.testing.assert_close(
            rolled(ForecastInputs(*data, torch.arange(S), active.float(), asked)),
            gated[:, :, asked],
            **CLOSE,
        )


def shallow(name: str, form: str) -> SparseForecaster:
    """One block over three steps: the compiler writes out each repetition, and takes as long again
    for it.
    """
    blocks = {"blocks": 1} if "blocks" in signature(backbone_class(name)).parameters else {}
    return made(name, form, window=FEW_STEPS, backbone={"name": name, "options": blocks})


@pytest.mark.parametrize("variant", COMPILED, ids="-".join)
@pytest.mark.filterwarnings("ignore")  # of torch's tracer about itself
def test_compiling_changes_nothing_and_happens_once_for_a_choice(variant: tuple[str, str]) -> None:
    model, active = shallow(*variant), random_active(2)
    data = [
        (readings[:, :FEW_STEPS], observed[:, :FEW_STEPS], calendar)
        for readings, observed, calendar in map(inputs, range(3))
    ]
    expected = [compact(model, active, each) for each in data]
    torch._dynamo.reset()
    compiled = torch.compile(model, backend="aot_eager")
    first = compact(compiled, active, data[0])  # type: ignore[arg-type]
    with torch._dynamo.config.patch(error_on_recompile=True):
        found = [first, *(compact(compiled, active, each) for each in data[1:])]  # type: ignore[arg-type]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, **CLOSE)


@pytest.mark.filterwarnings("ignore")  # of torch's exporter about itself
def test_exported_it_gives_the_same_numbers(model: SparseForecaster) -> None:
    served = ServedForecaster(model.eval(), random_active(2), torch.tensor([1]), 3600).eval()
    time = 3600 * torch.arange(T)
    readings = torch.randn(
        T, int(random_active(2).sum()), C, generator=torch.Generator().manual_seed(0)
    )
    readings[1, 0] = torch.nan
    exported = torch.export.export(served, (time, readings)).module()
    other = readings.flip(0)
    for given in (readings, other):
        torch.testing.assert_close(exported(time, given), served(time, given), **CLOSE)
