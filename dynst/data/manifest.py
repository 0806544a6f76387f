"""The versioned manifest that makes a folder a sensor store."""

import re
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from dynst.data.clock import Clock, step_text

__all__ = [
    "DECISIONS",
    "EDGES",
    "FORMAT_VERSION",
    "READINGS",
    "SENSORS",
    "Channel",
    "Grid",
    "Manifest",
    "Patching",
    "Question",
    "StoredFile",
]

FORMAT_VERSION = 3
READINGS, SENSORS, EDGES = "readings.arrow", "sensors.parquet", "edges.parquet"
DECISIONS = re.compile(r"decisions-[0-9a-f]{12}\.parquet")  # by the beginning of its SHA-256


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


class StoredFile(BaseModel):
    """Size in bytes and SHA-256 of one of a store's files."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Manifest(BaseModel):
    """What a store holds, without opening its readings.

    ``digest`` is the SHA-256 of the content (times, zone, values, observation mask, ids and
    positions of sensors, edges), not of the container, and not of decisions (cost, group, pinned,
    excluded). Manifests up to version 2 list no files, and their digest covers the decisions too;
    they are read as one of today, which ``digest_version`` 1 keeps apart. In version 1 the clock is
    the file's own and its zone is unknown.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["dynst-sensor-store"] = "dynst-sensor-store"
    version: Literal[3] = 3
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
    digest_version: Literal[1, 2] = Field(2, description="1: the digest covers decisions too")
    files: dict[str, StoredFile] = Field(
        default_factory=dict, description="empty in a store of an earlier version"
    )

    @model_validator(mode="after")
    def _has_its_files(self) -> "Manifest":
        listed, of_data = set(self.files), {READINGS, SENSORS, EDGES}
        decisions = {name for name in listed if DECISIONS.fullmatch(name)}
        least, most = (0, 1) if self.digest_version == 1 else (1, 1)
        whole = listed - decisions == of_data and least <= len(decisions) <= most
        if not whole and (listed or self.digest_version == 2):
            raise ValueError(
                f"files must list {', '.join(sorted(of_data))} and one of decisions, but list "
                f"{', '.join(sorted(listed)) or 'none'}"
            )
        return self

    @property
    def decisions(self) -> str | None:
        """The file of costs, groups and marks.

        None where an earlier version's table of sensors has them.
        """
        return next((name for name in self.files if DECISIONS.fullmatch(name)), None)

    @property
    def file_names(self) -> tuple[str, ...]:
        """Of a store's files but the manifest itself."""
        return tuple(self.files) or (READINGS, SENSORS, EDGES)

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
