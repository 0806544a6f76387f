"""An ablation on the screen: a row for each scheme and criterion, a column for each sparsity."""

from typing import Any

from dynst_platform.commands.ablate.workflow import AblationOutcome
from dynst_platform.studies.output import print_study_places
from dynst_platform.terminal.screen import Screen, TextTable

__all__ = ["print_ablation"]


def print_ablation(outcome: AblationOutcome) -> None:
    screen = Screen()
    screen.table(_table(outcome), above=True)
    print_study_places(screen, outcome)


def _table(outcome: AblationOutcome) -> TextTable:
    unit = f" ({outcome.unit})" if outcome.unit else ""
    title = f"Mean absolute error over ALL {outcome.num_sensors} locations{unit}"
    table = TextTable(title, title_style="bold")
    table.column("scheme", no_wrap=True)
    table.column("criterion", no_wrap=True)
    sparsities = sorted({row["sparsity"] for row in outcome.variants})
    for sparsity in sparsities:
        table.column(f"{sparsity:.0%} off", justify="right")
    by_place = {(row["scheme"], row["criterion"], row["sparsity"]): row for row in outcome.variants}
    for scheme, criterion in dict.fromkeys(
        (row["scheme"], row["criterion"]) for row in outcome.variants
    ):
        cells = [_cell(by_place.get((scheme, criterion, sparsity))) for sparsity in sparsities]
        table.row(scheme, criterion, *cells)
    seeds = max(row["seeds"] for row in outcome.variants)
    table.caption_of(f"mean of {seeds} seed{'s' if seeds > 1 else ''}, against dense")
    return table


def _cell(row: dict[str, Any] | None) -> str:
    return "" if row is None else f"{row['mae_all']:.4g} {row['over_dense']:+.1%}"
