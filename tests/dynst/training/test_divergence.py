"""A training whose figures are no numbers any more ends."""

import numpy as np
import pytest
import torch

from dynst.data.store import SensorStore
from dynst.errors import DivergedError
from dynst.experiment.config import ExperimentConfig
from dynst.experiment.experiment import Experiment
from dynst.experiment.protocol import train
from dynst.models.factory import ModelConfig
from dynst.sparsity.config import SparsityConfig
from dynst.training.config import Recipe
from dynst.training.divergence import refuse_diverged
from tests.conftest import SMALL

RECIPE = Recipe(epochs=3, steps_per_epoch=4, batch_size=16)


def experiment(store: SensorStore, scheme: str = "dynamic", **recipe: object) -> Experiment:
    model = ModelConfig(window=6, horizon=3, hidden=16, backbone=SMALL, embedding=4)
    sparsity = SparsityConfig(final=0.5, rounds=2, probe_every=2, scheme=scheme)
    training = RECIPE.model_copy(update=recipe)
    return Experiment(store, ExperimentConfig(model=model, training=training, sparsity=sparsity))


@pytest.mark.parametrize("scheme", ["dynamic", "searched", "one_shot"])
def test_a_rate_that_is_far_too_high_ends_the_training(network: SensorStore, scheme: str) -> None:
    made = experiment(network, scheme, learning_rate=1e30)
    with pytest.raises(DivergedError, match=r"after epoch 1: .*learning_rate \(now 1e\+30\)"):
        train(made, made.learned())


def test_weights_that_are_no_numbers_end_a_training_that_had_a_best(network: SensorStore) -> None:
    training = experiment(network).dense().training
    epochs = training.run()
    next(epochs)
    assert training.best is not None
    with torch.no_grad():
        next(training.model.parameters()).fill_(torch.nan)
    with pytest.raises(DivergedError, match="is nan after epoch 2"):
        next(epochs)


def test_a_resumed_state_of_a_diverged_training_ends_too(network: SensorStore) -> None:
    first, second = (experiment(network).dense().training for _ in range(2))
    with torch.no_grad():
        next(first.model.parameters()).fill_(torch.nan)
    second.load_state_dict(first.state_dict())
    with pytest.raises(DivergedError):
        next(second.run())


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    ("precision", "remedy"), [("float32", False), ("float16", True), ("bfloat16", True)]
)
def test_the_remedy_names_the_precision_where_it_may_help(
    value: float, precision: str, remedy: bool
) -> None:
    recipe = Recipe.model_validate({"precision": precision})
    refuse_diverged("the loss", 1e30, 1, recipe)
    with pytest.raises(DivergedError) as caught:
        refuse_diverged("the loss", value, 1, recipe)
    assert ("set training.precision to float32" in str(caught.value)) is remedy
