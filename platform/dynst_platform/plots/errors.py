"""A figure of errors over the horizon, of every forecaster.

Over ALL locations, and over those that are no longer measured.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dynst.evaluation.ridge import PROFILE, RIDGE
from dynst_platform.plots.figures import label, plain_texts

__all__ = ["draw_errors_by_step"]

STYLES: dict[str, dict[str, Any]] = {
    "dynst": {
        "label": "DynST",
        "color": "#1a7f37",
        "linewidth": 2.4,
        "marker": "o",
        "markersize": 4,
        "zorder": 4,
    },
    "dense": {
        "label": "dense, reads all",
        "color": "black",
        "linewidth": 1.6,
        "marker": "s",
        "markersize": 3,
        "zorder": 3,
    },
    "random": {
        "label": "random choice, its own sensors",
        "color": "#d9822b",
        "linewidth": 1.6,
        "marker": "^",
        "markersize": 4,
        "zorder": 3,
    },
    "seasonal_naive": {"label": "seasonal naive", "color": "#6f42c1", "linestyle": "--"},
    "persistence": {"label": "persistence", "color": "grey", "linestyle": ":"},
    RIDGE: {"label": "ridge regression", "color": "#17becf", "linestyle": "-."},
    PROFILE: {"label": "seasonal profile", "color": "#bcbd22", "linestyle": ":"},
}
TRAINED = ("dynst", "dense", "random")
MAX_CHANNELS = 6
GROUPS = {"all": "ALL locations", "inactive": "INACTIVE locations"}


@plain_texts
def draw_errors_by_step(path: Path, table: pd.DataFrame, units: dict[str, str]) -> None:
    """Write a PNG: mean absolute error against the step ahead, a row of panels for each target
    channel (the first six of many).

    Args:
        table: rows of ``errors_by_step``; random arms are averaged, each over its own sensors.
        units: of each target channel.
    """
    table = table.assign(
        forecaster=table["forecaster"].str.replace(r"random-\d+", "random", regex=True)
    )
    units = dict(list(units.items())[:MAX_CHANNELS])
    groups = [group for group in GROUPS if (table["group"] == group).any()]
    figure = Figure(figsize=(5.5 * len(groups) + 1, 4.2 * len(units)), layout="constrained")
    panels = figure.subplots(len(units), len(groups), squeeze=False)
    for row, (channel, unit) in zip(panels, units.items(), strict=True):
        for axes, group in zip(row, groups, strict=True):
            of_panel = table[(table["channel"] == channel) & (table["group"] == group)]
            _draw(axes, of_panel.pivot_table(index="step", columns="forecaster", values="mae"))
            axes.set_title(
                GROUPS[group] + (f", {label(channel)}" if len(units) > 1 else ""), fontsize=11
            )
            axes.set_ylabel(
                f"mean absolute error ({label(unit)})" if unit else "mean absolute error"
            )
            axes.set_xlabel(_steps_label(table))
    figure.savefig(path, dpi=110)


def _draw(axes: Axes, errors: pd.DataFrame) -> None:
    """One line a forecaster, with its mean in the legend.

    The axis is made for those that were trained.
    """
    others = [name for name in errors if name not in STYLES]
    for name, style in (
        STYLES
        | {
            str(other): {"label": label(str(other).replace("_", " ")), "linewidth": 1.2}
            for other in others
        }
    ).items():
        if name in errors:
            line = errors[name]
            axes.plot(
                line.index, line, **(style | {"label": f"{style['label']}: {line.mean():.3g}"})
            )
    top = 1.6 * np.nanmax(
        errors[[name for name in TRAINED if name in errors]].to_numpy(), initial=0
    )
    axes.set_ylim(0, min(top, 1.05 * np.nanmax(errors.to_numpy(), initial=0)) or 1)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", fontsize=8, title="mean over the horizon", title_fontsize=8)


def _steps_label(table: pd.DataFrame) -> str:
    minutes = table.loc[table["step"] == 1, "minutes_ahead"].iloc[0]
    if pd.isna(minutes):
        return "steps ahead"
    hours = minutes / 60
    return (
        f"steps ahead, of {hours:g} h each"
        if hours >= 1
        else f"steps ahead, of {minutes:g} min each"
    )
