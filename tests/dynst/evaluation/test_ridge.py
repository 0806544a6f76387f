"""The ridge regression, against scikit-learn's."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from torch import Tensor

from dynst.data.series import Series
from dynst.data.store import SensorStore
from dynst.data.windows import Windows
from dynst.errors import ConfigError
from dynst.evaluation import ridge
from dynst.evaluation.evaluate import evaluate
from dynst.evaluation.ridge import fit_ridge, profile_errors
from dynst.experiment.dataset import Dataset, make_dataset
from dynst.models.factory import ModelConfig

ACTIVE = torch.tensor([1, 0, 1, 1, 0, 0, 1, 0], dtype=torch.bool)


@pytest.fixture(scope="module")
def dataset(network: SensorStore) -> Dataset:
    return make_dataset(network, ModelConfig(window=6, horizon=3))


def observed_everywhere(windows: Windows) -> Windows:
    series = windows.series
    assert isinstance(series, Series)
    return replace(windows, series=replace(series, observed=torch.ones_like(series.observed)))


def arrays(windows: Windows) -> tuple[np.ndarray, np.ndarray]:
    batch = windows.batch(torch.arange(len(windows)), ACTIVE.nonzero().squeeze(1))
    features = torch.cat([batch.readings.flatten(1), batch.calendar], dim=1)
    return features.double().numpy(), batch.target.flatten(1).double().numpy()


@pytest.mark.parametrize("penalty", [1e-4, 1.0])
def test_it_is_the_ridge_of_scikit_learn(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, penalty: float
) -> None:
    monkeypatch.setattr(ridge, "PENALTIES", (penalty,))
    train, val = observed_everywhere(dataset.train), observed_everywhere(dataset.val)
    model = fit_ridge(train, val, dataset.scaler, ACTIVE)
    features, target = arrays(train)
    mean = float((features**2).sum(0).mean())
    referee = Ridge(alpha=penalty * mean).fit(features, target)
    expected = referee.predict(arrays(val)[0])
    index, sensors = torch.arange(len(val)), ACTIVE.nonzero().squeeze(1)
    found = model(val.batch(index, sensors).inputs()).flatten(1)
    np.testing.assert_allclose(found.numpy(), expected, atol=2e-4)


def test_the_validation_part_chooses_the_penalty(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = {}
    for penalty in (1e-5, 1e-1, 1e3):
        with monkeypatch.context() as patch:
            patch.setattr(ridge, "PENALTIES", (penalty,))
            model = fit_ridge(dataset.train, dataset.val, dataset.scaler, ACTIVE)
        errors[penalty] = evaluate(model, dataset.val, ACTIVE).mae()
    monkeypatch.setattr(ridge, "PENALTIES", tuple(errors))
    best = fit_ridge(dataset.train, dataset.val, dataset.scaler, ACTIVE)
    assert evaluate(best, dataset.val, ACTIVE).mae() == min(errors.values())


def test_missing_targets_do_not_pull_forecasts_to_the_profile(dataset: Dataset) -> None:
    """Half of the targets of a location are lost: its forecasts stay nearly what they were."""
    series = dataset.train.series
    assert isinstance(series, Series)
    lost = series.observed.clone()
    lost[::2, 4] = False
    holed = replace(dataset.train, series=replace(series, observed=lost))
    whole = fit_ridge(dataset.train, dataset.val, dataset.scaler, ACTIVE)
    found = fit_ridge(holed, dataset.val, dataset.scaler, ACTIVE)
    val, sensors = dataset.val, ACTIVE.nonzero().squeeze(1)
    inputs = val.batch(torch.arange(len(val)), sensors).inputs()
    one, other = whole(inputs)[:, :, 4], found(inputs)[:, :, 4]
    assert _slope(other, one) == pytest.approx(1, abs=0.1)


def _slope(values: Tensor, of: Tensor) -> float:
    return float((values * of).sum() / (of * of).sum())


def test_it_cannot_read_a_sensor_that_is_off(dataset: Dataset) -> None:
    model = fit_ridge(dataset.train, dataset.val, dataset.scaler, ACTIVE)
    assert model.weight.shape == (6 * 4 + 6 + 1, 3 * 8)


def test_the_oldest_steps_go_first(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ridge, "MOST_FEATURES", 9)
    model = fit_ridge(dataset.train, dataset.val, dataset.scaler, ACTIVE)
    assert model.steps == 2
    monkeypatch.setattr(ridge, "MOST_FEATURES", 3)
    with pytest.raises(ConfigError, match="at most 3 readings a step, but got 4"):
        fit_ridge(dataset.train, dataset.val, dataset.scaler, ACTIVE)


def test_a_network_that_is_too_large_is_refused(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ridge, "MOST_WEIGHTS", 31 * 24 - 1)
    with pytest.raises(ConfigError, match="at most 743 weights, but got 744"):
        fit_ridge(dataset.train, dataset.val, dataset.scaler, ACTIVE)


def test_the_profile_reads_nothing(dataset: Dataset) -> None:
    test = dataset.test
    batch = test.batch(torch.arange(len(test)), torch.arange(8))
    error = batch.target.abs() * dataset.scaler.scale[:, test.targets] * batch.target_observed
    expected = float(error.sum() / batch.target_observed.sum())
    assert profile_errors(test, dataset.scaler).mae() == pytest.approx(expected, rel=1e-4)
