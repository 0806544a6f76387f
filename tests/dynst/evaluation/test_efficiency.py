"""Figures of a saving: counted ones by hand, timed ones only for being there."""

import pytest
import torch

from dynst.data.store import SensorStore
from dynst.evaluation.efficiency import _flops, measure_efficiency
from dynst.experiment.dataset import forecaster_for, make_dataset
from dynst.models.factory import ModelConfig
from tests.conftest import SMALL


def test_what_is_counted_is_right(network: SensorStore) -> None:
    model = ModelConfig(window=6, horizon=3, hidden=16, backbone=SMALL, embedding=4)
    dataset = make_dataset(network, model)
    forecaster = forecaster_for(dataset, model, network.edges, seed=0)
    active = torch.arange(8) < 4
    found = measure_efficiency(
        forecaster, dataset.test, active, batch_size=16, repeats=2, seconds=1
    )
    assert found.batch_size == 16
    assert (found.dense_bytes, found.compact_bytes, found.readings_ratio) == (
        8 * 6 * 4,
        4 * 6 * 4,
        2.0,
    )
    assert found.parameters == sum(parameter.numel() for parameter in forecaster.parameters())
    assert 0 < found.compact_flops < found.dense_flops
    assert 0 < found.compact_peak_bytes < found.dense_peak_bytes
    assert found.flops_ratio == found.dense_flops / found.compact_flops
    again = measure_efficiency(forecaster, dataset.test, active, batch_size=4, repeats=1, seconds=1)
    assert again.dense_flops == pytest.approx(found.dense_flops, rel=0.1), (
        "of one forecast, and its share of what a batch needs once"
    )
    assert (
        min(
            found.compact_ms,
            found.compact_p95_ms,
            found.compact_single_ms,
            found.dense_single_p95_ms,
        )
        > 0
    )
    assert found.compact_p95_ms >= found.compact_ms


def test_the_flops_of_a_product_are_two_for_each_term() -> None:
    left, right = torch.randn(3, 5), torch.randn(5, 7)
    with torch.inference_mode():
        assert _flops(lambda: left @ right) == 2 * 3 * 5 * 7
        assert _flops(lambda: torch.nn.functional.linear(left, right.T)) == 2 * 3 * 5 * 7
        assert _flops(lambda: torch.einsum("ij,jk->ik", left, right)) == 2 * 3 * 5 * 7
