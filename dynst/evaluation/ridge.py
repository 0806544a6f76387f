"""The linear model that reads the same kept sensors: what a network must beat to be worth it."""

from collections.abc import Iterator

import torch
from torch import Tensor

from dynst.data.calendar import NUM_CALENDAR
from dynst.data.scaler import SeasonalScaler
from dynst.data.windows import ForecastInputs, Windows
from dynst.devices import CPU, device_of, module_on
from dynst.errors import ConfigError
from dynst.evaluation.error_table import ErrorTable
from dynst.evaluation.evaluate import evaluate, windows_at_once
from dynst.models.forecaster import SparseForecaster
from dynst.models.protocol import Shape

__all__ = ["PROFILE", "RIDGE", "RidgeForecaster", "fit_ridge", "profile_errors"]

RIDGE, PROFILE = "ridge", "seasonal_profile"  # their names in tables

MOST_FEATURES = 2048  # beyond them the oldest steps of the window are left out
MOST_WEIGHTS = 2**26  # features times outputs, half a GiB
PENALTIES = tuple(10.0**exponent for exponent in range(-5, 2))  # relative to the mean variance
IMPUTATIONS = 4  # where targets are missing: rounds of expectation and maximisation


class RidgeForecaster(SparseForecaster):
    """Forecasts of all locations, affine in the last readings of the kept sensors and the calendar.

    Args:
        shape: of the windows.
        scaler: of the network of sensors.
        steps: of the window that are read, the last ones.
        num_features: that it has weights for.
    """

    def __init__(self, shape: Shape, scaler: SeasonalScaler, steps: int, num_features: int) -> None:
        super().__init__(shape, scaler)
        self.steps = steps
        outputs = shape.horizon * shape.num_sensors * shape.num_targets
        self.weight: Tensor
        self.register_buffer("weight", torch.zeros(num_features, outputs))

    def forward(self, inputs: ForecastInputs) -> Tensor:
        shape = self.shape
        flat = self.features(inputs) @ self.weight
        return flat.view(-1, shape.horizon, shape.num_sensors, shape.num_targets)

    def features(self, inputs: ForecastInputs) -> Tensor:
        """``[B, F]``; an unobserved reading is 0, as its seasonal profile."""
        readings = inputs.readings[:, -self.steps :].flatten(1)
        return torch.cat(
            [readings, inputs.calendar, torch.ones_like(inputs.calendar[:, :1])], dim=1
        )


@torch.no_grad()
def fit_ridge(
    train: Windows,
    val: Windows,
    scaler: SeasonalScaler,
    active: Tensor,
    device: torch.device = CPU,
) -> RidgeForecaster:
    """Least squares with a penalty that the validation part chooses (Hoerl and Kennard 1970).

    Missing targets count as the seasonal profile while the penalty is chosen. Then they are imputed
    by what the model expects there, a few rounds of it.

    Args:
        train: windows to fit on.
        val: windows to choose the penalty by.
        scaler: of the network of sensors.
        active: bool ``[S]``, the sensors that are read.
        device: to compute on, and of the forecaster.

    Raises:
        ConfigError: one step of the active sensors has more values than a solution can be found
            for, or the network is too large.

    Example:
        >>> ridge = fit_ridge(data.train, data.val, data.scaler, active)  # doctest: +SKIP
        >>> evaluate(ridge, data.test, active).mae()  # doctest: +SKIP
    """
    channels = scaler.scale.shape[1]
    each = int(active.sum()) * channels
    if each > MOST_FEATURES:
        raise ConfigError(
            f"a ridge regression takes at most {MOST_FEATURES} readings a step, but got {each}; "
            f"leave it out"
        )
    steps = min(train.window, MOST_FEATURES // max(1, each))
    shape = Shape(train.window, train.horizon, len(active), channels, len(train.targets), 0)
    features = steps * each + NUM_CALENDAR + 1
    if (weights := features * shape.horizon * len(active) * shape.num_targets) > MOST_WEIGHTS:
        raise ConfigError(
            f"a ridge regression takes at most {MOST_WEIGHTS} weights, but got {weights}; leave it "
            f"out"
        )
    model = module_on(RidgeForecaster(shape, scaler, steps, features), device)
    gram, moments, complete = _moments(model, train, active)
    errors: dict[float, float] = {}
    for penalty in PENALTIES:
        model.weight = _solved(gram, moments, penalty)
        errors[penalty] = evaluate(model, val, active).mae()
    best = min(errors, key=lambda penalty: errors[penalty])
    model.weight = _solved(gram, moments, best)
    for _ in range(0 if complete else IMPUTATIONS):
        model.weight = _solved(gram, _moments(model, train, active, impute=True)[1], best)
    return model


def profile_errors(
    windows: Windows, scaler: SeasonalScaler, device: torch.device = CPU
) -> ErrorTable:
    """Of the seasonal profile alone, which reads no sensor at all.

    Args:
        windows: to forecast.
        scaler: of the network of sensors.
        device: to compute on.
    """
    num_sensors, channels = scaler.scale.shape
    shape = Shape(
        windows.window, windows.horizon, num_sensors, channels, len(windows.targets), hidden=0
    )
    none = torch.zeros(num_sensors, dtype=torch.bool)
    profile = module_on(RidgeForecaster(shape, scaler, 1, NUM_CALENDAR + 1), device)
    return evaluate(profile, windows, none)


def _moments(
    model: RidgeForecaster, train: Windows, active: Tensor, impute: bool = False
) -> tuple[Tensor, Tensor, bool]:
    """``X'X``, ``X'Y`` in float64, and whether no target is missing."""
    size, outputs = model.weight.shape
    gram = model.weight.new_zeros(size, size, dtype=torch.float64)
    moments = model.weight.new_zeros(size, outputs, dtype=torch.float64)
    complete = True
    for features, target, observed in _batches(model, train, active):
        complete &= bool(observed.all())
        expected = features @ model.weight if impute else torch.zeros_like(target)
        known = torch.where(observed, target, expected).double()
        gram += features.double().T @ features.double()
        moments += features.double().T @ known
    return gram, moments, complete


def _batches(
    model: RidgeForecaster, train: Windows, active: Tensor
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    train, sensors = train.on(device_of(model)), active.nonzero().squeeze(1)
    for index in torch.arange(len(train)).split(windows_at_once(len(active))):
        batch = train.batch(index, sensors)
        yield (
            model.features(batch.inputs()),
            batch.target.flatten(1),
            batch.target_observed.flatten(1),
        )


def _solved(gram: Tensor, moments: Tensor, penalty: float) -> Tensor:
    """The constant, which is the last feature, is not penalised."""
    size = len(gram)
    ridge = torch.full_like(gram[0], penalty * float(gram.diagonal()[:-1].mean()))
    ridge[size - 1 :] = 0
    solved: Tensor = torch.linalg.solve(gram + ridge.diag(), moments)
    return solved.float()
