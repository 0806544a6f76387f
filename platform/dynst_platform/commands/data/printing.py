"""What an import understood and what a store holds, on the screen."""

from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dynst.data.answers import reminder
from dynst.data.describe import describe_store
from dynst.data.importers.report import ImportReport
from dynst.data.store import SensorStore
from dynst_platform.config.stores import find_store

__all__ = ["print_report", "print_store"]


def print_report(source: Path, report: ImportReport) -> None:
    """What is known of the file, then what was assumed."""
    click.echo(f"Read {source} as {report.kind}.")
    for title, texts in (("Known", report.known), ("Assumed", report.assumed)):
        if texts:
            click.echo(f"{title}:")
        for text in texts:
            click.echo(f"  - {text}")


def print_store(name: str) -> SensorStore:
    """The facts of a store, and what it asks, which comes last."""
    store = find_store(name)
    table = Table(show_header=False, box=None)
    for fact, value in describe_store(store).items():
        table.add_row(f"[bold]{escape(fact)}[/]", escape(value))
    console = Console()
    console.print(table, highlight=False)
    for text in reminder(store.manifest, name):
        console.print(f"\n[bold yellow]?[/] {escape(text)}", highlight=False, soft_wrap=True)
    return store
