"""Backbones by name, and a user's own: found, checked, and made from what they ask for."""

from pathlib import Path

import numpy as np
import pytest
import torch

from dynst.data.edges import nearest_neighbour_edges
from dynst.data.scaler import SEASONS, SeasonalScaler
from dynst.data.windows import ForecastInputs
from dynst.errors import ConfigError
from dynst.models.constructor_args import PARTS
from dynst.models.factory import ModelConfig, build_forecaster, check_forecast
from dynst.models.forecaster import CompactForecaster, InputGatedForecaster, SparseForecaster
from dynst.models.registry import BACKBONES, backbone_class, checked_options

OWN = "tests.dynst.models.own_networks"
S = 9


def built(**model: object) -> SparseForecaster:
    edges = nearest_neighbour_edges(np.random.default_rng(0).random((S, 2)), lonlat=False)
    config = ModelConfig.model_validate(
        {"window": 5, "horizon": 3, "hidden": 8, "embedding": 4} | model
    )
    return build_forecaster(
        config, SeasonalScaler(SEASONS["none"], S, 1), edges, targets=[0], seed=0
    )


@pytest.mark.parametrize("name", BACKBONES)
def test_every_name_leads_to_a_class_whose_options_have_defaults(name: str) -> None:
    kind = backbone_class(name)
    assert not set(checked_options(kind, {}, PARTS)) & set(PARTS)
    assert checked_options(kind, {}, PARTS) == checked_options(
        kind, checked_options(kind, {}, PARTS), PARTS
    )


def test_a_name_alone_stands_for_its_default_options() -> None:
    short = ModelConfig.model_validate({"backbone": "morph_graph"})
    assert short == ModelConfig() == ModelConfig.model_validate(short.model_dump())
    assert short.backbone.options == {"blocks": 2}


def test_a_network_that_knows_nothing_of_sensors_is_gated_at_its_input() -> None:
    model = built(backbone={"name": f"{OWN}:Simple", "options": {"width": 4}})
    assert isinstance(model, InputGatedForecaster)
    assert model.network.ahead[0].out_features == 4
    readings, seen, calendar = (
        torch.randn(2, 5, 4, 1),
        torch.ones(2, 5, 4, 1, dtype=torch.bool),
        torch.zeros(2, 6),
    )
    sensors = torch.tensor([0, 3, 4, 8])
    everywhere = torch.zeros(2, 5, S, 1)
    everywhere[:, :, sensors] = readings
    torch.testing.assert_close(
        model(ForecastInputs(readings, seen, calendar, sensors)), model.network(everywhere)
    )


def test_a_network_of_the_compact_protocol_gets_the_readout() -> None:
    model = built(backbone=f"{OWN}:Compact")
    assert isinstance(model, CompactForecaster)
    sensors, active = torch.arange(S), torch.zeros(S)
    active[:4] = 1
    readings, seen, calendar = (
        torch.randn(2, 5, S, 1),
        torch.ones(2, 5, S, 1, dtype=torch.bool),
        torch.zeros(2, 6),
    )
    gated = model(ForecastInputs(readings, seen, calendar, sensors, active))
    torch.testing.assert_close(
        gated, model(ForecastInputs(readings[:, :, :4], seen[:, :, :4], calendar, sensors[:4]))
    )


@pytest.mark.parametrize(
    ("backbone", "sentence"),
    [
        (
            "graph_wave",
            "must be one of morph_graph, .* or package.module:Class, but got 'graph_wave'",
        ),
        ("no_such_package:Net", "cannot be imported .*no_such_package.*PYTHONPATH"),
        (f"{OWN}:Missing", "cannot be imported .*Missing"),
        (f"{OWN}:Lost", "must be a class derived from torch.nn.Module, but is int"),
        (
            {"name": "morph_graph", "options": {"layers": 2}},
            "options.layers: there is no such option; blocks can be set",
        ),
        (
            {"name": "morph_graph", "options": {"blocks": 0}},
            "options.blocks: must be greater than or equal to 1",
        ),
        (
            {"name": "patch_transformer", "options": {"heads": 3}},
            "options.heads: must be 1, 2 or 4",
        ),
        (
            {"name": f"{OWN}:Simple", "options": {"width": "wide"}},
            "options.width: must be a valid integer",
        ),
        ({"name": f"{OWN}:Simple", "options": {1: 2}}, "options.1: Keys should be strings"),
        (":Net", "':Net' cannot be imported"),
        (".own:Net", "'.own:Net' cannot be imported"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(backbone: object, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        ModelConfig.model_validate({"backbone": backbone})


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("def (:", "cannot be imported .*invalid syntax"),
        ("1 / 0", "cannot be imported .*division by zero"),
        (
            "from torch import nn\nclass Net(nn.Module):\n    def __init__(self, rate: 'Decimal' "
            "= 1): ...",
            "annotations that can be looked up, but name 'Decimal' is not defined",
        ),
    ],
)
def test_what_is_wrong_in_somebody_elses_module_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, sentence: str
) -> None:
    name = f"wrong_{sum(map(ord, code))}"
    (tmp_path / f"{name}.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ValueError, match=sentence):
        ModelConfig.model_validate({"backbone": f"{name}:Net"})


def test_a_network_that_normalises_batches_is_tried_with_one_window() -> None:
    check_forecast(built(backbone=f"{OWN}:Normalised"), "Normalised")


def test_edges_are_copied_from_a_store_that_may_not_be_written_to() -> None:
    edges = nearest_neighbour_edges(np.random.default_rng(0).random((S, 2)), lonlat=False)
    for values in vars(edges).values():
        values.flags.writeable = False
    config = ModelConfig.model_validate({"window": 5, "horizon": 3, "backbone": f"{OWN}:OnGraph"})
    network = build_forecaster(
        config, SeasonalScaler(SEASONS["none"], S, 1), edges, targets=[0], seed=0
    ).network
    network.weight.zero_()
    assert (edges.weight > 0).all()
    assert network.index.shape == (2, len(edges))


def test_a_forecast_of_the_wrong_shape_is_refused_before_any_training() -> None:
    with pytest.raises(
        ConfigError, match=r"must forecast \[1, 3, 9, 1\] .* but gives \[1, 4, 9, 1\]"
    ):
        check_forecast(built(backbone=f"{OWN}:WrongShape"), "WrongShape")


def test_rollouts_need_a_forecast_of_everything_that_is_read() -> None:
    config = ModelConfig(window=5, horizon=3, steps_at_once=1)
    scaler, edges = (
        SeasonalScaler(SEASONS["none"], S, 2),
        nearest_neighbour_edges(np.random.default_rng(0).random((S, 2)), lonlat=False),
    )
    with pytest.raises(ConfigError, match="1 of 2 channels are targets"):
        build_forecaster(config, scaler, edges, targets=[1], seed=0)
