"""The lattice of a grid: the names, places and neighbours of its cells."""

import numpy as np

from dynst.data.edges import Edges

__all__ = ["cell_ids", "cell_positions", "grid_edges"]


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
    weight = np.concatenate(
        [np.full(one.size, value, np.float32) for one, _, value in pairs for _ in range(2)]
    )
    return Edges(source, target, weight)
