"""How the columns of a model's tables are called: readings and forecasts, beside ``time``."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from dynst.models.artifact import Description

__all__ = ["TIME", "forecast_columns", "input_columns", "output_columns", "reading_columns"]

TIME = "time"


def reading_columns(description: Description) -> list[str]:
    """One column for each active sensor and channel, sensors outermost: the order of the model's
    readings.
    """
    names = _names(description, range(len(description.channels)))
    return [name for row in names[np.array(description.active)] for name in row]


def input_columns(description: Description) -> list[str]:
    """Those of the reading columns that can hold a reading.

    A patch of a grid may have some that cannot.
    """
    channels = range(len(description.channels))
    return _known(description, channels, np.flatnonzero(description.active))


def forecast_columns(description: Description) -> list[str]:
    """One column for each location and target, locations outermost."""
    return [name for row in _names(description, description.targets) for name in row]


def output_columns(description: Description) -> list[str]:
    """Those of the forecast columns that can hold a forecast."""
    return _known(description, description.targets, range(len(description.sensors)))


def _known(
    description: Description, channels: Sequence[int], sensors: Sequence[int] | np.ndarray
) -> list[str]:
    names, blank = _names(description, channels), set(description.blank)
    return [
        names[sensor, place]
        for sensor in sensors
        for place, channel in enumerate(channels)
        if len(channels) == 1 or (sensor, channel) not in blank
    ]


def _names(description: Description, channels: Sequence[int]) -> np.ndarray:
    """``[S, C]``: the sensor's id where there is one channel, else ``sensor/channel``.

    An id that would be called ``time`` is ``time/channel``. Of names that would be alike the later
    ones get a number: ``a/b/c (2)``.
    """
    names, taken = np.empty((len(description.sensors), len(channels)), object), {TIME}
    wanted = list(_wanted(description, channels))
    unique = {name for name, count in Counter(wanted).items() if count == 1}
    for place, name in enumerate(wanted):
        number, free = 2, name
        while free in taken or (free != name and free in unique):
            free, number = f"{name} ({number})", number + 1
        taken.add(free)
        names.flat[place] = free
    return names


def _wanted(description: Description, channels: Sequence[int]) -> Iterator[str]:
    for sensor in description.sensors:
        for channel in channels:
            alone = len(channels) == 1 and sensor != TIME
            yield sensor if alone else f"{sensor}/{description.channels[channel]}"
