"""The lattice of a grid: the names, places and neighbours of its cells."""

from typing import Literal

import numpy as np

from dynst.data.edges import Edges

__all__ = ["Wrap", "cell_ids", "cell_positions", "grid_edges", "wrap_of"]

Wrap = Literal["columns", "rows"]
LEAST_AROUND = 3  # of fewer, the last already is a neighbour of the first


def cell_ids(height: int, width: int) -> tuple[str, ...]:
    return tuple(f"r{row}c{column}" for row in range(height) for column in range(width))


def cell_positions(height: int, width: int) -> np.ndarray:
    """``[S, 2]``: x is the column, y the row."""
    row, column = np.divmod(np.arange(height * width), width)
    return np.stack([column, row], axis=1).astype(float)


def grid_edges(height: int, width: int, *, wrap: Wrap | None = None) -> Edges:
    """Each cell and its up to eight neighbours, both ways; the diagonal ones weigh less.

    Args:
        height: rows.
        width: columns.
        wrap: "columns" where the last column is a neighbour of the first, as on a grid around the
            earth; "rows" where the last row is one of the first.
    """
    index = np.arange(height * width).reshape(height, width)
    if wrap == "columns" and width >= LEAST_AROUND:
        index = np.concatenate([index, index[:, :1]], axis=1)
    elif wrap == "rows" and height >= LEAST_AROUND:
        index = np.concatenate([index, index[:1]], axis=0)
    along_rows, along_columns = index, index  # without the pairs that a repeated line would double
    if wrap == "columns" and width >= LEAST_AROUND:
        along_columns = index[:, :-1]
    elif wrap == "rows" and height >= LEAST_AROUND:
        along_rows = index[:-1]
    pairs = [
        (along_rows[:, 1:], along_rows[:, :-1], 1.0),
        (along_columns[1:], along_columns[:-1], 1.0),
        (index[1:, 1:], index[:-1, :-1], 0.5),
        (index[1:, :-1], index[:-1, 1:], 0.5),
    ]
    source = np.concatenate([part.ravel() for one, other, _ in pairs for part in (one, other)])
    target = np.concatenate([part.ravel() for one, other, _ in pairs for part in (other, one)])
    weight = np.concatenate(
        [np.full(one.size, value, np.float32) for one, _, value in pairs for _ in range(2)]
    )
    return Edges(source, target, weight)


def wrap_of(edges: Edges, height: int, width: int) -> Wrap | None:
    """In which direction the edges of a grid's cells join its last line to its first."""
    ways: tuple[tuple[Wrap, int, int], ...] = (
        ("columns", width, width - 1),
        ("rows", height, (height - 1) * width),
    )
    for wrap, size, last in ways:
        if size >= LEAST_AROUND and ((edges.source == 0) & (edges.target == last)).any():
            return wrap
    return None
