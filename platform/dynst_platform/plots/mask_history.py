"""A figure of a mask's history: which sensors were on after each update, and their importance."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from dynst_platform.plots.figures import label, plain_texts

__all__ = ["draw_mask_history"]

MAX_NAMES, MAX_TICKS = 45, 16
MAX_ROWS = 2_000  # more than the figure has pixels
ROBUST = (
    2,
    95,
)  # percentiles between which colours run: one sensor of great importance must not hide the others
OFF, BAR = "#ececec", "#4c78a8"


@plain_texts
def draw_mask_history(
    path: Path,
    names: tuple[str, ...],
    steps: np.ndarray,
    active: np.ndarray,
    importance: np.ndarray,
    time_on: np.ndarray,
) -> None:
    """Write a PNG: importance over the updates, blank where a sensor is off, and beside it the
    share of time each was on.

    Args:
        steps: training step of each update ``[U]``.
        active, importance: ``[U, S]``.
        time_on: share of time on since the first update, ``[S]``; sensors are sorted by it, longest
            on at the top.
    """
    order = np.lexsort((-importance[-1], -time_on))
    every = -(-len(names) // MAX_ROWS)
    order = order[::every]
    named = len(names) <= MAX_NAMES
    figure = Figure(
        figsize=(11, float(np.clip(2 + 0.24 * len(names), 5, 11))), layout="constrained"
    )
    heat, bars = figure.subplots(1, 2, width_ratios=[4, 1], sharey=True)
    shown = np.ma.masked_array(importance, ~active).T[order]
    low, high = np.percentile(shown.compressed(), ROBUST)
    image = heat.imshow(
        shown, aspect="auto", interpolation="nearest", vmin=low, vmax=high, extent=_extent(shown)
    )
    heat.set_facecolor(OFF)
    _label_updates(heat, steps)
    heat.set_title(
        f"Sensors on after each update, and their importance: {active[-1].sum()} of {len(names)} "
        f"are left",
        fontsize=11,
    )
    heat.set_yticks(
        np.arange(len(names)) if named else [],
        [label(names[row]) for row in order] if named else [],
        fontsize=8,
    )
    if not named:
        drawn = f", one in {every} drawn" if every > 1 else ""
        heat.set_ylabel(f"{len(names)} sensors, longest on at the top{drawn}")
    figure.legend(
        handles=[Patch(facecolor=OFF, edgecolor="grey", label="off")],
        loc="outside lower right",
        fontsize=9,
    )
    bars.stairs(
        time_on[order],
        np.arange(len(order) + 1) - 0.5,
        orientation="horizontal",
        fill=True,
        color=BAR,
    )
    bars.set_xlim(0, 1)
    bars.xaxis.set_major_formatter("{x:.0%}")
    bars.tick_params(axis="y", length=0, labelleft=False)
    bars.set_title("time on since the first update", fontsize=9)
    figure.colorbar(
        image,
        ax=heat,
        location="bottom",
        label="importance: error avoided by keeping the sensor",
        shrink=0.6,
        extend="both",
    )
    figure.savefig(path, dpi=110)


def _extent(shown: np.ma.MaskedArray) -> tuple[float, float, float, float]:
    """Updates are numbered from 1, sensors run downwards."""
    return 0.5, shown.shape[1] + 0.5, shown.shape[0] - 0.5, -0.5


def _label_updates(axes: Axes, steps: np.ndarray) -> None:
    shown = np.arange(0, len(steps), -(-len(steps) // MAX_TICKS))
    axes.set_xticks(shown + 1, [f"{row + 1}\n{steps[row]}" for row in shown], fontsize=8)
    axes.set_xlabel("update, and the training step it came at")
