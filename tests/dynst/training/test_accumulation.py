"""A batch in parts is the batch: the same gradients, whatever is missing from the readings."""

from typing import Any

import pytest
import torch

from dynst.data.store import SensorStore
from dynst.experiment.config import ExperimentConfig
from dynst.experiment.dataset import make_dataset
from dynst.experiment.experiment import Experiment
from dynst.models.factory import ModelConfig
from dynst.sparsity.config import SparsityConfig
from dynst.sparsity.scheme import StepSensors
from dynst.training.config import Recipe
from dynst.training.gradients import Share
from dynst.training.trainer import Training
from tests.conftest import SMALL


def training(network: SensorStore, accumulate: int, **step: Any) -> Training:
    model = ModelConfig(window=6, horizon=3, hidden=16, backbone=SMALL, embedding=4)
    recipe = Recipe(epochs=3, steps_per_epoch=4, batch_size=13, accumulate=accumulate, **step)
    sparsity, data = (
        SparsityConfig(final=0.5, rounds=2, probe_every=2),
        make_dataset(network, model),
    )
    return (
        Experiment(
            network, ExperimentConfig(model=model, training=recipe, sparsity=sparsity), dataset=data
        )
        .learned()
        .training
    )


@pytest.mark.parametrize("accumulate", [2, 4, 20])  # 20 parts of 13 windows are 13
def test_any_number_of_parts_trains_alike(network: SensorStore, accumulate: int) -> None:
    whole, parts = training(network, 1), training(network, accumulate)
    reports = zip(whole.run(), parts.run(), strict=True)
    assert all(
        one.train_loss == pytest.approx(other.train_loss, rel=1e-4) for one, other in reports
    )
    assert torch.equal(whole.scheme.active, parts.scheme.active)
    for one, other in zip(whole.model.parameters(), parts.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_gates_gather_the_gradient_of_all_parts(network: SensorStore) -> None:
    probe = StepSensors(torch.arange(8), (torch.arange(8) % 3 > 0).float())
    index = torch.arange(40, 53)
    (one, (gates,)), (other, (again,)) = (
        training(network, parts)._gradients.measure([Share(index, probe)]) for parts in (1, 3)
    )
    torch.testing.assert_close(one, other, rtol=1e-5, atol=0)
    torch.testing.assert_close(gates, again, rtol=1e-4, atol=1e-7)
    assert gates.abs().min() > 0


def test_shares_of_a_batch_are_the_batch(network: SensorStore) -> None:
    probe = StepSensors(torch.arange(8), (torch.arange(8) % 3 > 0).float())
    index = torch.arange(40, 53)
    one, other = training(network, 1), training(network, 1, sharding="time", parts_per_step=3)
    whole, (gates,) = one._gradients.measure([Share(index, probe)])
    apart, of_shares = other._gradients.measure([Share(each, probe) for each in index.split(5)])
    torch.testing.assert_close(whole, apart, rtol=1e-5, atol=0)
    torch.testing.assert_close(gates, torch.stack(of_shares).sum(0), rtol=1e-4, atol=1e-7)
    for mine, its in zip(one.model.parameters(), other.model.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, its.grad, rtol=1e-4, atol=1e-6)
