"""The versioned manifest that makes a folder a sensor store."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["FORMAT_VERSION", "Channel", "Grid", "Manifest", "Patching"]

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


class Manifest(BaseModel):
    """What a store holds, without opening its readings.

    ``digest`` is the SHA-256 of the content (times, values, observation mask, sensors, edges), not
    of the container.
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
    patching: Patching | None = None
    timed: bool = Field(
        True, description="False where the source had no timestamps, so that steps are only counted"
    )
    missing: tuple[float, ...] = Field(
        (), description="values that were declared to mean missing, beside NaN"
    )
    source: str = ""
    attribution: str = ""
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")

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
