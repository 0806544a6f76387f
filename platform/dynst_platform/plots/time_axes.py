"""Times of a store on an axis, as its own clock shows them."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import DAILY, AutoDateLocator, ConciseDateFormatter
from matplotlib.ticker import FuncFormatter, MaxNLocator

from dynst.data.clock import Clock

__all__ = ["label_times", "times_on_axis"]

TICKS = 6
DAYS = [1, 2, 7, 14]  # others crowd at the end of a month


def times_on_axis(time: np.ndarray, clock: Clock) -> np.ndarray:
    """Local dates, months, or plain numbers where the calendar has dates that datetimes have not.

    Args:
        time: int64 in the unit of ``clock``.
        clock: of the store.
    """
    if clock.unit == "month":
        return time.astype("datetime64[M]").astype("datetime64[s]")
    if clock.has_datetimes:
        return clock.local(time).astype("datetime64[s]")
    return time


class _Labels(ConciseDateFormatter):
    """Short labels; below the first stands the date that all of them leave out, which otherwise
    would be that of the last one, at the end of the axis.
    """

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        super().format_ticks(values[::-1])  # type: ignore[no-untyped-call]
        of_first: str = self.get_offset()  # type: ignore[no-untyped-call]
        labels: list[str] = super().format_ticks(values)  # type: ignore[no-untyped-call]
        self._offset_string = ""
        if labels and of_first:
            within = of_first.endswith(labels[0])
            labels[0] = of_first if within else f"{labels[0]}\n{of_first}"
        return labels


def label_times(axes: Axes, clock: Clock) -> None:
    """Few ticks, and labels as short as they may be."""
    axis = axes.xaxis
    axes.margins(x=0.01)
    if clock.unit == "step":
        axis.set_major_locator(MaxNLocator(TICKS, integer=True))
        axes.set_xlabel("step")
        return
    if clock.unit == "month" or clock.has_datetimes:
        dates = AutoDateLocator(minticks=3, maxticks=TICKS + 2)  # type: ignore[no-untyped-call]
        dates.intervald[DAILY] = DAYS
        axis.set_major_locator(dates)
        axis.set_major_formatter(_Labels(dates))  # type: ignore[no-untyped-call]
    else:
        axis.set_major_locator(MaxNLocator(4))
        axis.set_major_formatter(FuncFormatter(lambda value, _: clock.label(round(value))[:10]))
    if clock.unit == "month":
        axes.set_xlabel("month")
    elif clock.calendar != "standard":
        axes.set_xlabel(f"time, calendar {clock.calendar}")
    else:
        axes.set_xlabel(f"time, zone {clock.zone}" if clock.zone else "time")
