"""An ablation on the screen: a row for each scheme and criterion, a column for each sparsity."""

import json
from dataclasses import asdict
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from dynst_platform.ablation import AblationOutcome

__all__ = ["print_ablation", "print_ablation_json"]


def print_ablation_json(outcome: AblationOutcome) -> None:
    click.echo(json.dumps(asdict(outcome), indent=2))


def print_ablation(outcome: AblationOutcome) -> None:
    console = Console()
    console.print()
    console.print(_table(outcome))
    references = "   ".join(f"{name} {error:.4g}" for name, error in outcome.references.items())
    console.print(f"\nReading every sensor: {references}", highlight=False)
    console.print(f"\nPicture      {outcome.artifacts['picture']}", highlight=False, soft_wrap=True)
    run = f"{outcome.run_id} in experiment '{outcome.experiment}'"
    console.print(f"MLflow run   {run}; open it with: dynst ui", highlight=False, soft_wrap=True)
    if outcome.attribution:
        console.print(f"[dim]Data: {outcome.attribution}[/]", highlight=False, soft_wrap=True)


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
    for scheme, criterion in dict.fromkeys((row["scheme"], row["criterion"]) for row in outcome.variants):
        cells = [_cell(by_place.get((scheme, criterion, sparsity))) for sparsity in sparsities]
        table.add_row(scheme, criterion, *cells)
    seeds = max(row["seeds"] for row in outcome.variants)
    table.caption = f"mean of {seeds} seed{'s' if seeds > 1 else ''}, against dense"
    return table


def _cell(row: dict[str, Any] | None) -> str:
    return "" if row is None else f"{row['mae_all']:.4g} {row['over_dense']:+.1%}"
