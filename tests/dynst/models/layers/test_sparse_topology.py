"""What the lists promise beyond the contract of every backbone."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from dynst.data.edges import nearest_neighbour_edges
from dynst.data.scaler import SEASONS, SeasonalScaler
from dynst.data.windows import ForecastInputs
from dynst.models.factory import ModelConfig, build_forecaster
from dynst.models.forecaster import SparseForecaster
from dynst.models.layers.dense_topology import DenseTopology
from dynst.models.layers.sparse_topology import SparseTopology

S, N = 40, 5


def lists() -> SparseTopology:
    generator = torch.Generator().manual_seed(0)
    index = torch.rand(S, S, generator=generator).fill_diagonal_(2).argsort(1)[:, :N]
    return SparseTopology(index, torch.rand(S, N, generator=generator))


def test_the_known_graph_mixes_as_all_pairs_do() -> None:
    near = lists()
    dense = DenseTopology(torch.zeros(S, S).scatter(1, near.neighbours, near.proximity))
    sensors, values = torch.arange(0, S, 2), torch.randn(2, S // 2, 3)
    for gates in (None, (torch.arange(S // 2) % 3 > 0).float()):
        for place in ("among", "everywhere"):
            one, other = (
                getattr(form, place)(sensors, gates).average()(values) for form in (near, dense)
            )
            torch.testing.assert_close(one, other)


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("locations", [None, torch.tensor([3, 8, 30])], ids=["everywhere", "some"])
@pytest.mark.parametrize("form", ["lists", "all pairs"])
def test_what_is_heard_on_average_is_the_mean_of_what_heads_hear(
    form: str, locations: torch.Tensor | None, gated: bool
) -> None:
    heads, sensors = 3, torch.arange(0, S, 2)
    topology = lists() if form == "lists" else DenseTopology(torch.rand(S, S))
    gates = (torch.arange(S // 2) % 3 > 0).float() if gated else None
    query, key = (
        torch.randn(heads, S if locations is None else len(locations), 4),
        torch.randn(heads, len(sensors), 4),
    )
    aggregation = topology.sensor_to_location(sensors, gates, locations).attend_by_head(
        query, key, torch.ones(heads, 1, 1)
    )
    said = torch.randn(2, 1, len(sensors), 5)
    each = aggregation.by_head(said.expand(-1, heads, -1, -1))
    torch.testing.assert_close(aggregation.on_average(said), each.mean(1, keepdim=True))


def test_a_location_whose_neighbours_are_off_hears_the_average_of_all() -> None:
    near = lists()
    sensors = torch.arange(1, S)[~torch.isin(torch.arange(1, S), near.neighbours[0])]
    values = torch.randn(2, len(sensors), 3)
    mixed = near.sensor_to_location(sensors, None).attend(
        torch.randn(S, 4), torch.randn(len(sensors), 4)
    )(values)
    torch.testing.assert_close(mixed[:, 0], values.mean(1))


def test_learned_scores_grow_with_nearness() -> None:
    """By hand: a neighbour of proximity ln 3 has three times the weight of one of proximity 0.

    This is location 0 without queries. The far field, the average of all three sensors, has the
    weight of the latter.
    """
    near = SparseTopology(
        torch.tensor([[1, 2], [0, 2], [0, 1]]), torch.tensor([[math.log(3), 0.0]]).expand(3, 2)
    )
    neighborhood = near.sensor_to_sensor(torch.arange(3), None)
    mixed = neighborhood.attend(torch.zeros(3, 4), torch.zeros(3, 4), torch.ones(1))(
        torch.tensor([[[0.0], [5.0], [10.0]]])
    )
    assert mixed[0, 0].item() == pytest.approx((3 * 5 + 10 + 5) / 5)


def test_what_is_known_of_the_places_is_no_part_of_a_checkpoint() -> None:
    """It comes from the store, and would grow each file with the network."""
    assert not lists().state_dict()
    assert not DenseTopology(torch.rand(S, S)).state_dict()


class Largest(TorchDispatchMode):
    """Watches how many numbers the largest tensor of any operation holds."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        for one in out if isinstance(out, (tuple, list)) else (out,):
            if isinstance(one, torch.Tensor):
                self.numbers = max(self.numbers, one.numel())
        return out


def forecaster(num_sensors: int) -> SparseForecaster:
    positions = np.random.default_rng(0).random((num_sensors, 2))
    edges = nearest_neighbour_edges(positions, lonlat=False)
    model = ModelConfig(window=3, horizon=2, hidden=8, embedding=4, neighbours=6)
    return build_forecaster(
        model, SeasonalScaler(SEASONS["none"], num_sensors, 1), edges, targets=[0], seed=0
    )


@pytest.mark.parametrize("probe", [False, True])
def test_no_tensor_of_a_training_step_grows_faster_than_the_network(probe: bool) -> None:
    largest = []
    for num_sensors in (500, 1000):
        model = forecaster(num_sensors)
        active = torch.arange(num_sensors) % 2 == 0
        sensors = torch.arange(num_sensors) if probe else active.nonzero().squeeze(1)
        gates = active.float().requires_grad_() if probe else None
        readings = torch.randn(1, 3, len(sensors), 1)
        with Largest() as watch:
            inputs = ForecastInputs(readings, readings > 0, torch.randn(1, 6), sensors, gates)
            model(inputs).square().mean().backward()
        largest.append(watch.numbers)
    assert largest[1] <= 2.1 * largest[0]
    assert largest[1] < 1000 * 1000 / 8
