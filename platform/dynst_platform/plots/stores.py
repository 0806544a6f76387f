"""One figure of a sensor store: where sensors stand, a few series, when readings are missing."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from dynst.data.store import SensorStore
from dynst_platform.plots.dots import lattice, scale
from dynst_platform.plots.figures import label, plain_texts, title_text
from dynst_platform.plots.grid_view import grid_view
from dynst_platform.plots.grids import draw_cells, frame
from dynst_platform.plots.time_axes import label_times, times_on_axis

__all__ = ["draw_store"]

OFF, MAX_NAME = "#c1272d", 18
NAMED = 30  # sensors whose names stand beside their dots
SHOWN_STEPS, SHOWN_SERIES, AVERAGED_STEPS = 2000, 4, 200
MAX_VALUES = 2**25  # that one panel reads


@plain_texts
def draw_store(path: Path, store: SensorStore) -> None:
    """Write a PNG: a map, or the grid, beside the first steps of a few sensors and the share of
    missing readings.
    """
    figure = Figure(figsize=(13, 7), layout="constrained")
    axes = figure.subplot_mosaic([["places", "series"], ["places", "missing"]])
    _draw_means(axes["places"], store)
    _draw_series(axes["series"], store)
    _draw_missing(axes["missing"], store)
    figure.suptitle(title_text(store.manifest.name))
    figure.savefig(path, dpi=100)


def _draw_means(axes: Axes, store: SensorStore) -> None:
    manifest = store.manifest
    channel, mean = manifest.channels[0], _means(store)
    quantity = label(f"mean {channel.name} {channel.unit}".rstrip())
    if manifest.grid is not None and manifest.layout is not None:
        view = grid_view(store, manifest.layout)
        grid = manifest.grid
        image: ScalarMappable = draw_cells(axes, view, mean.reshape(grid.height, grid.width))
        frame(axes, view)
    else:
        places = lattice(len(mean)) if store.sensors.positions is None else store.sensors.positions
        size = float(np.clip(9000 / len(mean), 4, 80))
        image = axes.scatter(
            places[:, 0],
            places[:, 1],
            c=mean,
            s=size,
            cmap="viridis",
            edgecolors="black",
            linewidths=0.3 if size > 4 else 0,
        )
        scale(axes, store.sensors, lonlat=manifest.positions == "lonlat")
        if len(places) <= NAMED:
            _name(axes, places, store.sensors.ids)
    axes.figure.colorbar(image, ax=axes, label=quantity, location="bottom", shrink=0.8)


def _name(axes: Axes, places: np.ndarray, ids: Sequence[str]) -> None:
    """Names beside dots; sensors at one place share a label."""
    _, group = np.unique(places, axis=0, return_inverse=True)
    for member in np.unique(group):
        rows = np.flatnonzero(group == member)
        axes.annotate(
            label(", ".join(ids[row] for row in rows.tolist())),
            tuple(places[rows[0]]),
            xytext=(0, 7),
            textcoords="offset points",
            ha="center",
            fontsize=7,
            path_effects=[withStroke(linewidth=2, foreground="white")],
        )
    axes.margins(0.15)


def _means(store: SensorStore) -> np.ndarray:
    """``[S]``: of steps all over the series, NaN where a sensor has no reading in them."""
    readings, count = store.readings, len(store.sensors)
    steps = max(2, min(AVERAGED_STEPS, MAX_VALUES // count))
    rows = np.unique(np.linspace(0, len(readings.time) - 1, steps).astype(int))
    total, seen = np.zeros(count), np.zeros(count)
    for row in rows.tolist():
        observed = readings.observed[row, :, 0]
        total += np.where(observed, readings.values[row, :, 0], 0)
        seen += observed
    return np.where(seen > 0, total / np.maximum(seen, 1), np.nan)


def _draw_series(axes: Axes, store: SensorStore) -> None:
    readings, manifest = store.readings, store.manifest
    rows = slice(0, min(len(readings.time), SHOWN_STEPS))
    time = times_on_axis(readings.time[rows], manifest.clock)
    seen = np.flatnonzero(readings.observed[rows, :, 0].any(0))
    seen = seen if len(seen) else np.arange(len(store.sensors))
    chosen = np.linspace(0, len(seen) - 1, min(SHOWN_SERIES, len(seen))).astype(int)
    for sensor in seen[chosen].tolist():
        values = np.where(
            readings.observed[rows, sensor, 0], readings.values[rows, sensor, 0], np.nan
        )
        axes.plot(time, values, linewidth=0.8, label=label(store.sensors.ids[sensor], MAX_NAME))
    channel = manifest.channels[0]
    axes.set_ylabel(label(f"{channel.name} {channel.unit}".rstrip()))
    names = axes.legend(fontsize=7, loc="lower left", bbox_to_anchor=(0, 1), ncols=4, frameon=False)
    names.set_in_layout(False)
    axes.set_title("the first steps of a few sensors", fontsize=10, pad=20)
    label_times(axes, manifest.clock)


def _draw_missing(axes: Axes, store: SensorStore) -> None:
    readings, manifest = store.readings, store.manifest
    last = min(len(readings.time), SHOWN_STEPS)
    size = int(np.prod(readings.observed.shape[1:]))
    count = max(2, min(last, MAX_VALUES // size))
    rows = np.unique(np.linspace(0, last - 1, count).astype(int))
    missing = [1 - float(readings.observed[row].mean()) for row in rows.tolist()]
    time = times_on_axis(readings.time[rows], manifest.clock)
    axes.fill_between(time, missing, step="mid", color=OFF)
    axes.set_ylim(0, 1)
    axes.set_ylabel("share missing")
    label_times(axes, manifest.clock)
