"""What figures of studies share: bands over seeds, and lines for what reads every sensor."""

import pandas as pd
from matplotlib.axes import Axes

from dynst.evaluation.ridge import PROFILE
from dynst_platform.studies.references import REFERENCES, reference_errors

__all__ = ["draw_band", "draw_references"]

# a reference this much above all curves would squeeze them, and is named in the legend instead
MANY_TIMES = 1.5
STYLES = ("-", ":", "--", "-.")  # of the references


def draw_band(axes: Axes, mean: pd.Series, spread: pd.Series, colour: object) -> None:
    """One standard deviation over seeds to either side; a bar where there is a single sparsity."""
    axes.fill_between(
        100 * mean.index, mean - spread, mean + spread, color=colour, alpha=0.15, linewidth=0
    )
    if len(mean) == 1:
        axes.errorbar(100 * mean.index, mean, yerr=spread, color=colour, capsize=4)


def draw_references(axes: Axes, table: pd.DataFrame, highest: float) -> None:
    """Horizontal lines for what reads every sensor, and for the profile, which reads none;
    ``highest`` is the top of the curves.
    """
    for name, error in reference_errors(table).items():
        style = STYLES[REFERENCES.index(name)]
        if error > MANY_TIMES * highest:
            axes.plot(
                [],
                [],
                linestyle=style,
                color="black",
                linewidth=1,
                label=f"{name}: {error:.4g}, above",
            )
            continue
        axes.axhline(
            error,
            linestyle=style,
            color="black",
            linewidth=1,
            label=f"{name}, reads {'none' if name == PROFILE else 'all'}",
        )
