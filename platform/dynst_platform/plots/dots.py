"""Maps of sensors as dots: their places, or a lattice where these are unknown."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from dynst.data.sensor_table import Sensors

__all__ = ["IMPORTANCE", "lattice", "scale"]

IMPORTANCE = "importance: error that keeping the sensor avoids; below 0, error that it adds"


def scale(axes: Axes, sensors: Sensors, *, lonlat: bool) -> None:
    """Proportions of a map of dots; where places are unknown, words instead of axes."""
    if sensors.positions is None:
        axes.set_axis_off()
        axes.text(
            *(0.5, -0.01, "places unknown: sensors in their order"),
            transform=axes.transAxes,
            ha="center",
            va="top",
            fontsize=9,
        )
        return
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.ticklabel_format(useOffset=False)
    aspect = 1.0
    if lonlat:
        aspect = 1 / max(0.1, float(np.cos(np.deg2rad(sensors.positions[:, 1].mean()))))
        axes.set(xlabel="longitude", ylabel="latitude")
    axes.set_aspect(aspect, adjustable="datalim")


def lattice(count: int) -> np.ndarray:
    """Places row by row for sensors without positions, ``[count, 2]``."""
    width = int(np.ceil(np.sqrt(count)))
    index = np.arange(count)
    return np.stack([index % width, -(index // width)], axis=1).astype(float)
