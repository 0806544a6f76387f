"""The sparse forecaster: reads the active sensors, forecasts every location."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from dynst.data.scaler import SeasonalScaler
from dynst.data.windows import ForecastInputs
from dynst.errors import ConfigError
from dynst.models.layers.gated_aggregation import stream_morph
from dynst.models.layers.readout import Readout
from dynst.models.protocol import CompactBackbone, Shape

__all__ = ["CompactForecaster", "InputGatedForecaster", "Reach", "SparseForecaster"]


class Reach(NamedTuple):
    """Of a forecaster that has a part of the network alone, in the network's numbers.

    Args:
        sensors: ``[M]`` ascending, that it may read.
        locations: ``[L]`` ascending, that it forecasts.
    """

    sensors: Tensor
    locations: Tensor


class SparseForecaster(nn.Module):
    """What every forecaster is: a network over scaled readings, and the scaler that travels with
    its weights.

    It cannot read a switched-off sensor: its readings are not an input.

    Attributes:
        reach: which part of the network it has, None for all of it; its scaler is then that of the
            locations.
    """

    reach: Reach | None = None

    def __init__(self, shape: Shape, scaler: SeasonalScaler) -> None:
        super().__init__()
        self.shape, self.scaler = shape, scaler

    def forward(self, inputs: ForecastInputs) -> Tensor:
        """Scaled forecasts ``[B, H, L, targets]`` of the locations that are asked for, at their
        share of the cost.

        Raises:
            ConfigError: the network cannot forecast some locations without the others.
        """
        raise NotImplementedError

    @property
    def every_step(self) -> "SparseForecaster":
        """What is trained: it forecasts the present too where the forecaster can."""
        return self

    def at_present(self) -> "SparseForecaster":
        """A forecaster of one step, the last that is read, at every location.

        Raises:
            ConfigError: the network was trained without it.
        """
        raise ConfigError("the model has no present step; train one with model.present set to true")

    def readable(self, active: Tensor) -> Tensor:
        """``[K]``, the sensors of ``active`` (bool ``[S]``) that it reads."""
        if self.reach is None:
            return active.nonzero().squeeze(1)
        return self.reach.sensors[active[self.reach.sensors]]

    @property
    def locations(self) -> Tensor | None:
        """``[L]``, that it forecasts; None is all."""
        return None if self.reach is None else self.reach.locations

    def reading(self, sensors: Tensor) -> nn.Module:
        """What can be exported of it to read just ``sensors [K]``."""
        return self


class CompactForecaster(SparseForecaster):
    """A backbone whose cost shrinks with the active sensors, and the readout from their states to
    all locations.
    """

    def __init__(
        self, shape: Shape, backbone: CompactBackbone, readout: nn.Module, scaler: SeasonalScaler
    ) -> None:
        super().__init__(shape, scaler)
        self.backbone, self.readout = backbone, readout

    def forward(self, inputs: ForecastInputs) -> Tensor:
        sensors, gates = inputs.sensors, inputs.gates
        morphed = stream_morph(inputs.readings, inputs.observed)
        hidden = self.backbone(morphed, inputs.calendar, sensors, gates)  # [B, K, D]
        # a user's own readout need not take locations
        asked: tuple[Tensor | None, ...] = () if inputs.locations is None else (inputs.locations,)
        if inputs.among is not None and isinstance(self.readout, Readout):
            asked = (inputs.locations, inputs.among)
        forecast: Tensor = self.readout(hidden, morphed, sensors, gates, *asked)
        return forecast

    def reading(self, sensors: Tensor) -> "CompactForecaster":
        if not isinstance(self.readout, Readout):
            return self
        return CompactForecaster(
            self.shape, self.backbone, self.readout.reading(sensors), self.scaler
        )


class InputGatedForecaster(SparseForecaster):
    """Any network from all locations to all locations.

    Those that are off hold their seasonal profile, which is 0 in scaled form (DynST,
    arXiv 2403.02914, has their mean); so fewer readings are needed, and nothing is computed faster.

    Args:
        network: ``[B, T, S, C]`` to ``[B, H, S, targets]``.
        reads_mask: it gets ``[B, T, S, 2C]`` instead, the observation mask beside the values.
    """

    def __init__(
        self, shape: Shape, network: nn.Module, scaler: SeasonalScaler, *, reads_mask: bool = False
    ) -> None:
        super().__init__(shape, scaler)
        self.network, self.reads_mask = network, reads_mask

    def forward(self, inputs: ForecastInputs) -> Tensor:
        if inputs.locations is not None:
            raise ConfigError(
                "a network that reads every location forecasts all of them at once, but was asked "
                "for a part; set training.parts to 1, or take a compact backbone"
            )
        read = inputs.readings
        if self.reads_mask:
            read = torch.cat([read, inputs.observed.to(read.dtype)], dim=-1)
        if inputs.gates is not None:
            read = read * inputs.gates[:, None]
        filled = read.new_zeros(*read.shape[:2], self.shape.num_sensors, read.shape[-1])
        forecast: Tensor = self.network(filled.index_copy(2, inputs.sensors, read))
        return forecast
