"""How the cells of a grid lie on a page: longitude to the right and latitude upwards, in whichever
order the file has them.
"""

from dataclasses import dataclass

import numpy as np

from dynst.data.manifest import Patching
from dynst.data.patches import cells_of
from dynst.data.store import SensorStore

__all__ = ["GridView", "grid_view"]

NOWHERE = -1
EVEN = 1e-2  # of a step: how far cells of one line may lie from each other
CIRCLE = 360.0


@dataclass(frozen=True)
class GridView:
    """Where each cell is drawn.

    Args:
        corners: ``[H + 1, W + 1, 2]``, x to the right and y upwards, unless ``down``.
        names: of the horizontal and the vertical axis.
        down: whether the vertical axis is counted from the top.
        left: whether the horizontal axis is counted from the right.
        in_degrees: whether the axes are longitude and latitude.
    """

    corners: np.ndarray
    names: tuple[str, str]
    down: bool = False
    left: bool = False
    in_degrees: bool = False

    @property
    def x_limits(self) -> tuple[float, float]:
        """From the left edge of the page to the right one."""
        low, high = float(self.corners[..., 0].min()), float(self.corners[..., 0].max())
        return (high, low) if self.left else (low, high)

    @property
    def y_limits(self) -> tuple[float, float]:
        """From the bottom of the page to its top."""
        low, high = float(self.corners[..., 1].min()), float(self.corners[..., 1].max())
        return (high, low) if self.down else (low, high)

    @property
    def aspect(self) -> float:
        """Length of a unit of y over that of x; a degree of longitude shrinks with latitude."""
        if not self.in_degrees:
            return 1.0
        middle = float(np.mean(self.y_limits))
        return 1 / max(0.1, float(np.cos(np.deg2rad(middle))))

    @property
    def shape(self) -> float:
        """Height of the figure over its width."""
        (left, right), (bottom, top) = self.x_limits, self.y_limits
        return self.aspect * abs(top - bottom) / max(abs(right - left), 1e-12)


@dataclass(frozen=True)
class _Line:
    """One coordinate along rows or columns: its value at each of them, and how far it strays."""

    index: np.ndarray
    values: np.ndarray
    stray: float

    @property
    def step(self) -> float:
        return float(np.median(np.abs(np.diff(self.values)))) if len(self.values) > 1 else 0.0

    @property
    def ordered(self) -> bool:
        steps = np.diff(self.values)
        return bool((steps > 0).all() or (steps < 0).all())

    def at(self, edges: np.ndarray, other_step: float) -> np.ndarray:
        """Between the lines, and beyond the first and the last as between their neighbours."""
        if len(self.values) == 1:
            alone: np.ndarray = self.values[0] + (edges - self.index[0]) * (other_step or 1.0)
            return alone
        inside: np.ndarray = np.interp(edges, self.index, self.values)
        for end, neighbour in ((0, 1), (-1, -2)):
            slope = (self.values[end] - self.values[neighbour]) / (
                self.index[end] - self.index[neighbour]
            )
            beyond = edges < self.index[0] if end == 0 else edges > self.index[-1]
            inside = np.where(beyond, self.values[end] + (edges - self.index[end]) * slope, inside)
        return inside


def grid_view(store: SensorStore, layout: Patching) -> GridView:
    """In the units of the sensors' positions where rows and columns follow them; counted, but
    turned to the north, where they do not.
    """
    positions, lonlat = store.sensors.positions, store.manifest.positions == "lonlat"
    if positions is None:
        return _counted(layout)
    row, column = _centres(layout)
    if not lonlat and np.allclose(positions, np.stack([column, row], axis=1)):
        return _counted(layout)
    x, y = positions[:, 0], positions[:, 1]
    lines = {
        turned: (
            _line(row if turned else column, x, lonlat),
            _line(column if turned else row, y, False),
        )
        for turned in (False, True)
    }
    straight = [turned for turned, pair in lines.items() if _straight(*pair)]
    if straight and _known(layout, lines[straight[0]], straight[0]):
        return _ruled(layout, lines[straight[0]], straight[0], lonlat)
    if not straight and len(layout.places) == layout.grid.height * layout.grid.width:
        bent = _bent(layout, positions, lonlat)
        if bent is not None:
            return bent
    return _turned(layout, row, column, positions, lonlat)


def _centres(layout: Patching) -> tuple[np.ndarray, np.ndarray]:
    """``[S]`` each: the row and the column of the middle of each sensor's cells."""
    cells = cells_of(layout)
    real = cells != NOWHERE
    row, column = (
        np.where(real, part, 0).sum(1) / real.sum(1) for part in np.divmod(cells, layout.grid.width)
    )
    return row, column


def _line(index: np.ndarray, values: np.ndarray, around: bool) -> _Line:
    """The value at each distinct index; around the earth on the short way."""
    lines, first, group = np.unique(index.round(6), return_index=True, return_inverse=True)
    start = values[first].astype(float)
    if around:
        start = np.unwrap(start, period=CIRCLE)
        offset = (values - start[group] + CIRCLE / 2) % CIRCLE - CIRCLE / 2
    else:
        offset = values - start[group]
    mean = start + np.bincount(group, offset) / np.bincount(group)
    stray = np.abs(start[group] + offset - mean[group]).max()
    return _Line(lines, mean, float(stray))


def _straight(x: _Line, y: _Line) -> bool:
    """Whether each coordinate changes from line to line alone."""
    return all(line.stray <= EVEN * (line.step or max(x.step, y.step)) for line in (x, y))


def _known(layout: Patching, lines: tuple[_Line, _Line], turned: bool) -> bool:
    """Whether the lines tell where every row and column is, and keep their order."""
    counts = (layout.grid.width, layout.grid.height)
    counts = counts[::-1] if turned else counts
    patch = (layout.columns, layout.rows)
    patch = patch[::-1] if turned else patch
    return all(
        line.ordered and (len(line.index) > 1 or count <= size)
        for line, count, size in zip(lines, counts, patch, strict=True)
    )


def _edges(layout: Patching) -> tuple[np.ndarray, np.ndarray]:
    grid = layout.grid
    return np.arange(grid.height + 1) - 0.5, np.arange(grid.width + 1) - 0.5


def _ruled(layout: Patching, lines: tuple[_Line, _Line], turned: bool, lonlat: bool) -> GridView:
    rows, columns = _edges(layout)
    across, along = (rows, columns) if turned else (columns, rows)
    x, y = lines[0].at(across, lines[1].step), lines[1].at(along, lines[0].step)
    if lonlat:
        y = np.clip(y, -90, 90)
    pair = np.meshgrid(x, y, indexing="ij") if turned else np.meshgrid(x, y)
    names = ("longitude", "latitude") if lonlat else ("x", "y")
    return GridView(np.stack(pair, axis=-1), names, in_degrees=lonlat)


def _bent(layout: Patching, positions: np.ndarray, lonlat: bool) -> GridView | None:
    """Cells of a grid whose lines are curves, each a quadrilateral between its neighbours."""
    height, width = layout.grid.height, layout.grid.width
    if min(height, width) < 2:
        return None
    centres = positions.reshape(height, width, 2).astype(float)
    if lonlat:
        centres[..., 0] = np.unwrap(centres[..., 0], axis=1, period=CIRCLE)
        first = np.unwrap(centres[:, 0, 0], period=CIRCLE)
        centres[..., 0] += (first - centres[:, 0, 0])[:, None]
    wide = np.pad(centres, ((1, 1), (1, 1), (0, 0)), mode="reflect", reflect_type="odd")
    corners = (wide[1:, 1:] + wide[1:, :-1] + wide[:-1, 1:] + wide[:-1, :-1]) / 4
    names = ("longitude", "latitude") if lonlat else ("x", "y")
    return GridView(corners, names, in_degrees=lonlat)


def _counted(layout: Patching, turned: bool = False, down: bool = True) -> GridView:
    rows, columns = _edges(layout)
    if turned:
        corners = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1)
        return GridView(corners, ("row", "column"), down=down)
    return GridView(np.stack(np.meshgrid(columns, rows), axis=-1), ("column", "row"), down=down)


def _turned(
    layout: Patching, row: np.ndarray, column: np.ndarray, positions: np.ndarray, lonlat: bool
) -> GridView:
    """Counted rows and columns, so that y rises upwards and x to the right as well as it goes."""
    y = positions[:, 1]
    slopes = [_slope(line, y) for line in (row, column)]
    turned = abs(slopes[1]) > abs(slopes[0])
    across = row if turned else column
    x = _line(across, positions[:, 0], lonlat)
    view = _counted(layout, turned, down=slopes[turned] < 0)
    return GridView(view.corners, view.names, view.down, left=_slope(x.index, x.values) < 0)


def _slope(index: np.ndarray, values: np.ndarray) -> float:
    """Correlation, 0 where either does not change."""
    if np.ptp(index) == 0 or np.ptp(values) == 0:
        return 0.0
    return float(np.corrcoef(index, values)[0, 1])
