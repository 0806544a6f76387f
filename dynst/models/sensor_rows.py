"""Which tensors of a forecaster have a row for each sensor, such as embeddings: what a cut network
shares out to its workers.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from dynst.data.edges import Edges
from dynst.data.scaler import Season, SeasonalScaler
from dynst.errors import ConfigError
from dynst.models.factory import ModelConfig, build_forecaster
from dynst.models.forecaster import SparseForecaster

__all__ = ["SensorRows", "sensor_rows", "weights_of"]

SensorRows = Mapping[str, int]
"""From the name of a tensor in a ``state_dict`` to its dimension that counts the sensors."""

SIZES = 11, 13  # of two networks of sensors, of which nothing else has the size


def sensor_rows(model: ModelConfig, num_channels: int, targets: Sequence[int]) -> SensorRows:
    """Of a forecaster with these settings; found by making two small ones and comparing shapes.

    Args:
        model: with a compact backbone.
        num_channels: that a sensor reads.
        targets: channels that are forecast.

    Raises:
        ConfigError: a tensor grows with the network in more than one dimension, so that it cannot
            be shared out by sensors.
    """
    shapes = [
        {name: value.shape for name, value in weights_of(made).items()}
        for made in _made(model, num_channels, targets)
    ]
    found: dict[str, int] = {}
    for name, shape in shapes[0].items():
        other = shapes[1].get(name, ())
        grows = [dim for dim, sizes in enumerate(zip(shape, other, strict=False)) if sizes == SIZES]
        same = [here == there for here, there in zip(shape, other, strict=False)]
        if len(shape) != len(other) or len(grows) > 1 or len(shape) - len(grows) != sum(same):
            raise ConfigError(
                f"training.parts needs a backbone whose tensors have at most one dimension for the "
                f"sensors, but {name} of {model.backbone.name} is {list(shape)} for {SIZES[0]} of "
                f"them; set training.parts to 1, or take another backbone"
            )
        found |= dict.fromkeys([name] if grows else [], *grows)
    return found


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """The ``state_dict`` without what comes from the readings: the scaler's."""
    scalers = tuple(
        f"{name}."
        for name, module in model.named_modules(remove_duplicate=False)
        if isinstance(module, SeasonalScaler)
    )
    state: dict[str, Tensor] = model.state_dict()
    return {name: value for name, value in state.items() if not name.startswith(scalers)}


def _made(
    model: ModelConfig, num_channels: int, targets: Sequence[int]
) -> Iterator[SparseForecaster]:
    for size in SIZES:
        number = np.arange(size)
        ring = Edges(number, (number + 1) % size, np.ones(size, np.float32))
        scaler = SeasonalScaler(Season(1, 1), size, num_channels)
        positions = torch.tensor(np.stack([number, number**2 % size], 1), dtype=torch.float64)
        yield build_forecaster(
            model, scaler, ring, targets=list(targets), seed=0, positions=positions
        )
