"""Maps of masks over a grid: every patch where it lies, on or off, coloured by importance."""

from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from dynst.data.manifest import Patching
from dynst.data.patches import cells_of, to_frames
from dynst.data.store import SensorStore

__all__ = ["draw_grid_map"]

OFF, NO_DATA = "#c1272d", "#b8b8b8"
NOWHERE = -1
MAX_HATCHED = 2000  # patches; finer ones are distinguished by colour alone


def draw_grid_map(
    path: Path, store: SensorStore, active: np.ndarray, importance: np.ndarray, title: str
) -> None:
    """Patches that are on are filled by importance, those that are off are white and hatched, cells
    without data are grey.
    """
    layout = store.manifest.layout
    assert layout is not None
    owner = _owners(layout)
    blank = owner == NOWHERE
    blank |= ~_cells(store.ever_observed, layout, fill=0).any(-1)
    off = ~blank & ~active[owner]
    height, width = owner.shape
    figure = Figure(
        figsize=(9, float(np.clip(9 * height / width, 3, 9)) + 1.6), layout="constrained"
    )
    axes = figure.subplots()
    x, y, in_degrees = _axes(store, layout)
    kept = axes.pcolormesh(
        x, y, np.where(blank | off, np.nan, importance[owner]), cmap="viridis", zorder=1
    )
    axes.pcolormesh(x, y, np.where(blank, 1.0, np.nan), cmap=ListedColormap([NO_DATA]), zorder=1)
    if len(active) <= MAX_HATCHED:
        _hatch(axes, x, y, off)
        _outline(axes, x, y, owner)
    _label(axes, x, y, in_degrees)
    axes.set_title(title, fontsize=11)
    signs = [Patch(facecolor="white", edgecolor=OFF, hatch="////", label="off")]
    if blank.any():
        signs.append(Patch(facecolor=NO_DATA, label="never observed"))
    figure.legend(handles=signs, loc="outside lower center", ncols=2, frameon=False)
    figure.colorbar(
        kept, ax=axes, label="importance: error avoided by keeping the sensor", shrink=0.8
    )
    figure.savefig(path, dpi=110)


def _owners(layout: Patching) -> np.ndarray:
    """``[H, W]``: the sensor of each cell, −1 for none."""
    sensors = np.arange(len(layout.places)).reshape(-1, 1, 1)
    return _cells(
        np.broadcast_to(sensors, (*cells_of(layout).shape, 1)).reshape(len(sensors), -1),
        layout,
        fill=NOWHERE,
    )[..., 0]


def _cells(values: np.ndarray, layout: Patching, fill: float) -> np.ndarray:
    """``[S, rows · columns · C]`` to ``[H, W, C]``."""
    return to_frames(torch.from_numpy(np.array(values)), layout, fill).numpy()


def _axes(store: SensorStore, layout: Patching) -> tuple[np.ndarray, np.ndarray, bool]:
    """Edges of columns ``[W + 1]`` and of rows ``[H + 1]``: in degrees where these rise evenly with
    both, counted otherwise.
    """
    rows, columns = np.arange(layout.grid.height + 1) - 0.5, np.arange(layout.grid.width + 1) - 0.5
    positions, lattice = (
        store.sensors.positions,
        np.divmod(np.array(layout.places), layout.lattice.width),
    )
    if (
        positions is None
        or store.manifest.positions != "lonlat"
        or min(len(set(axis.tolist())) for axis in lattice) < 2
    ):
        return columns, rows, False
    cells = cells_of(layout)
    real = cells != NOWHERE
    row, column = (
        np.where(real, part, 0).sum(1) / real.sum(1) for part in np.divmod(cells, layout.grid.width)
    )
    east, north = (
        np.polynomial.Polynomial.fit(*pair, 1)
        for pair in ((column, positions[:, 0]), (row, positions[:, 1]))
    )
    even = np.allclose(east(column), positions[:, 0], atol=1e-2) and np.allclose(
        north(row), positions[:, 1], atol=1e-2
    )
    return (east(columns), north(rows), True) if even else (columns, rows, False)


def _hatch(axes: Axes, x: np.ndarray, y: np.ndarray, off: np.ndarray) -> None:
    cells = [
        [
            (x[column], y[row]),
            (x[column + 1], y[row]),
            (x[column + 1], y[row + 1]),
            (x[column], y[row + 1]),
        ]
        for row, column in np.argwhere(off)
    ]
    axes.add_collection(
        PolyCollection(
            cells, facecolors="white", edgecolors=OFF, hatch="////", linewidths=0, zorder=2
        )
    )


def _outline(axes: Axes, x: np.ndarray, y: np.ndarray, owner: np.ndarray) -> None:
    """A line wherever two cells belong to different sensors."""
    points = np.stack(np.meshgrid(x, y), axis=-1)
    across, down = owner[:, 1:] != owner[:, :-1], owner[1:] != owner[:-1]
    upright = [
        (points[row, column + 1], points[row + 1, column + 1])
        for row, column in np.argwhere(across)
    ]
    level = [
        (points[row + 1, column], points[row + 1, column + 1]) for row, column in np.argwhere(down)
    ]
    axes.add_collection(LineCollection(upright + level, colors="black", linewidths=0.8, zorder=3))


def _label(axes: Axes, x: np.ndarray, y: np.ndarray, in_degrees: bool) -> None:
    axes.set_xlim(x.min(), x.max())
    if in_degrees:
        axes.set_ylim(y.min(), y.max())
        axes.set_aspect(1 / max(0.1, float(np.cos(np.deg2rad(y.mean())))))
        axes.set(xlabel="longitude", ylabel="latitude")
    else:
        axes.set_ylim(y.max(), y.min())
        axes.set_aspect("equal")
        axes.set(xlabel="column", ylabel="row")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(integer=True))
