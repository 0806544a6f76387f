"""Virtual readings: the present at locations whose sensor is off."""

import numpy as np
import pytest
import torch

from dynst.data.edges import Edges
from dynst.data.manifest import Channel
from dynst.data.sensor_table import Sensors
from dynst.data.store import SensorStore, open_store
from dynst.data.writer import Origin, StoreWriter
from dynst.errors import ConfigError
from dynst.evaluation.evaluate import evaluate
from dynst.experiment.config import ExperimentConfig
from dynst.experiment.experiment import Experiment
from dynst.experiment.protocol import model_errors, present_errors
from dynst.models.factory import ModelConfig
from dynst.models.forecaster import SparseForecaster
from dynst.sparsity.scheme import fixed_scheme
from dynst.training.config import Recipe
from tests.conftest import SMALL

NOISE, HOUR, STEPS = 0.1, 3_600, 1_500
TWIN, OF = 5, 0
ACTIVE = torch.arange(6) < TWIN
MODEL = ModelConfig(
    window=4, horizon=2, hidden=16, backbone=SMALL, embedding=4, present=True, kriging=False
)


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> SensorStore:
    """Five sensors of white noise, which nothing foretells, and a sixth that reads what the first
    does, and a little noise.
    """
    path, chance = tmp_path_factory.mktemp("stores") / "twins", np.random.default_rng(0)
    values = chance.standard_normal((STEPS, 6)).astype(np.float32)
    values[:, TWIN] = values[:, OF] + NOISE * chance.standard_normal(STEPS)
    sensors = Sensors(tuple("abcdef"))
    with StoreWriter(path, Origin("x"), [Channel(name="v")], sensors, Edges.none()) as store:
        store.append(HOUR * np.arange(STEPS), values[..., None])
    return open_store(path)


@pytest.fixture(scope="module")
def experiment(twins: SensorStore) -> Experiment:
    recipe = Recipe(epochs=6, batch_size=16, learning_rate=0.01)
    return Experiment(twins, ExperimentConfig(model=MODEL, training=recipe, season="none"))


@pytest.fixture(scope="module")
def trained(experiment: Experiment) -> SparseForecaster:
    training = experiment.training(fixed_scheme(ACTIVE))
    for _ in training.run():
        pass
    return training.model


def test_a_twin_is_reconstructed_to_its_noise(
    experiment: Experiment, trained: SparseForecaster
) -> None:
    found = present_errors(experiment, trained, ACTIVE)
    floor = NOISE * (2 / np.pi) ** 0.5
    assert floor * 0.9 < found.mae(~ACTIVE) < 2 * floor
    ahead = model_errors(experiment, trained, ACTIVE).mae(~ACTIVE)
    assert ahead > 0.7, "white noise has no future"


def test_a_sensor_that_is_on_is_not_read_where_its_own_reading_is_asked_for(
    experiment: Experiment, trained: SparseForecaster
) -> None:
    """Of five independent sensors none says anything about another."""
    found = present_errors(experiment, trained, ACTIVE)
    independent = ACTIVE.clone()
    independent[OF] = False
    assert found.mae(independent) > 0.7
    assert found.count.min() == len(experiment.dataset.test)
    now, windows = trained.at_present(), experiment.dataset.test.at_present()
    without = ACTIVE.clone()
    without[3] = False
    alone = evaluate(now, windows, without)
    torch.testing.assert_close(found.absolute[:, 3], alone.absolute[:, 3])
    plain = evaluate(now, windows, ACTIVE)
    assert int(plain.count[:, ACTIVE].sum()) == 0
    torch.testing.assert_close(found.absolute[:, ~ACTIVE], plain.absolute[:, ~ACTIVE])


def test_a_network_cut_into_parts_has_the_present_too(network: SensorStore) -> None:
    """Two ways to compute the same: whole, and part by part with a halo of everything."""
    model = ModelConfig(
        window=6, horizon=3, hidden=16, embedding=4, neighbours=3, present=True, backbone=SMALL
    )
    active = torch.arange(8) % 3 > 0
    found = {}
    for parts in (1, 2):
        recipe = Recipe(epochs=2, steps_per_epoch=6, batch_size=16, parts=parts, halo=8)
        cut = Experiment(network, ExperimentConfig(model=model, training=recipe))
        training = cut.training(fixed_scheme(active))
        for _ in training.run():
            pass
        found[parts] = present_errors(cut, training.model, active)
        assert found[parts].count.sum(0).min() > 0
    assert found[2].mae(~active) < 2 * found[1].mae(~active)


def test_without_a_present_step_there_is_none(twins: SensorStore) -> None:
    config = ExperimentConfig(model=MODEL.model_copy(update={"present": False}), season="none")
    experiment = Experiment(twins, config)
    with pytest.raises(ConfigError, match=r"model\.present set to true"):
        present_errors(experiment, experiment.forecaster(), ACTIVE)


def test_a_step_minimises_the_mean_over_forecast_and_present_entries(
    experiment: Experiment,
) -> None:
    """By hand: the present counts at the sixth location alone."""
    training = experiment.training(fixed_scheme(ACTIVE), Recipe(epochs=1, batch_size=16))
    index, sensors = torch.arange(16), ACTIVE.nonzero().squeeze(1)
    batch = experiment.dataset.train.batch(index, sensors)
    now = experiment.dataset.train.at_present().batch(index, sensors)
    model, scale = training.model.train(), training.model.scaler.scale[:, 0]
    every = model.every_step(batch.inputs())
    ahead = ((every[:, 1:] - batch.target).abs()[..., 0] * scale).sum()
    present = ((every[:, :1] - now.target).abs()[..., 0] * scale)[..., TWIN].sum()
    share = training.scheme.sensors_at(0)
    errors = training._measure([index], share, training._parts_for(share))
    assert int(errors[1]) == 16 * (2 * 6 + 1)
    unit = training._gradients.unit
    assert float(errors[0]) * unit == pytest.approx(float((ahead + present).detach()), rel=1e-4)
    expected = torch.autograd.grad((ahead + present) / unit / errors[1], list(model.parameters()))
    for weight, gradient in zip(model.parameters(), expected, strict=True):
        torch.testing.assert_close(weight.grad, gradient.float(), rtol=1e-3, atol=1e-6)


def test_a_choice_withholds_what_it_is_compared_on_from_the_present_too(
    twins: SensorStore,
) -> None:
    config = ExperimentConfig(model=MODEL, season="none")
    with_present = Experiment(twins, config).blocks.fitted
    model = MODEL.model_copy(update={"present": False})
    without = Experiment(twins, config.model_copy(update={"model": model})).blocks.fitted
    assert set(with_present.tolist()) < set(without.tolist())
