"""An ablation on the screen: a row for each scheme and criterion, a column for each sparsity."""

from typing import Any

from rich.console import Console
from rich.table import Table

from dynst_platform.commands.ablate.workflow import AblationOutcome
from dynst_platform.studies.output import print_study_places

__all__ = ["print_ablation"]


def print_ablation(outcome: AblationOutcome) -> None:
    console = Console()
    console.print()
    console.print(_table(outcome))
    print_study_places(console, outcome)


def _table(outcome: AblationOutcome) -> Table:
    unit = f" ({outcome.unit})" if outcome.unit else ""
    title = f"Mean absolute error over ALL {outcome.num_sensors} locations{unit}"
    table = Table(title=title, title_style="bold", title_justify="left")
    table.add_column("scheme", no_wrap=True)
    table.add_column("criterion", no_wrap=True)
    sparsities = sorted({row["sparsity"] for row in outcome.variants})
    for sparsity in sparsities:
        table.add_column(f"{sparsity:.0%} off", justify="right")
    by_place = {(row["scheme"], row["criterion"], row["sparsity"]): row for row in outcome.variants}
    for scheme, criterion in dict.fromkeys(
        (row["scheme"], row["criterion"]) for row in outcome.variants
    ):
        cells = [_cell(by_place.get((scheme, criterion, sparsity))) for sparsity in sparsities]
        table.add_row(scheme, criterion, *cells)
    seeds = max(row["seeds"] for row in outcome.variants)
    table.caption = f"mean of {seeds} seed{'s' if seeds > 1 else ''}, against dense"
    return table


def _cell(row: dict[str, Any] | None) -> str:
    return "" if row is None else f"{row['mae_all']:.4g} {row['over_dense']:+.1%}"
