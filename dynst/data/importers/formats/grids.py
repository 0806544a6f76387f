"""From a block of cells to a row of sensors."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from dynst.data.clock import SECONDS, Clock
from dynst.data.importers.report import Finding
from dynst.data.importers.sizes.declared import refuse_sensors
from dynst.data.importers.source import Block, Source, array_blocks
from dynst.data.lattice import cell_ids, cell_positions, grid_edges
from dynst.data.manifest import Channel, Grid
from dynst.errors import DataError

__all__ = ["grid_of", "grid_source"]


def grid_source(
    kind: str,
    time: np.ndarray,
    values: np.ndarray,
    channels: tuple[Channel, ...],
    *,
    clock: Clock = SECONDS,
    findings: tuple[Finding, ...] = (),
) -> Source:
    """A source over ``values [N, height, width, C]``.

    Cell (row, column) becomes sensor ``row * width + column``.
    """
    if values.ndim != 4 or not all(values.shape):
        raise DataError(
            f"a grid must have the axes time, row, column and channel, none of them empty, but "
            f"has the shape {values.shape}"
        )
    steps, height, width, count = values.shape
    flat = values.reshape(steps, height * width, count)
    return replace(
        grid_of(kind, (height, width), channels, array_blocks(time, flat)),
        clock=clock,
        findings=findings,
        num_steps=steps,
    )


def grid_of(
    kind: str,
    shape: tuple[int, int],
    channels: tuple[Channel, ...],
    blocks: Callable[[], Iterator[Block]],
) -> Source:
    """A source over the cells of ``shape``, whose blocks are ``[N, height * width, C]``."""
    height, width = shape
    refuse_sensors(height * width)
    return Source(
        kind,
        cell_ids(height, width),
        channels,
        blocks,
        positions=cell_positions(height, width),
        geometry="plane",
        edges=grid_edges(height, width),
        grid=Grid(height=height, width=width),
    )
