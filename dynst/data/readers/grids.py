"""From a block of cells to a row of sensors, and the graph of neighbouring cells."""

import numpy as np

from dynst.data.edges import Edges
from dynst.data.manifest import Channel, Grid
from dynst.data.readers.source import Source, array_blocks
from dynst.errors import DataError

__all__ = ["cell_ids", "cell_positions", "grid_edges", "grid_source"]


def grid_source(
    kind: str,
    time: np.ndarray,
    values: np.ndarray,
    channels: tuple[Channel, ...],
    *,
    timed: bool = True,
    notes: tuple[str, ...] = (),
) -> Source:
    """A source over ``values [N, height, width, C]``; cell (row, column) becomes sensor ``row * width + column``."""
    if values.ndim != 4 or not all(values.shape):
        raise DataError(
            f"a grid must have the axes time, row, column and channel, none of them empty, but has the shape {values.shape}"
        )
    steps, height, width, count = values.shape
    return Source(
        kind,
        cell_ids(height, width),
        channels,
        array_blocks(time, values.reshape(steps, height * width, count)),
        positions=cell_positions(height, width),
        geometry="plane",
        edges=grid_edges(height, width),
        grid=Grid(height=height, width=width),
        timed=timed,
        notes=notes,
    )


def cell_ids(height: int, width: int) -> tuple[str, ...]:
    return tuple(f"r{row}c{column}" for row in range(height) for column in range(width))


def cell_positions(height: int, width: int) -> np.ndarray:
    """``[S, 2]``: x is the column, y the row."""
    row, column = np.divmod(np.arange(height * width), width)
    return np.stack([column, row], axis=1).astype(float)


def grid_edges(height: int, width: int) -> Edges:
    """Each cell and its up to eight neighbours, both ways; the diagonal ones weigh less."""
    index = np.arange(height * width).reshape(height, width)
    pairs = [
        (index[:, 1:], index[:, :-1], 1.0),
        (index[1:], index[:-1], 1.0),
        (index[1:, 1:], index[:-1, :-1], 0.5),
        (index[1:, :-1], index[:-1, 1:], 0.5),
    ]
    source = np.concatenate([part.ravel() for one, other, _ in pairs for part in (one, other)])
    target = np.concatenate([part.ravel() for one, other, _ in pairs for part in (other, one)])
    weight = np.concatenate([np.full(one.size, value, np.float32) for one, _, value in pairs for _ in range(2)])
    return Edges(source, target, weight)
