"""The present beside the horizon: what locations read now whose sensor is off."""

from dataclasses import replace

from torch import Tensor, nn

from dynst.data.windows import ForecastInputs
from dynst.models.forecaster import SparseForecaster
from dynst.models.protocol import Shape

__all__ = ["AtPresent", "WithPresent"]


class WithPresent(SparseForecaster):
    """A forecaster whose network puts out one step more, the last that is read.

    It forecasts as any other; ``every_step`` begins with the present, and ``at_present`` is that
    step alone.

    Args:
        shape: of the forecast.
        inner: whose horizon is one step longer.
    """

    def __init__(self, shape: Shape, inner: SparseForecaster) -> None:
        super().__init__(shape, inner.scaler)
        self.inner = inner

    def forward(self, inputs: ForecastInputs) -> Tensor:
        forecast: Tensor = self.inner(inputs)[:, 1:]
        return forecast

    @property
    def every_step(self) -> SparseForecaster:
        return self.inner

    def at_present(self) -> SparseForecaster:
        return AtPresent(self.inner)

    def reading(self, sensors: Tensor) -> nn.Module:
        inner = self.inner.reading(sensors)
        return WithPresent(self.shape, inner) if isinstance(inner, SparseForecaster) else self


class AtPresent(SparseForecaster):
    """The first step of a network that begins with the present.

    Args:
        inner: the network.
    """

    def __init__(self, inner: SparseForecaster) -> None:
        super().__init__(replace(inner.shape, horizon=1), inner.scaler)
        self.inner = inner

    def forward(self, inputs: ForecastInputs) -> Tensor:
        present: Tensor = self.inner(inputs)[:, :1]
        return present
