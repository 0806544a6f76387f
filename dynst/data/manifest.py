"""The versioned manifest that makes a folder a sensor store."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["FORMAT_VERSION", "Channel", "Grid", "Manifest"]

FORMAT_VERSION = 1


class Channel(BaseModel):
    """One measured quantity, the same for every sensor."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    unit: str = ""


class Grid(BaseModel):
    """The sensors are the cells of a block, row by row: sensor ``row * width + column``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    height: int = Field(ge=1)
    width: int = Field(ge=1)


class Manifest(BaseModel):
    """What a store holds, without opening its readings.

    ``digest`` is the SHA-256 of the content (times, values, observation mask, sensors, edges), not of the container.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["dynst-sensor-store"] = "dynst-sensor-store"
    version: Literal[1] = 1
    name: str
    num_steps: int = Field(ge=1)
    num_sensors: int = Field(ge=1)
    num_edges: int = Field(ge=0)
    channels: tuple[Channel, ...] = Field(min_length=1)
    start: datetime
    step_seconds: int = Field(ge=1)
    positions: Literal["lonlat", "plane", "none"]
    grid: Grid | None = None
    timed: bool = Field(True, description="False where the source had no timestamps, so that steps are only counted")
    missing: tuple[float, ...] = Field((), description="values that were declared to mean missing, beside NaN")
    source: str = ""
    attribution: str = ""
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
