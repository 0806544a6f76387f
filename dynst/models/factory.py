"""From plain settings to a forecaster: which backbone, what it is made from, and what stands around
it.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypedDict, Unpack

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn

from dynst.bounds import Count, Size, Span, Text, Whole
from dynst.data.calendar import calendar_features
from dynst.data.edges import Edges
from dynst.data.manifest import Patching
from dynst.data.scaler import SeasonalScaler
from dynst.data.windows import ForecastInputs
from dynst.errors import ConfigError, DynstError, in_one_line
from dynst.models.constructor_args import OLD_NAMES, PARTS, Blueprint
from dynst.models.forecaster import CompactForecaster, InputGatedForecaster, SparseForecaster
from dynst.models.grid.adapter import OnFrames
from dynst.models.layers.readout import Readout
from dynst.models.present import WithPresent
from dynst.models.protocol import Shape, Traits
from dynst.models.registry import backbone_class, checked_options, traits_of, wanted_parts
from dynst.models.rollout import RolledOut
from dynst.notices import notice
from dynst.random_streams import Stream, seeded, stream_seed

__all__ = [
    "LOCATION_BLOCKS",
    "BackboneConfig",
    "ModelConfig",
    "SensorFacts",
    "build_forecaster",
    "check_forecast",
]


# of a network with so many sensors; saved models rely on both
LOCATION_BLOCKS, FEWEST_FOR_BLOCKS = 2, 40


class BackboneConfig(BaseModel):
    """Which network, and its own options; all of them are written out once checked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Text = Field(
        description="one of the catalogue, or package.module:Class for a network of your own"
    )
    options: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _checked(cls, given: Any) -> Any:
        if isinstance(given, str):
            given = {"name": given}
        if (
            not isinstance(given, dict)
            or not isinstance(given.get("name"), str)
            or not isinstance(given.get("options", {}), dict)
        ):
            return given
        try:
            return given | {
                "options": checked_options(
                    backbone_class(given["name"]), given.get("options", {}), filled=PARTS
                )
            }
        except ConfigError as error:
            raise ValueError(str(error)) from error


class ModelConfig(BaseModel):
    """The forecaster's architecture."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    backbone: BackboneConfig = Field(
        BackboneConfig(name="morph_graph"), description="a name, or a name with options"
    )
    window: Span = Field(12, description="steps that the forecaster reads")
    horizon: Span = Field(12, description="steps that it forecasts")
    steps_at_once: Span | None = Field(
        None,
        description="steps that the network forecasts before it reads them itself; by default the "
        "whole horizon",
    )
    present: bool = Field(
        False,
        description="put out the present step too, at the locations whose sensor is off: virtual "
        "readings",
    )
    hidden: Size = Field(32, multiple_of=4, description="width of a sensor's hidden state")
    embedding: Size = Field(
        64,
        description="leading modes of the training part that identify locations at first",
    )
    neighbours: Count | None = Field(
        None,
        description="sensors that a location receives from; by default all of them up to 512 "
        "sensors, 16 above",
    )

    location_blocks: Whole | None = Field(
        None,
        description="rounds in which all locations, those that are off included, exchange messages "
        "before they forecast; by default 2 from 40 sensors on, none below; 0 is the fastest",
    )

    kriging: bool | None = Field(
        None,
        description="locations interpolate by kriging too, with a covariance that is learned; by "
        "default below 40 sensors; with lists of neighbours it cannot be",
    )

    def blocks_for(self, num_sensors: int) -> int:
        """Rounds in which all locations exchange messages.

        Args:
            num_sensors: of the whole network.
        """
        if self.location_blocks is not None:
            return self.location_blocks
        return LOCATION_BLOCKS if num_sensors >= FEWEST_FOR_BLOCKS else 0

    def kriging_for(self, num_sensors: int) -> bool | None:
        """Whether locations interpolate by kriging too; None is where they can.

        Args:
            num_sensors: of the whole network.
        """
        if self.kriging is None and num_sensors < FEWEST_FOR_BLOCKS:
            return None
        return bool(self.kriging)

    @property
    def traits(self) -> Traits:
        """Of the backbone: whether it reads active sensors alone, and up to how many all pairs."""
        return traits_of(backbone_class(self.backbone.name))


class SensorFacts(TypedDict, total=False):
    """What is known of the sensors of a network.

    Keys:
        positions: ``[S, 2]``.
        node_embedding: ``[S, E]``, what the embeddings of the locations begin as; by default
            random.
        layout: how they cover a grid, where they do.
        sensors: ``[M]`` ascending, to make the forecaster of these alone out of what is given of
            all.
    """

    positions: Tensor | None
    node_embedding: Tensor | None
    layout: Patching | None
    sensors: Tensor | None


def build_forecaster(
    model: ModelConfig,
    scaler: SeasonalScaler,
    edges: Edges,
    *,
    targets: Sequence[int],
    seed: int,
    **known: Unpack[SensorFacts],
) -> SparseForecaster:
    """A forecaster of the channels ``targets``; ``seed`` sets its weights, and ``known`` is what
    there is to know of the sensors.

    Raises:
        ConfigError: the backbone does not fit the network of sensors, or cannot be built with its
            options.
    """
    num_sensors, num_channels = scaler.scale.shape
    sensors, node_embedding = known.get("sensors"), known.get("node_embedding")
    count = num_sensors if sensors is None else len(sensors)
    shape = Shape(model.window, model.horizon, count, num_channels, len(targets), model.hidden)
    own_scaler = scaler if sensors is None else scaler.restricted(sensors)
    with seeded(stream_seed(seed, Stream.WEIGHTS)):
        if node_embedding is None:
            node_embedding = torch.randn(num_sensors, model.embedding) / model.embedding**0.5
        parts = Blueprint(
            shape,
            model.traits,
            model.neighbours,
            edges,
            tuple(targets),
            node_embedding,
            known.get("positions"),
            known.get("layout"),
            sensors,
            model.blocks_for(num_sensors),
            model.kriging_for(num_sensors),
        )
        if model.present:
            _check_present(model)
            longer = replace(parts, shape=replace(shape, horizon=model.horizon + 1))
            return WithPresent(shape, _forecaster(model.backbone, longer, own_scaler))
        if model.steps_at_once is None or model.steps_at_once >= model.horizon:
            return _forecaster(model.backbone, parts, own_scaler)
        _check_rollout(model, num_channels, targets)
        parts = replace(parts, shape=replace(shape, horizon=model.steps_at_once))
        return RolledOut(shape, _forecaster(model.backbone, parts, own_scaler))


def check_forecast(made: SparseForecaster, name: str) -> None:
    """Raises ConfigError where a forecast of one empty window fails, or does not have the shape
    that the model was asked for.

    The model is left in evaluation mode, since one window has no statistics to normalise a batch
    with.
    """
    shape = made.shape
    readings = torch.zeros(1, shape.window, shape.num_sensors, shape.num_channels)
    calendar = calendar_features(torch.zeros(1, dtype=torch.int64))
    try:
        forecast = made.eval()(
            ForecastInputs(
                readings,
                torch.ones_like(readings, dtype=torch.bool),
                calendar,
                torch.arange(shape.num_sensors),
            )
        )
    except Exception as error:  # whatever a user's network raises
        raise ConfigError(
            f"model.backbone {name} cannot forecast from readings of shape {list(readings.shape)} "
            f"({in_one_line(error)})"
        ) from error
    wanted, got = [1, shape.horizon, shape.num_sensors, shape.num_targets], list(forecast.shape)
    if got != wanted:
        raise ConfigError(
            f"model.backbone {name} must forecast {wanted} (batch, horizon, sensors, targets), "
            f"but gives {got}; mend it"
        )


def _forecaster(
    backbone: BackboneConfig, parts: Blueprint, scaler: SeasonalScaler
) -> SparseForecaster:
    kind, shape = backbone_class(backbone.name), parts.shape
    network = _network(kind, backbone, parts)
    if parts.traits.compact:
        readout = getattr(
            kind,
            "readout",
            partial(Readout, blocks=parts.location_blocks, kriging=parts.kriging),
        )
        return CompactForecaster(
            shape,
            network,
            readout(shape, parts.readout_topology, parts.targets, parts.rows(parts.node_embedding)),
            scaler,
        )
    if parts.layout is not None and "frames" in wanted_parts(kind, PARTS):
        network = OnFrames(network, parts.layout, shape, parts.targets)
        return InputGatedForecaster(shape, network, scaler, reads_mask=True)
    return InputGatedForecaster(shape, network, scaler)


def _network(kind: type[nn.Module], backbone: BackboneConfig, parts: Blueprint) -> Any:
    filled = {name: PARTS[name](parts) for name in wanted_parts(kind, PARTS)}
    for name in OLD_NAMES.keys() & filled.keys():
        notice(
            f"{backbone.name} asks for '{name}', which is now called '{OLD_NAMES[name]}'; rename "
            f"the parameter"
        )
    try:
        return kind(**filled, **backbone.options)
    except DynstError:
        raise
    except Exception as error:  # whatever a user's network raises
        raise ConfigError(
            f"model.backbone {backbone.name} cannot be made with these settings "
            f"({in_one_line(error)}); mend model"
        ) from error


def _check_present(model: ModelConfig) -> None:
    if model.steps_at_once is not None:
        raise ConfigError(
            f"model.present needs a network that forecasts the whole horizon at once, but "
            f"model.steps_at_once is {model.steps_at_once}; leave one of them out"
        )


def _check_rollout(model: ModelConfig, num_channels: int, targets: Sequence[int]) -> None:
    if list(targets) != list(range(num_channels)):
        raise ConfigError(
            f"model.steps_at_once {model.steps_at_once} needs a forecast of everything that is "
            f"read, but {len(targets)} of {num_channels} channels are targets; name all of them in "
            "data.targets, or leave model.steps_at_once out"
        )
