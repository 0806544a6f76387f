"""What an import understood and what a store holds, on the screen."""

from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dynst.data.answers import reminder
from dynst.data.describe import describe_store
from dynst.data.importers.report import ImportReport
from dynst.data.manifest import Manifest
from dynst.data.store import SensorStore
from dynst_platform.config.stores import find_store

__all__ = ["print_import", "print_report", "print_store"]

WIDEST = 30  # characters of a fact's name, from which on it may take several lines


def print_import(source: Path, report: ImportReport, store: str) -> None:
    """What is known of the file and what its store holds; what a person has to check comes last."""
    click.echo(f"Read {source} as {report.kind}.")
    _print_lines("Known", report.known)
    manifest = _print_facts(store).manifest
    _print_lines("Assumed", report.assumed)
    _print_questions(manifest, store)


def print_report(source: Path, report: ImportReport) -> None:
    """What is known of the file, then what was assumed."""
    click.echo(f"Read {source} as {report.kind}.")
    _print_lines("Known", report.known)
    _print_lines("Assumed", report.assumed)


def print_store(name: str) -> SensorStore:
    """The facts of a store, and what it asks, which comes last."""
    store = _print_facts(name)
    _print_questions(store.manifest, name)
    return store


def _print_lines(title: str, texts: Sequence[str]) -> None:
    if texts:
        click.echo(f"{title}:")
    for text in texts:
        click.echo(f"  - {text}")


def _print_facts(name: str) -> SensorStore:
    """As a table, in which nothing is cut, and the digest whole on a line of its own."""
    store = find_store(name)
    facts = describe_store(store)
    digest = facts.pop("digest")
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=max(map(len, facts)) <= WIDEST, overflow="fold")
    table.add_column(overflow="fold")
    for fact, value in facts.items():
        table.add_row(f"[bold]{escape(fact)}[/]", escape(value))
    console = Console()
    console.print(table, highlight=False)
    console.print(f"[bold]digest[/]  {digest}", highlight=False, soft_wrap=True)
    return store


def _print_questions(manifest: Manifest, name: str) -> None:
    console = Console()
    for text in reminder(manifest, name):
        console.print(f"\n[bold yellow]?[/] {escape(text)}", highlight=False, soft_wrap=True)
