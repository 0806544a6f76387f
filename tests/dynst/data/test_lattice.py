"""Neighbours on a lattice, flat or around the earth."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynst.data.lattice import Wrap, cell_ids, cell_positions, grid_edges, wrap_of
from dynst.data.manifest import Channel, Grid
from dynst.data.patches import patched_store
from dynst.data.sensor_table import Sensors
from dynst.data.store import open_store
from dynst.data.writer import Origin, StoreWriter


def neighbours(height: int, width: int, wrap: Wrap | None) -> dict[tuple[int, int], float]:
    """Cell by cell, as one would count them on paper."""
    found = {}
    for row in range(height):
        for column in range(width):
            for down in (-1, 0, 1):
                for across in (-1, 0, 1):
                    there = [row + down, column + across]
                    if wrap == "columns" and width >= 3:
                        there[1] %= width
                    if wrap == "rows" and height >= 3:
                        there[0] %= height
                    inside = 0 <= there[0] < height and 0 <= there[1] < width
                    if (down or across) and inside:
                        pair = (row * width + column, there[0] * width + there[1])
                        found[pair] = 0.5 if down and across else 1.0
    return found


@given(
    height=st.integers(1, 6),
    width=st.integers(1, 6),
    wrap=st.sampled_from([None, "columns", "rows"]),
)
def test_every_cell_knows_its_neighbours_once(height: int, width: int, wrap: Wrap | None) -> None:
    edges = grid_edges(height, width, wrap=wrap)
    pairs = list(zip(edges.source.tolist(), edges.target.tolist(), strict=True))
    assert len(set(pairs)) == len(pairs)
    around = {"columns": width, "rows": height}.get(wrap or "", 0) >= 3
    assert wrap_of(edges, height, width) == (wrap if around else None)
    assert dict(zip(pairs, edges.weight.tolist(), strict=True)) == neighbours(height, width, wrap)


@pytest.mark.parametrize("width", [1, 2])
def test_the_last_of_two_columns_already_is_a_neighbour(width: int) -> None:
    assert len(grid_edges(3, width, wrap="columns")) == len(grid_edges(3, width))


def test_patches_of_a_grid_around_the_earth_are_joined_too(tmp_path: Path) -> None:
    origin = Origin("globe", positions="plane", grid=Grid(height=4, width=12))
    sensors = Sensors(cell_ids(4, 12), cell_positions(4, 12))
    edges = grid_edges(4, 12, wrap="columns")
    with StoreWriter(tmp_path / "cells", origin, [Channel(name="t")], sensors, edges) as store:
        store.append(3600 * np.arange(4), np.ones((4, 48, 1)))
    patches = patched_store(open_store(tmp_path / "cells"), (2, 3), tmp_path)
    right = grid_edges(2, 4, wrap="columns")
    np.testing.assert_array_equal(patches.edges.source, right.source)
    np.testing.assert_array_equal(patches.edges.target, right.target)
