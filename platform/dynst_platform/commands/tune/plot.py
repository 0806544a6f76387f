"""A sweep as a figure: every trial, the front, the dense reference and the chosen trial."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from dynst_platform.commands.tune.records import Record, finished_among
from dynst_platform.plots.figures import label, plain_texts, title_text

__all__ = ["draw_front"]


@plain_texts
def draw_front(
    path: Path,
    records: Sequence[Record],
    front: Sequence[Record],
    chosen: Record | None,
    dense: float,
    title: str,
    unit: str,
) -> None:
    """``dense`` is the reference's error on the validation part, as the trials' errors are."""
    figure = Figure(figsize=(7.5, 4.6), layout="constrained")
    axes = figure.subplots()
    finished = finished_among(records)
    axes.scatter(
        *_points(finished), color="#b8b8b8", s=28, label=f"{len(finished)} finished trials"
    )
    along = sorted(front, key=lambda record: record.objectives["sparsity"])
    axes.plot(
        *_points(along),
        color="#1f77b4",
        marker="o",
        lw=1.6,
        label="front: no trial is better in everything",
    )
    axes.axhline(dense, color="black", ls="--", lw=1.2, label=f"dense, {dense:.4g}")
    if chosen is not None:
        axes.scatter(
            *_points([chosen]),
            color="none",
            edgecolor="#d62728",
            s=150,
            lw=2,
            zorder=5,
            label=f"chosen: trial {chosen.number}",
        )
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set(
        xlabel="sensors switched off",
        ylabel=f"validation MAE, all locations ({label(unit)})" if unit else "validation MAE",
        title=title_text(title),
    )
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=120)


def _points(records: Sequence[Record]) -> tuple[list[float], list[float]]:
    return [record.objectives["sparsity"] for record in records], [
        record.objectives["mae_all"] for record in records
    ]
