"""Sub-regions as sensors: from a store of cells to a store of patches, and from patches back to
frames of the grid.
"""

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dynst.data.edges import Edges
from dynst.data.lattice import cell_ids, grid_edges, wrap_of
from dynst.data.manifest import SENSORS, Channel, Patching
from dynst.data.manifest_file import MANIFEST
from dynst.data.sensor_table import Sensors
from dynst.data.store import SensorStore, open_store
from dynst.data.writer import Origin, StoreWriter
from dynst.errors import ConfigError, DataError, in_one_line
from dynst.storage.locks import made_once

__all__ = [
    "cells_of",
    "make_patching",
    "patch_channels",
    "patched_store",
    "target_channels",
    "to_frames",
    "to_patches",
]

BLOCK_VALUES = 2**23
PADDING = -1


def patched_store(
    cells: SensorStore,
    size: tuple[int, int],
    cache: Path,
    *,
    memory: Path | None = None,
    anew: bool = False,
) -> SensorStore:
    """The store whose sensors are patches of ``size`` rows and columns of a grid's cells.

    Derived once, then found in ``cache``.

    It costs what its cells cost that were ever observed; one pinned cell pins it, it is excluded
    where all cells are, and has a group where they share one. Its position is their mean.

    Args:
        cells: of a grid.
        size: rows and columns of a patch.
        cache: a folder for derived stores.
        memory: as in ``open_store``.
        anew: as in ``open_store``.

    Raises:
        ConfigError: the store has no grid, or its grid is smaller than a patch.
    """
    patching = make_patching(cells, size)
    path = cache / _name(cells, size)
    try:
        made_once(path, partial(_write, cells, patching))
    except (OSError, DataError) as error:
        raise DataError(
            f"the patches of {cells.path} cannot be written to {path} "
            f"({in_one_line(error)}); make room there, and see that you may write there"
        ) from error
    return open_store(path, memory=memory, anew=anew)


def make_patching(cells: SensorStore, size: tuple[int, int]) -> Patching:
    """Raises ConfigError where the store has no grid, or its grid is smaller than a patch."""
    grid, (rows, columns) = cells.manifest.grid, size
    if grid is None:
        raise ConfigError(
            f"data.patch must be left out for a network without a grid, but got {rows} × {columns} "
            f"for {cells.path}; remove data.patch, or import the data as a grid"
        )
    if rows > grid.height or columns > grid.width:
        raise ConfigError(
            f"data.patch must be at most the grid's {grid.height} × {grid.width} cells, but got "
            f"{rows} × {columns}; make it smaller"
        )
    whole = Patching(
        grid=grid, rows=rows, columns=columns, channels=cells.manifest.channels, places=(0,)
    )
    lattice = whole.lattice
    whole = whole.model_copy(update={"places": tuple(range(lattice.height * lattice.width))})
    seen = to_patches(torch.from_numpy(cells.ever_observed), whole).any(-1)
    return whole.model_copy(update={"places": tuple(seen.nonzero().squeeze(1).tolist())})


def cells_of(patching: Patching) -> np.ndarray:
    """``[S, rows · columns]``: the cells of each patch, row by row, −1 for padding."""
    grid, lattice = patching.grid, patching.lattice
    block = np.full((lattice.height * patching.rows, lattice.width * patching.columns), PADDING)
    block[: grid.height, : grid.width] = np.arange(grid.height * grid.width).reshape(
        grid.height, grid.width
    )
    parts = block.reshape(lattice.height, patching.rows, lattice.width, patching.columns).swapaxes(
        1, 2
    )
    return parts.reshape(lattice.height * lattice.width, -1)[list(patching.places)]


def to_patches(values: Tensor, patching: Patching, fill: float = 0) -> Tensor:
    """``[..., H · W, C]``, the cells of frames, to ``[..., S, rows · columns · C]``.

    Padding holds ``fill``.
    """
    cells = torch.from_numpy(cells_of(patching))
    patches = values[..., cells.clamp(min=0), :]  # [..., S, rows · columns, C]
    filled: Tensor = patches.masked_fill((cells == PADDING)[..., None], fill).flatten(-2)
    return filled


def to_frames(patches: Tensor, patching: Patching, fill: float = torch.nan) -> Tensor:
    """``[..., S, rows · columns · C]`` back to frames ``[..., H, W, C]``.

    A cell of no patch holds ``fill``.

    ``C`` is what the patches have for each cell: all channels of the grid, or some.
    """
    cells = torch.from_numpy(cells_of(patching))
    grid, count = patching.grid, cells.shape[1]
    values = patches.unflatten(-1, (count, -1)).flatten(-3, -2)  # [..., S · rows · columns, C]
    frames = values.new_full((*values.shape[:-2], grid.height * grid.width, values.shape[-1]), fill)
    real = cells.flatten() != PADDING
    frames[..., cells.flatten()[real], :] = values[..., real, :]
    block: Tensor = frames.unflatten(-2, (grid.height, grid.width))
    return block


def patch_channels(patching: Patching) -> tuple[Channel, ...]:
    """``slp[0,1]``: a quantity at the patch's row 0, column 1.

    Patches of one cell keep the plain name.
    """
    if patching.rows * patching.columns == 1:
        return patching.channels
    cells = [(row, column) for row in range(patching.rows) for column in range(patching.columns)]
    return tuple(
        Channel(name=f"{channel.name}[{row},{column}]", unit=channel.unit)
        for row, column in cells
        for channel in patching.channels
    )


def target_channels(patching: Patching, quantities: Sequence[int]) -> list[int]:
    """The channels of a patch that hold these quantities of its cells, in the order in which
    ``to_frames`` wants them.
    """
    count = len(patching.channels)
    return [
        cell * count + quantity
        for cell in range(patching.rows * patching.columns)
        for quantity in quantities
    ]


def _write(cells: SensorStore, patching: Patching, path: Path) -> None:
    manifest, readings = cells.manifest, cells.readings
    origin = Origin(
        name=manifest.name,
        source=manifest.source,
        attribution=manifest.attribution,
        positions=manifest.positions,
        patching=patching,
        clock=manifest.clock,
        missing=manifest.missing,
    )
    rows = max(1, BLOCK_VALUES // cells.ever_observed.size)
    with StoreWriter(
        path, origin, patch_channels(patching), _sensors(cells, patching), _edges(cells, patching)
    ) as store:
        for first in range(0, len(readings.time), rows):
            block = slice(first, first + rows)
            values, observed = (
                torch.from_numpy(np.array(part[block]))
                for part in (readings.values, readings.observed)
            )
            store.append(
                readings.time[block],
                to_patches(values, patching).numpy(),
                to_patches(observed, patching).numpy(),
            )


def _sensors(store: SensorStore, patching: Patching) -> Sensors:
    """Each patch by its cells that were ever observed: the others have no instrument."""
    cells, sensors = cells_of(patching), store.sensors
    seen = np.asarray(store.ever_observed.any(axis=1))
    members = [row[(row != PADDING) & seen[row]] for row in cells]
    groups = [{sensors.group[cell] for cell in member} for member in members]
    names = cell_ids(patching.lattice.height, patching.lattice.width)
    return Sensors(
        ids=tuple(names[place] for place in patching.places),
        positions=None
        if sensors.positions is None
        else np.stack([_centre(store, row[row != PADDING]) for row in cells]),
        cost=np.array([sensors.cost[member].sum() for member in members]),
        group=tuple(group.pop() if len(group) == 1 else "" for group in groups),
        pinned=np.array([sensors.pinned[member].any() for member in members]),
        excluded=np.array([sensors.excluded[member].all() for member in members]),
    )


def _centre(store: SensorStore, cells: np.ndarray) -> np.ndarray:
    """The mean position, on the short way around where longitudes jump from 180 to −180."""
    assert store.sensors.positions is not None
    positions = store.sensors.positions[cells]
    if store.manifest.positions != "lonlat":
        return np.asarray(positions.mean(axis=0))
    east = (positions[:, 0] - positions[0, 0] + 180) % 360 - 180
    return np.array([(positions[0, 0] + east.mean() + 180) % 360 - 180, positions[:, 1].mean()])


def _edges(cells: SensorStore, patching: Patching) -> Edges:
    """Neighbours in the lattice, both of which are sensors; around the earth as the cells are."""
    grid, lattice = patching.grid, patching.lattice
    wrap = wrap_of(cells.edges, grid.height, grid.width)
    every = grid_edges(lattice.height, lattice.width, wrap=wrap)
    index = np.full(lattice.height * lattice.width, PADDING)
    index[list(patching.places)] = np.arange(len(patching.places))
    source, target = index[every.source], index[every.target]
    both = (source != PADDING) & (target != PADDING)
    return Edges(source[both], target[both], every.weight[both])


def _name(cells: SensorStore, size: tuple[int, int]) -> str:
    """By content: the manifest has the digest, and the SHA-256 of costs and marks.

    In a store of an earlier version these are in the table of sensors.
    """
    content = hashlib.sha256(
        b"".join((cells.path / name).read_bytes() for name in (MANIFEST, SENSORS))
    )
    return f"patches-{size[0]}x{size[1]}-{content.hexdigest()[:20]}"
