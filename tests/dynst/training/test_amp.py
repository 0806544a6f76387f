"""Lower precision in training alone: weights stay what they are, and float16's scaling is seen by
nobody.
"""

from typing import Literal

import pytest
import torch
from torch import nn

from dynst.data.store import SensorStore
from dynst.experiment.config import ExperimentConfig
from dynst.experiment.dataset import make_dataset
from dynst.experiment.experiment import Experiment
from dynst.models.factory import ModelConfig
from dynst.sparsity.config import SparsityConfig
from dynst.sparsity.scheme import StepSensors
from dynst.training.amp import Arithmetic, Precision
from dynst.training.config import Recipe
from dynst.training.trainer import Training
from tests.conftest import SMALL

CPU = torch.device("cpu")
PROBE = StepSensors(torch.arange(8), (torch.arange(8) % 3 > 0).float())
LOW: list[Literal["bfloat16", "float16"]] = ["bfloat16", "float16"]


def training(network: SensorStore, precision: Precision) -> Training:
    model = ModelConfig(window=6, horizon=3, hidden=16, backbone=SMALL, embedding=4)
    recipe = Recipe(epochs=3, steps_per_epoch=5, batch_size=16, precision=precision)
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


@pytest.mark.parametrize("precision", LOW)
def test_training_goes_on_and_keeps_float32(network: SensorStore, precision: Precision) -> None:
    made = training(network, precision)
    reports = list(made.run())
    exact = list(training(network, "float32").run())
    assert reports[-1].val_mae == pytest.approx(exact[-1].val_mae, rel=0.05)
    assert reports[-1].val_mae < reports[0].val_mae
    assert made.best is not None
    kept = [
        *made.best[1].values(),
        *made.state_dict()["model"].values(),
        *(parameter.grad for parameter in made.model.parameters()),
    ]
    assert {value.dtype for value in kept} == {torch.float32}


def test_float16_resumes_with_its_scale(network: SensorStore) -> None:
    whole, first, second = (training(network, "float16") for _ in range(3))
    list(whole.run())
    list(first.run(1))
    second.load_state_dict(first.state_dict())
    list(second.run())
    assert second.state_dict()["arithmetic"] == whole.state_dict()["arithmetic"] != {}
    for one, other in zip(whole.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_step_that_overflowed_is_left_out() -> None:
    arithmetic, model = Arithmetic("float16", CPU), nn.Linear(2, 1, bias=False)
    optimizer, before = torch.optim.SGD(model.parameters(), lr=1.0), model.weight.detach().clone()
    arithmetic.backward(model(torch.full((1, 2), 1e35)).sum())
    arithmetic.step(optimizer, model, 1.0)
    assert torch.equal(model.weight, before)
    model.zero_grad()
    arithmetic.backward(model(torch.ones(1, 2)).sum())
    arithmetic.step(optimizer, model, 1.0)
    torch.testing.assert_close(
        model.weight, before - 2**-0.5, rtol=1e-5, atol=1e-6
    )  # clipped to 1 after it was scaled down


def test_a_probe_that_overflowed_teaches_nothing(network: SensorStore) -> None:
    made, scores = training(network, "float16"), torch.zeros(8, dtype=torch.float64)
    made._observe(PROBE, torch.tensor([torch.inf] + [1.0] * 7))
    assert torch.equal(made.scheme.criterion.scores(made.scheme.active), scores)
    made._observe(PROBE, torch.ones(8))
    assert not torch.equal(made.scheme.criterion.scores(made.scheme.active), scores)
