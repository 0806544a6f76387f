from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from dynst.data.edges import Edges, nearest_neighbour_edges
from dynst.data.scaler import SEASONS, SeasonalScaler
from dynst.errors import ConfigError
from dynst.models.factory import ModelConfig, build_forecaster
from dynst.models.layers.dense_topology import DenseTopology
from dynst.models.layers.sparse_topology import SparseTopology
from dynst.models.layers.topology import make_topology
from dynst.models.protocol import Traits

COMPACT = Traits(compact=True)
DRAWN = 3532.0942  # sum of the absolute initial weights


def edges(num_sensors: int) -> Edges:
    return nearest_neighbour_edges(np.random.default_rng(0).random((num_sensors, 2)), lonlat=False)


def test_a_small_network_compares_all_pairs_and_a_large_one_neighbours() -> None:
    assert isinstance(make_topology(edges(50), 50, COMPACT), DenseTopology)
    large = make_topology(edges(3000), 3000, COMPACT)
    assert isinstance(large, SparseTopology)
    assert large.neighbours.shape == (3000, 16)


def test_a_small_network_gets_lists_where_the_settings_say_so() -> None:
    small = make_topology(edges(50), 50, COMPACT, neighbours=5)
    assert isinstance(small, SparseTopology)
    assert small.proximity.shape == (50, 5)


def test_a_large_network_without_edges_is_refused() -> None:
    with pytest.raises(ConfigError, match="no edges that say which they are"):
        make_topology(Edges.none(), 3000, COMPACT)
    assert isinstance(make_topology(Edges.none(), 50, COMPACT), DenseTopology)


def test_weights_of_the_default_backbone_do_not_move_with_the_choice_of_backbones() -> None:
    """Published figures rest on these draws."""
    scaler = SeasonalScaler(SEASONS["none"], 5, 1)
    plain, whole = (
        build_forecaster(
            ModelConfig(window=3, horizon=2, location_blocks=blocks, kriging=blocks > 0),
            scaler,
            edges(5),
            targets=[0],
            seed=7,
        )
        for blocks in (0, 2)
    )
    assert sum(parameter.abs().sum() for parameter in plain.parameters()).item() == pytest.approx(
        DRAWN, rel=1e-6
    )
    drawn = whole.state_dict()
    assert all(torch.equal(drawn[name], value) for name, value in plain.state_dict().items())


@pytest.mark.parametrize(
    ("given", "expected"), [(None, (0, 0, 2, 2)), (0, (0,) * 4), (3, (3,) * 4)]
)
def test_a_small_network_has_no_blocks_over_all_locations(
    given: int | None, expected: tuple[int, ...]
) -> None:
    """Saved models rely on the numbers."""
    model = ModelConfig(location_blocks=given)
    assert tuple(map(model.blocks_for, (1, 39, 40, 10**6))) == expected
    sizes = [len(made.readout.refine.blocks) if made.readout.refine else 0 for made in _two(model)]
    assert sizes == [model.blocks_for(39), model.blocks_for(40)]


@pytest.mark.parametrize(
    ("given", "expected"), [(None, (True, False)), (False, (False,) * 2), (True, (True,) * 2)]
)
def test_a_small_network_has_kriging(given: bool | None, expected: tuple[bool, bool]) -> None:
    """Saved models rely on it."""
    model = ModelConfig(kriging=given)
    assert tuple(made.readout.kriging is not None for made in _two(model)) == expected


def test_lists_of_neighbours_have_no_kriging() -> None:
    scaler = SeasonalScaler(SEASONS["none"], 5, 1)
    settings = {"neighbours": 2, "window": 3, "horizon": 2}
    made: Any = build_forecaster(ModelConfig(**settings), scaler, edges(5), targets=[0], seed=0)
    assert made.readout.kriging is None
    with pytest.raises(ConfigError, match=r"model\.kriging needs locations that receive from all"):
        build_forecaster(
            ModelConfig(kriging=True, **settings), scaler, edges(5), targets=[0], seed=0
        )


def _two(model: ModelConfig) -> Iterator[Any]:
    for size in (39, 40):
        scaler = SeasonalScaler(SEASONS["none"], size, 1)
        yield build_forecaster(model, scaler, edges(size), targets=[0], seed=0)
