"""What an import understood and what a store holds, on the screen."""

from pathlib import Path

from dynst.data.answers import reminder
from dynst.data.describe import describe_store
from dynst.data.importers.report import ImportReport
from dynst.data.store import SensorStore
from dynst_platform.config.stores import find_store
from dynst_platform.terminal.lines import say
from dynst_platform.terminal.screen import Screen, TextTable

__all__ = ["print_report", "print_store"]


def print_report(source: Path, report: ImportReport) -> None:
    """What is known of the file, then what was assumed."""
    say(f"Read {source} as {report.kind}.")
    for title, texts in (("Known", report.known), ("Assumed", report.assumed)):
        if texts:
            say(f"{title}:")
        for text in texts:
            say(f"  - {text}")


def print_store(name: str) -> SensorStore:
    """The facts of a store, and what it asks, which comes last."""
    store = find_store(name)
    table = TextTable(show_header=False, box=None)
    table.column(style="bold")
    table.column()
    for fact, value in describe_store(store).items():
        table.row(fact, value)
    screen = Screen()
    screen.table(table)
    for text in reminder(store.manifest, name):
        screen.show(f" {text}", label="?", label_style="bold yellow", above=True)
    return store
