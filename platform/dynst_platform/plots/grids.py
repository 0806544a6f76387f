"""Maps of masks over a grid: every patch where it lies, on or off, coloured by importance."""

from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection, QuadMesh
from matplotlib.colors import Colormap, ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from dynst.data.manifest import Patching
from dynst.data.patches import cells_of, to_frames
from dynst.data.store import SensorStore
from dynst_platform.plots.dots import IMPORTANCE
from dynst_platform.plots.figures import plain_texts, title_text
from dynst_platform.plots.grid_view import GridView, grid_view

__all__ = ["draw_cells", "draw_grid_map", "frame"]

OFF, NO_DATA = "#c1272d", "#b8b8b8"
NOWHERE = -1
SLIM = 0.05  # height over width, or width over height, from which a true scale is no use
MAX_HATCHED = 2000  # patches; finer ones are distinguished by colour alone


@plain_texts
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
    view = grid_view(store, layout)
    figure = Figure(figsize=(9, float(np.clip(9 * view.shape, 2, 9)) + 1.6), layout="constrained")
    axes = figure.subplots()
    kept = draw_cells(axes, view, np.where(blank | off, np.nan, importance[owner]))
    draw_cells(axes, view, np.where(blank, 1.0, np.nan), ListedColormap([NO_DATA]))
    if len(active) <= MAX_HATCHED:
        _hatch(axes, view.corners, off)
        _outline(axes, view.corners, owner)
    frame(axes, view)
    axes.set_title(title_text(title), fontsize=11)
    signs = [Patch(facecolor="white", edgecolor=OFF, hatch="////", label="off")]
    if blank.any():
        signs.append(Patch(facecolor=NO_DATA, label="never observed"))
    figure.legend(handles=signs, loc="outside lower center", ncols=2, frameon=False)
    figure.colorbar(kept, ax=axes, label=IMPORTANCE, shrink=0.8)
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


def draw_cells(
    axes: Axes, view: GridView, values: np.ndarray, colours: Colormap | str = "viridis"
) -> QuadMesh:
    """Fill the cells ``values [H, W]``; NaN is left white."""
    corners = view.corners
    return axes.pcolormesh(corners[..., 0], corners[..., 1], values, cmap=colours, zorder=1)


def frame(axes: Axes, view: GridView) -> None:
    """Limits, names and proportions of the axes of a grid."""
    axes.set_xlim(*view.x_limits)
    axes.set_ylim(*view.y_limits)
    axes.set_aspect(view.aspect if SLIM < view.shape < 1 / SLIM else "auto")
    axes.set(xlabel=view.names[0], ylabel=view.names[1])
    counted = view.names in {("column", "row"), ("row", "column")}
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(6, integer=counted))


def _hatch(axes: Axes, corners: np.ndarray, off: np.ndarray) -> None:
    cells = [
        corners[[row, row, row + 1, row + 1], [column, column + 1, column + 1, column]]
        for row, column in np.argwhere(off)
    ]
    axes.add_collection(
        PolyCollection(
            cells, facecolors="white", edgecolors=OFF, hatch="////", linewidths=0, zorder=2
        )
    )


def _outline(axes: Axes, corners: np.ndarray, owner: np.ndarray) -> None:
    """A line wherever two cells belong to different sensors."""
    across, down = owner[:, 1:] != owner[:, :-1], owner[1:] != owner[:-1]
    between_columns = [
        corners[[row, row + 1], [column + 1, column + 1]] for row, column in np.argwhere(across)
    ]
    between_rows = [
        corners[[row + 1, row + 1], [column, column + 1]] for row, column in np.argwhere(down)
    ]
    lines = between_columns + between_rows
    axes.add_collection(LineCollection(lines, colors="black", linewidths=0.8, zorder=3))
