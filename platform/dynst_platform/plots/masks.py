"""Maps of masks: sensors where they stand, on or off, coloured by importance."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import Collection, PathCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from dynst.data.sensor_table import Sensors
from dynst.data.store import SensorStore
from dynst_platform.plots.dots import IMPORTANCE, lattice, scale
from dynst_platform.plots.figures import label, plain_texts, title_text
from dynst_platform.plots.grids import draw_grid_map
from dynst_platform.plots.stores import draw_store

__all__ = ["draw_mask", "draw_sensor_map", "draw_store"]

MAX_NAMES = 40
MAX_DOTS = 20_000  # more would hide one another
CELLS = 120  # across a map of more
OFF = "#c1272d"
HALO = [withStroke(linewidth=2, foreground="white")]


@plain_texts
def draw_sensor_map(
    path: Path,
    sensors: Sensors,
    active: np.ndarray,
    importance: np.ndarray,
    title: str,
    *,
    lonlat: bool,
) -> None:
    """Write a PNG: a map, and for small networks the list of names beside it; of very many
    sensors the share that is on in each place.

    Sensors without positions are laid out row by row in their order.
    """
    named = len(sensors) <= MAX_NAMES
    figure = Figure(figsize=(10.5 if named else 8, 7), layout="constrained")
    axes, *rest = figure.subplots(1, 2, width_ratios=[1.5, 1]) if named else [figure.subplots()]
    places = lattice(len(sensors)) if sensors.positions is None else sensors.positions
    drawn: Collection
    if len(sensors) > MAX_DOTS:
        drawn, meaning = _shares(axes, places, active), "share of the sensors that are on"
    else:
        drawn, meaning = _dots(axes, places, active, importance), IMPORTANCE
        axes.legend(loc="best" if named else "lower left", framealpha=0.9)
    axes.set_title(title_text(title), fontsize=11)
    axes.margins(0.08)
    scale(axes, sensors, lonlat=lonlat)
    figure.colorbar(drawn, ax=axes, label=meaning, shrink=0.7)
    if named:
        _number(axes, places, active)
        _list_names(rest[0], sensors, active)
    figure.savefig(path, dpi=110)


def _dots(
    axes: Axes, places: np.ndarray, active: np.ndarray, importance: np.ndarray
) -> PathCollection:
    """A dot for each sensor that is on, coloured by importance, and a square for each that is
    off.
    """
    size = float(np.clip(9000 / len(places), 4, 100))
    edge = min(1.0, size / 30)
    on, off = places[active], places[~active]
    kept = axes.scatter(
        on[:, 0],
        on[:, 1],
        c=importance[active],
        cmap="viridis",
        s=size,
        edgecolors="black",
        linewidths=edge,
        label="on",
        zorder=2,
    )
    axes.scatter(
        off[:, 0],
        off[:, 1],
        facecolors="none",  # what is on at the same place is seen inside
        edgecolors=OFF,
        marker="s",
        s=1.5 * size,
        linewidths=max(edge, 0.3),
        label="off",
        zorder=3,
    )
    return kept


def _shares(axes: Axes, places: np.ndarray, active: np.ndarray) -> PolyCollection:
    """Of the sensors in each cell the share that is on."""
    east, north = places.T
    on = active.astype(float)
    return axes.hexbin(east, north, C=on, gridsize=CELLS, cmap="viridis", vmin=0, vmax=1)


def draw_mask(
    path: Path, store: SensorStore, active: np.ndarray, importance: np.ndarray, title: str
) -> None:
    """Write a PNG of which sensors are on: an image of the grid where there is one, a map of dots
    elsewhere.
    """
    if store.manifest.layout is None:
        lonlat = store.manifest.positions == "lonlat"
        draw_sensor_map(path, store.sensors, active, importance, title, lonlat=lonlat)
    else:
        draw_grid_map(path, store, active, importance, title)


def _number(axes: Axes, places: np.ndarray, active: np.ndarray) -> None:
    """Number sensors as in the list; sensors at one place share a label."""
    _, group = np.unique(places, axis=0, return_inverse=True)
    for member in np.unique(group):
        rows = np.flatnonzero(group == member)
        text = ", ".join(str(row + 1) for row in rows)
        label = axes.annotate(
            text, places[rows[0]], xytext=(6, 5), textcoords="offset points", fontsize=8, zorder=4
        )
        label.set(color="black" if active[rows].all() else OFF, path_effects=HALO)


def _list_names(axes: Axes, sensors: Sensors, active: np.ndarray) -> None:
    axes.set_axis_off()
    for row, (name, on) in enumerate(zip(sensors.ids, active, strict=True)):
        text = f"{row + 1})  {label(name)}" + ("" if on else "  (off)")
        height = 1 - (row + 0.5) / len(sensors)
        axes.text(
            0,
            height,
            text,
            transform=axes.transAxes,
            fontsize=9,
            va="center",
            color="black" if on else OFF,
        )
