"""The figure of an ablation: error against sparsity, with a band over seeds.

Schemes are in one panel and criteria in the other.
"""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dynst_platform.commands.ablate.tasks import TRAINED
from dynst_platform.plots.figures import label, plain_texts, title_text
from dynst_platform.studies.plot import draw_band, draw_references

__all__ = ["draw_ablation"]

FIRST = {
    "scheme": "dynamic",
    "criterion": "signed_first_order",
}  # what the other panel's variants have in common


@plain_texts
def draw_ablation(path: Path, table: pd.DataFrame, title: str, unit: str) -> None:
    rows = table[table.stage == TRAINED]
    scheme, criterion = (_common(rows, name) for name in ("scheme", "criterion"))
    figure = Figure(figsize=(13, 5), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    _draw(
        panels[0],
        rows[rows.criterion.isin([criterion, "none"])],
        "scheme",
        f"schemes (by {criterion})",
    )
    _draw(panels[1], rows[rows.scheme == scheme], "criterion", f"criteria (scheme {scheme})")
    for axes in panels:
        draw_references(axes, table, rows.mae_all.max())
        axes.set_xlabel("sensors switched off (%)")
        axes.legend(fontsize=8)
    panels[0].set_ylabel(f"MAE over ALL locations {f'({label(unit)})' if unit else ''}".rstrip())
    figure.suptitle(title_text(title))
    figure.savefig(path, dpi=120)


def _common(rows: pd.DataFrame, name: str) -> str:
    present = list(dict.fromkeys(rows[name]))
    return FIRST[name] if FIRST[name] in present else present[0]


def _draw(axes: Axes, rows: pd.DataFrame, by: str, title: str) -> None:
    for name, group in rows.groupby(by, sort=False):
        by_sparsity = group.groupby("sparsity").mae_all
        mean, spread = by_sparsity.mean(), by_sparsity.std().fillna(0)
        line = axes.plot(100 * mean.index, mean, marker="o", label=str(name))[0]
        draw_band(axes, mean, spread, line.get_color())
    axes.set_title(title, fontsize=10)
