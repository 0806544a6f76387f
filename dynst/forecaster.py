"""The sparse forecaster: reads the active sensors, forecasts every location."""

from torch import Tensor, nn

from dynst.backbones.mixing import stream_morph
from dynst.backbones.protocol import CompactBackbone, Shape
from dynst.backbones.readout import Readout
from dynst.data.scaler import SeasonalScaler

__all__ = ["SparseForecaster"]


class SparseForecaster(nn.Module):
    """Backbone and readout over scaled readings; the scaler travels with the weights.

    The forecaster cannot read a switched-off sensor: its readings are not an input.
    """

    def __init__(self, shape: Shape, backbone: CompactBackbone, readout: Readout, scaler: SeasonalScaler) -> None:
        super().__init__()
        self.shape, self.backbone, self.readout, self.scaler = shape, backbone, readout, scaler

    def forward(self, readings: Tensor, observed: Tensor, calendar: Tensor, sensors: Tensor, gates: Tensor | None = None) -> Tensor:
        """Scaled ``readings [B, T, K, C]`` of ``sensors [K]`` to scaled forecasts ``[B, H, S, targets]``."""
        morphed = stream_morph(readings, observed)
        hidden = self.backbone(morphed, calendar, sensors, gates)  # [B, K, D]
        forecast: Tensor = self.readout(hidden, morphed, sensors, gates)
        return forecast
