"""Maps of sensors as dots: their places, or a lattice where these are unknown."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from dynst.data.sensor_table import Sensors

__all__ = ["lattice", "scale"]


def scale(axes: Axes, sensors: Sensors) -> None:
    """Proportions of a map of dots; no axes where places are unknown."""
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


def lattice(count: int) -> np.ndarray:
    """Places row by row for sensors without positions, ``[count, 2]``."""
    width = int(np.ceil(np.sqrt(count)))
    index = np.arange(count)
    return np.stack([index % width, -(index // width)], axis=1).astype(float)
