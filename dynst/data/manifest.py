"""The versioned manifest that makes a folder a sensor store."""

from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from dynst.data.clock import COUNTED, Clock, step_text

__all__ = ["FORMAT_VERSION", "Channel", "Grid", "Manifest", "Patching", "Question"]

FORMAT_VERSION = 2


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


class Patching(BaseModel):
    """The sensors are patches of a block's cells: ``rows × columns`` cells each, the last of a line
    padded.

    A sensor's channels are its cells row by row, the block's own channels innermost. The patches
    form a lattice, and ``places`` has the place of each sensor in it, row by row: a patch in which
    no cell was ever observed is no sensor.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    grid: Grid
    rows: int = Field(ge=1)
    columns: int = Field(ge=1)
    channels: tuple[Channel, ...] = Field(min_length=1, description="of a cell")
    places: tuple[int, ...] = Field(min_length=1)

    @property
    def lattice(self) -> Grid:
        return Grid(
            height=-(-self.grid.height // self.rows), width=-(-self.grid.width // self.columns)
        )


class Question(BaseModel):
    """A value among a channel's readings that may mean missing, until someone says what it means.

    Args:
        channel: name of the channel.
        value: the value in question, in the channel's unit.
        count: readings that are exactly this value.
        total: readings of the channel.
        reason: why it is in question.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    channel: str
    value: float
    count: int = Field(ge=1)
    total: int = Field(ge=1)
    reason: str

    @property
    def value_text(self) -> str:
        """The value as the shortest number that float32 reads alike."""
        return str(np.float32(self.value)).removesuffix(".0")

    @property
    def text(self) -> str:
        """What is in question, as a sentence."""
        return (
            f"'{self.channel}' is exactly {self.value_text} in {self.count:,} of {self.total:,} "
            f"readings ({self.count / self.total:.2%}), {self.reason}"
        )


class Manifest(BaseModel):
    """What a store holds, without opening its readings.

    ``digest`` is the SHA-256 of the content (times, zone, values, observation mask, sensors,
    edges), not of the container. A manifest of version 1, whose clock is the file's own and whose
    zone is unknown, is read as one of version 2.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["dynst-sensor-store"] = "dynst-sensor-store"
    version: Literal[2] = 2
    name: str
    num_steps: int = Field(ge=1)
    num_sensors: int = Field(ge=1)
    num_edges: int = Field(ge=0)
    channels: tuple[Channel, ...] = Field(min_length=1)
    start: str = Field(description="label of the first time")
    step: int = Field(ge=1, description="in the clock's unit")
    clock: Clock = Clock()
    positions: Literal["lonlat", "plane", "none"]
    grid: Grid | None = None
    patching: Patching | None = None
    missing: tuple[float, ...] = Field(
        (), description="values that were declared to mean missing, beside NaN"
    )
    questions: tuple[Question, ...] = Field(
        (), description="values that may mean missing and that nobody has decided on yet"
    )
    source: str = ""
    attribution: str = ""
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")

    @model_validator(mode="before")
    @classmethod
    def _upgraded(cls, document: Any) -> Any:
        if not isinstance(document, dict) or document.get("version", 1) != 1:
            return document
        upgraded = dict(document) | {"version": 2}
        if "step_seconds" in upgraded:
            upgraded["step"] = upgraded.pop("step_seconds")
        if not upgraded.pop("timed", True):
            upgraded["clock"] = COUNTED
        if isinstance(upgraded.get("start"), str):
            upgraded["start"] = upgraded["start"].replace("T", " ")
        return upgraded

    @property
    def timed(self) -> bool:
        """Whether the steps have times, and are not only counted."""
        return self.clock.timed

    @property
    def step_text(self) -> str:
        """The step in words: ``15 min``, ``1 month``."""
        return step_text(self.step, self.clock.unit)

    @property
    def quantities(self) -> tuple[Channel, ...]:
        """What is measured at a node or a cell: the channels, but for patches those of their
        cells.
        """
        return self.channels if self.patching is None else self.patching.channels

    @property
    def layout(self) -> Patching | None:
        """How the sensors cover a block of cells, a single cell being the smallest patch.

        None where there is no block.
        """
        if self.grid is None:
            return self.patching
        return Patching(
            grid=self.grid,
            rows=1,
            columns=1,
            channels=self.channels,
            places=tuple(range(self.num_sensors)),
        )
