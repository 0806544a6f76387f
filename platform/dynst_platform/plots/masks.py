"""Maps of masks: sensors where they stand, on or off, coloured by importance."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from dynst.data.sensor_table import Sensors
from dynst.data.store import SensorStore
from dynst_platform.plots.grids import draw_grid_map

__all__ = ["draw_mask", "draw_sensor_map", "draw_store"]

MAX_NAMES = 40
OFF = "#c1272d"
HALO = [withStroke(linewidth=2, foreground="white")]


def draw_sensor_map(
    path: Path, sensors: Sensors, active: np.ndarray, importance: np.ndarray, title: str
) -> None:
    """Write a PNG: a map, and for small networks the list of names beside it.

    Sensors without positions are laid out row by row in their order.
    """
    named = len(sensors) <= MAX_NAMES
    figure = Figure(figsize=(10.5 if named else 8, 7), layout="constrained")
    axes, *rest = figure.subplots(1, 2, width_ratios=[1.5, 1]) if named else [figure.subplots()]
    places = _lattice(len(sensors)) if sensors.positions is None else sensors.positions
    size = float(np.clip(9000 / len(sensors), 8, 100))
    on, off = places[active], places[~active]
    kept = axes.scatter(
        on[:, 0],
        on[:, 1],
        c=importance[active],
        cmap="viridis",
        s=size,
        edgecolors="black",
        label="on",
        zorder=2,
    )
    axes.scatter(
        off[:, 0],
        off[:, 1],
        facecolors="white",
        edgecolors=OFF,
        marker="s",
        s=size,
        label="off",
        zorder=3,
    )
    axes.set_title(title, fontsize=11)
    axes.legend(loc="lower left", framealpha=0.9)
    axes.margins(0.08)
    _scale(axes, sensors)
    figure.colorbar(
        kept, ax=axes, label="importance: error avoided by keeping the sensor", shrink=0.7
    )
    if named:
        _number(axes, places, active)
        _list_names(rest[0], sensors, active)
    figure.savefig(path, dpi=110)


def draw_mask(
    path: Path, store: SensorStore, active: np.ndarray, importance: np.ndarray, title: str
) -> None:
    """Write a PNG of which sensors are on: an image of the grid where there is one, a map of dots
    elsewhere.
    """
    if store.manifest.layout is None:
        draw_sensor_map(path, store.sensors, active, importance, title)
    else:
        draw_grid_map(path, store, active, importance, title)


def _scale(axes: Axes, sensors: Sensors) -> None:
    if sensors.positions is None:
        axes.set_axis_off()
        return
    axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.ticklabel_format(useOffset=False)
    if np.abs(sensors.positions).max() <= 180 and np.abs(sensors.positions[:, 1]).max() <= 90:
        axes.set_aspect(
            1 / max(0.1, float(np.cos(np.deg2rad(sensors.positions[:, 1].mean())))),
            adjustable="datalim",
        )
    else:
        axes.set_aspect("equal", adjustable="datalim")


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
        text = f"{row + 1})  {name}" + ("" if on else "  (off)")
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


def _lattice(count: int) -> np.ndarray:
    width = int(np.ceil(np.sqrt(count)))
    index = np.arange(count)
    return np.stack([index % width, -(index // width)], axis=1).astype(float)


def draw_store(path: Path, store: SensorStore) -> None:
    """One PNG of a sensor store: where sensors stand (or the grid), a few series, and when readings
    are missing.
    """
    figure = Figure(figsize=(13, 7), layout="constrained")
    places, series, missing = (
        figure.add_subplot(*shape) for shape in ((1, 2, 1), (2, 2, 2), (2, 2, 4))
    )
    _draw_means(places, store)
    _draw_series(series, store)
    _draw_missing(missing, store)
    figure.suptitle(store.manifest.name)
    figure.savefig(path, dpi=100)


def _draw_means(axes: Axes, store: SensorStore) -> None:
    readings, channel = store.readings, store.manifest.channels[0]
    rows = np.linspace(0, len(readings.time) - 1, min(len(readings.time), 200)).astype(int)
    seen = readings.observed[rows, :, 0]
    mean = np.where(seen, readings.values[rows, :, 0], 0).sum(0) / np.maximum(seen.sum(0), 1)
    mean = np.where(seen.any(0), mean, np.nan)
    label = f"mean {channel.name} {channel.unit}".rstrip()
    grid = store.manifest.grid
    if grid is not None:
        image: ScalarMappable = axes.imshow(
            mean.reshape(grid.height, grid.width), aspect="auto", cmap="viridis"
        )
        axes.set_xlabel("column")
        axes.set_ylabel("row")
    else:
        places = _lattice(len(mean)) if store.sensors.positions is None else store.sensors.positions
        size = float(np.clip(9000 / len(mean), 4, 80))
        image = axes.scatter(
            places[:, 0],
            places[:, 1],
            c=mean,
            s=size,
            cmap="viridis",
            edgecolors="black",
            linewidths=0.3,
        )
        _scale(axes, store.sensors)
    axes.figure.colorbar(image, ax=axes, label=label, location="bottom", shrink=0.8)


def _draw_series(axes: Axes, store: SensorStore) -> None:
    readings = store.readings
    rows = slice(0, min(len(readings.time), 2000))
    time = (
        readings.time[rows].astype("datetime64[s]")
        if store.manifest.timed
        else np.arange(len(readings.time[rows]))
    )
    for sensor in np.linspace(0, len(store.sensors) - 1, min(4, len(store.sensors))).astype(int):
        values = np.where(
            readings.observed[rows, sensor, 0], readings.values[rows, sensor, 0], np.nan
        )
        axes.plot(time, values, linewidth=0.8, label=store.sensors.ids[sensor])
    axes.set_ylabel(f"{store.manifest.channels[0].name} {store.manifest.channels[0].unit}".rstrip())
    axes.legend(fontsize=7, loc="upper right")
    axes.set_title("the first steps of a few sensors", fontsize=10)


def _draw_missing(axes: Axes, store: SensorStore) -> None:
    readings = store.readings
    rows = slice(0, min(len(readings.time), 2000))
    time = (
        readings.time[rows].astype("datetime64[s]")
        if store.manifest.timed
        else np.arange(len(readings.time[rows]))
    )
    axes.fill_between(time, 1 - readings.observed[rows].mean(axis=(1, 2)), step="mid", color=OFF)
    axes.set_ylim(0, 1)
    axes.set_ylabel("share missing")
    axes.set_xlabel("time" if store.manifest.timed else "step")
    axes.tick_params(axis="x", rotation=20)
