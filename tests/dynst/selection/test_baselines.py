"""Rankings on networks small enough to check by hand."""

import numpy as np
import pytest
import torch

from dynst.data.edges import Edges
from dynst.data.store import SensorStore
from dynst.errors import ConfigError
from dynst.experiment.dataset import make_dataset
from dynst.models.factory import ModelConfig
from dynst.selection.baselines import (
    MAX_PAIRED,
    RANKINGS,
    BaselineInputs,
    baseline_inputs,
    check_size,
    distances_from,
)
from dynst.sparsity.constraints.base import Unconstrained
from dynst.sparsity.constraints.sensor_layout import Network, network_of, plain_network


def known(readings: np.ndarray, points: np.ndarray | None = None) -> BaselineInputs:
    size = readings.shape[1]
    points = np.arange(float(size))[:, None] if points is None else points
    network = Network(plain_network(size).sensors, points)
    return BaselineInputs(readings, readings.std(0), distances_from(network, Edges.none()))


def noise(num_signals: int, num_steps: int = 2000) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((num_steps, num_signals))


def order(name: str, known: BaselineInputs, count: int, seed: int = 0) -> list[int]:
    return RANKINGS[name](known, count, seed).argsort(descending=True).tolist()


def test_variance_prefers_what_varies_most() -> None:
    assert order("variance", known(noise(4) * [2, 9, 1, 4]), 2) == [1, 3, 0, 2]


def test_farthest_point_on_a_line() -> None:
    """By hand, from each first sensor: at 0, 4, 5 and 10."""
    line = known(noise(4), np.array([[0.0], [4], [5], [10]]))
    expected = {0: [0, 3, 2, 1], 1: [1, 3, 0, 2], 2: [2, 0, 3, 1], 3: [3, 0, 2, 1]}
    orders = [order("farthest_point", line, 2, seed) for seed in range(20)]
    assert orders == [expected[found[0]] for found in orders]
    assert {found[0] for found in orders} == {0, 1, 2, 3}


def test_farthest_point_takes_a_second_sensor_at_one_place_last() -> None:
    places = known(noise(4), np.array([[0.0], [0], [1], [2]]))
    for seed in range(10):
        assert set(order("farthest_point", places, 3, seed)[:3]) in ({0, 2, 3}, {1, 2, 3})


def test_facility_location_prefers_the_hub_then_what_it_says_least_about() -> None:
    """The hub is the sum of three signals, of which the first is the strongest.

    A fourth has nothing to do with them.
    """
    signals = noise(4) * [2, 1, 1, 1]
    hub = signals[:, :3].sum(1, keepdims=True)
    assert order("facility_location", known(np.hstack([signals, hub])), 2)[:2] == [4, 3]


def test_facility_location_takes_copies_last() -> None:
    signals = noise(3)
    found = order("facility_location", known(np.hstack([signals, signals])), 3)
    assert {index % 3 for index in found[:3]} == {0, 1, 2}


@pytest.mark.parametrize("seed", range(5))
def test_qr_pivoting_never_takes_two_copies_before_an_independent_signal(seed: int) -> None:
    signals = noise(3) * [9, 3, 1]
    copies = known(np.repeat(signals, 3, axis=1))
    assert {index // 3 for index in order("qr_pivoting", copies, 3, seed)[:3]} == {0, 1, 2}


def test_random_depends_on_the_seed_alone() -> None:
    one, other = known(noise(30)), known(noise(30) ** 2 + 5)
    assert order("random", one, 3, seed=7) == order("random", other, 9, seed=7)
    assert order("random", one, 3, seed=7) != order("random", one, 3, seed=8)


AWKWARD = {
    "noise": noise(9, 50),
    "more sensors than readings": noise(9, 4),
    "sensors that never change": noise(9, 50) * ([1, 0, 2] * 3),
    "all alike": np.repeat(noise(1, 50), 9, axis=1),
}


@pytest.mark.parametrize("name", RANKINGS)
@pytest.mark.parametrize("kind", AWKWARD)
@pytest.mark.parametrize("count", [1, 4, 9])
def test_every_ranking_leads_to_a_choice_of_the_exact_size(
    name: str, kind: str, count: int
) -> None:
    network = known(AWKWARD[kind])
    scores = RANKINGS[name](network, count, 3)
    assert scores.shape == (9,)
    assert scores.dtype == torch.float64
    assert scores.isfinite().all()
    assert name == "variance" or len(scores.unique()) == 9, "an order of all"
    kept = Unconstrained(9).prune(torch.ones(9, dtype=torch.bool), scores, 1 - count / 9)
    assert int(kept.sum()) == count
    torch.manual_seed(count)
    assert torch.equal(scores, RANKINGS[name](network, count, 3)), (
        "the seed decides, not what ran before"
    )


def edges(*joins: tuple[int, int, float]) -> Edges:
    source, target, weight = zip(*joins, strict=True)
    return Edges(np.array(source), np.array(target), np.array(weight, np.float32))


def test_without_positions_a_strong_edge_is_a_short_one() -> None:
    """By hand: 0 and 1 are 1 apart, 1 and 2 are 2.

    The direct edge of 0 and 2 is longer than the way over 1. Nothing leads to 3.
    """
    away = distances_from(plain_network(4), edges((0, 1, 1.0), (2, 1, 0.5), (0, 2, 0.1)))
    assert away(0).tolist() == pytest.approx([0, 1, 3, 1e9])
    assert away(2).tolist() == pytest.approx([3, 2, 0, 1e9])


def test_parallel_edges_are_as_short_as_the_strongest() -> None:
    away = distances_from(
        plain_network(2), edges((0, 1, 0.25), (0, 1, 1.0), (0, 1, 0.5), (1, 0, 0.5))
    )
    assert away(0).tolist() == pytest.approx([0, 1])


def test_positions_come_before_edges() -> None:
    network = Network(plain_network(3).sensors, np.array([[0.0, 0], [3, 4], [0, 1]]))
    assert distances_from(network, edges((0, 1, 1.0)))(0).tolist() == pytest.approx([0, 5, 1])


def test_only_the_training_part_is_known(network: SensorStore) -> None:
    model = ModelConfig(window=6, horizon=3)
    dataset = make_dataset(network, model)
    train, everything = dataset.train, dataset.train.series.values
    seen = int(train.starts[-1]) + model.window + model.horizon
    before = baseline_inputs(dataset.network, network.edges, train, dataset.scaler)
    everything[seen:] = 1e6
    after = baseline_inputs(dataset.network, network.edges, train, dataset.scaler)
    assert np.array_equal(before.readings, after.readings)
    assert np.array_equal(before.readings, everything[:seen, :, 0].numpy()), (
        "short enough to be known whole"
    )
    assert before.spread == pytest.approx(
        before.readings.std(0) * dataset.scaler.scale[:, 0].numpy(), rel=1e-4
    )
    assert (
        before.distance_from(0).tolist()
        == distances_from(network_of(network), Edges.none())(0).tolist()
    )


def test_a_table_of_all_pairs_of_too_many_sensors_is_refused() -> None:
    check_size(RANKINGS, MAX_PAIRED)
    check_size(["random", "variance"], MAX_PAIRED + 1)
    with pytest.raises(
        ConfigError, match=r"at most 5000 sensors, but got 5001; leave it out of the baselines"
    ):
        check_size(["random", "facility_location"], MAX_PAIRED + 1)


@pytest.mark.parametrize("name", ["variance", "facility_location"])
def test_a_sensor_that_never_varies_is_the_last_to_be_kept(name: str) -> None:
    readings = np.random.default_rng(0).normal(size=(50, 4))
    readings[:, 2] = 0
    known = BaselineInputs(
        readings, readings.std(0), lambda sensor: np.abs(np.arange(4.0) - sensor)
    )
    assert int(RANKINGS[name](known, 3, 0).argmin()) == 2


def test_a_network_of_one_sensor_has_a_ranking_of_one() -> None:
    known = BaselineInputs(np.ones((5, 1)), np.ones(1), lambda sensor: np.zeros(1))
    assert all(ranking(known, 1, 0).shape == (1,) for ranking in RANKINGS.values())


def test_a_ranking_among_some_sensors_is_that_of_a_network_of_them_alone() -> None:
    points = np.array([0.0, 1.0, 5.0, 9.0])
    known = BaselineInputs(
        np.zeros((3, 4)), np.ones(4), lambda sensor: np.abs(points - points[sensor])
    )
    few = known.among(np.array([0, 2, 3]))
    assert few.readings.shape == (3, 3)
    assert few.distance_from(1).tolist() == [5.0, 0.0, 4.0]
