"""The figure of a sparsity–error curve: choices as lines with a band over seeds.

Forecasters that read every sensor are horizontal lines.
"""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dynst.evaluation.ridge import RIDGE
from dynst.experiment.supernet import CONSENSUS, LEARNED, NESTED, OTHER_SEED, RERUN, RULE
from dynst_platform.commands.curve.summary import STAGES
from dynst_platform.plots.figures import label, plain_texts, title_text
from dynst_platform.studies.plot import draw_band, draw_references

__all__ = ["draw_curve"]

COLOURS = {
    LEARNED: "#0b6e4f",
    NESTED: "#66c2a5",
    RERUN: "#a6d854",
    CONSENSUS: "#1b9e77",
    OTHER_SEED: "#b3e2cd",
    "random": "#7f7f7f",
    "farthest_point": "#1f77b4",
    "facility_location": "#ff7f0e",
    "qr_pivoting": "#9467bd",
    "spectral": "#bcbd22",
    "variance": "#8c564b",
    "given": "#e377c2",
    RULE: "#d62728",
    RIDGE: "#17becf",
}


@plain_texts
def draw_curve(path: Path, table: pd.DataFrame, title: str, unit: str) -> None:
    """Write a PNG from the tidy table: one panel for each stage."""
    stages = [stage for stage in STAGES if (table.stage == stage).any()]
    figure = Figure(figsize=(6.5 * len(stages), 5), layout="constrained")
    panels = figure.subplots(1, len(stages), sharex=True, sharey=True, squeeze=False)[0]
    highest = table[table.stage.isin(STAGES) & (table.choice != RIDGE)].mae_all.max()
    for axes, stage in zip(panels, stages, strict=True):
        _draw_stage(axes, table[table.stage == stage])
        draw_references(axes, table, highest)
        axes.set_title(
            "the shared network as it is"
            if stage == STAGES[0]
            else "after fine-tuning on the choice",
            fontsize=10,
        )
        axes.set_xlabel("sensors switched off (%)")
    panels[0].set_ylabel(f"MAE over ALL locations {f'({label(unit)})' if unit else ''}".rstrip())
    panels[0].legend(fontsize=8)
    figure.suptitle(title_text(title))
    figure.savefig(path, dpi=120)


def _draw_stage(axes: Axes, rows: pd.DataFrame) -> None:
    for choice, group in rows.groupby("choice", sort=False):
        by_seed = group.groupby(["sparsity", "seed"]).mae_all.mean().groupby("sparsity")
        mean, spread = by_seed.mean(), by_seed.std().fillna(0)
        learned = choice == LEARNED
        colour = COLOURS.get(str(choice))
        width = 2.5 if learned else 1.2
        line = axes.plot(
            100 * mean.index,
            mean,
            marker="o",
            color=colour,
            linewidth=width,
            label=choice,
            zorder=3 if learned else 2,
        )
        draw_band(axes, mean, spread, line[0].get_color())
