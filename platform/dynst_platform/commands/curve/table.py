"""A sparsity–error curve on the screen: a table for each stage, a row for each choice, a column for
each sparsity.
"""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from dynst.experiment.supernet import LEARNED
from dynst.sparsity.mask import num_active_at
from dynst_platform.commands.curve.summary import STAGES
from dynst_platform.commands.curve.workflow import CurveOutcome
from dynst_platform.studies.output import print_study_places

__all__ = ["print_curve"]

HEADINGS = dict(
    zip(STAGES, ("of the shared network as it is", "after fine-tuning on the choice"), strict=True)
)
SIGNIFICANT = 0.05


def print_curve(outcome: CurveOutcome) -> None:
    console = Console()
    for stage in STAGES:
        points = [point for point in outcome.points if point["stage"] == stage]
        if points:
            console.print()
            console.print(_table(outcome, stage, points))
    print_study_places(console, outcome)


def _table(outcome: CurveOutcome, stage: str, points: Sequence[dict[str, Any]]) -> Table:
    sparsities = sorted({point["sparsity"] for point in points})
    unit = f" ({outcome.unit})" if outcome.unit else ""
    title = f"Mean absolute error over ALL {outcome.num_sensors} locations {HEADINGS[stage]}{unit}"
    table = Table(title=title, title_style="bold", title_justify="left")
    table.add_column("choice", no_wrap=True)
    for sparsity in sparsities:
        table.add_column(
            f"{sparsity:.0%} off\nreads {num_active_at(sparsity, outcome.num_sensors)}",
            justify="right",
        )
    by_place = {(point["choice"], point["sparsity"]): point for point in points}
    for choice in dict.fromkeys([LEARNED, *(point["choice"] for point in points)]):
        cells = [_cell(by_place.get((choice, sparsity))) for sparsity in sparsities]
        table.add_row(
            "DynST" if choice == LEARNED else choice,
            *cells,
            style="bold green" if choice == LEARNED else "",
        )
    seeds = max(point["seeds"] for point in points)
    table.caption = f"mean of {seeds} seed{'s' if seeds > 1 else ''}, against dense"
    if seeds > 1:
        table.caption += f"; * differs from DynST with p < {SIGNIFICANT} (paired t-test over seeds)"
    return table


def _cell(point: dict[str, Any] | None) -> str:
    if point is None:
        return ""
    against = "" if point["over_dense"] is None else f" {point['over_dense']:+.1%}"
    star = "*" if point["p_value"] is not None and point["p_value"] < SIGNIFICANT else ""
    return f"{point['mae_all']:.4g}{against}{star}"
