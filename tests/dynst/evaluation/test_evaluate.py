"""Errors when sensors that are read have broken down."""

import torch

from dynst.data.store import SensorStore
from dynst.evaluation.evaluate import evaluate
from dynst.experiment.dataset import forecaster_for, make_dataset
from dynst.models.factory import ModelConfig
from tests.conftest import SMALL


def test_what_a_failing_sensor_measured_cannot_matter(network: SensorStore) -> None:
    """Its truth still counts; a failing sensor that is not read changes nothing."""
    model = ModelConfig(window=6, horizon=3, hidden=16, backbone=SMALL, embedding=4)
    dataset = make_dataset(network, model)
    forecaster = forecaster_for(dataset, model, network.edges, seed=0)
    active, none = torch.arange(8) < 4, torch.zeros(8, dtype=torch.bool)
    whole = evaluate(forecaster, dataset.test, active)
    lost = evaluate(forecaster, dataset.test, active, failing=torch.arange(8) == 1)
    assert torch.equal(lost.count, whole.count)
    assert lost.mae() != whole.mae()
    assert evaluate(forecaster, dataset.test, active, failing=none).mae() == whole.mae()
    assert evaluate(forecaster, dataset.test, active, failing=~active).mae() == whole.mae()
    dataset.test.series.values[:, 1] = 7.0
    again = evaluate(forecaster, dataset.test, active, failing=torch.arange(8) == 1)
    others = torch.arange(8) != 1
    assert again.mae(others) == lost.mae(others)
