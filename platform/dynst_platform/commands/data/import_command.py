"""``dynst data import``: a file of any form that the field uses becomes a sensor store."""

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from dynst_platform.commands.data.locations import written_locally
from dynst_platform.commands.data.parameters import Missing, Selection, Step, StepOrMonths

__all__ = ["import_"]


@click.command("import")
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("store")
@click.option("--kind", help="Force the form of SOURCE instead of detecting it.")
@click.option("--name", default="", help="Name of the network; by default that of the file.")
@click.option(
    "--missing",
    type=Missing(),
    multiple=True,
    help="A value or text that means missing, beside NaN and declared fill values.",
)
@click.option("--channel-name", help="Name of the only channel, where the file does not name it.")
@click.option("--unit", "units", multiple=True, help="Unit of each channel, in their order.")
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
    "--step",
    type=StepOrMonths(),
    help="Time between steps, for a form without timestamps, e.g. 15min or 1month.",
)
@click.option(
    "--time-column",
    "time_columns",
    multiple=True,
    help="Column that tells the time; twice for date and time of day.",
)
@click.option(
    "--time-format",
    help="How times are written, e.g. '%d.%m.%Y %H:%M', or epoch-s, epoch-ms, excel, count.",
)
@click.option("--day-first/--month-first", default=None, help="Whether 01/02/2024 is in February.")
@click.option(
    "--zone", help="Time zone of the clock that wrote the times, e.g. Europe/Berlin or +01:00."
)
@click.option("--sensor-column", help="Column that names the sensor of each row.")
@click.option("--variable", "variables", multiple=True, help="Quantity to take; by default all.")
@click.option(
    "--select",
    type=Selection(),
    multiple=True,
    help="One place of a further dimension, e.g. level=500.",
)
@click.option("--decimal", type=click.Choice([".", ","]), help="Decimal sign of a text file.")
@click.option("--encoding", help="Of a text file that is not UTF-8, e.g. latin-1.")
@click.option("--key", help="Of the frame in an HDF file that holds several.")
@click.option(
    "--resample",
    type=Step(),
    help="Bring readings to steps of this length, e.g. 15min; steps without any stay missing.",
)
@click.option(
    "--aggregate",
    type=click.Choice(["mean", "sum", "last"]),
    default="mean",
    show_default=True,
    help="How the readings of a step become one.",
)
def import_(
    source: Path,
    store: str,
    kind: str | None,
    name: str,
    missing: tuple[float | str, ...],
    start: datetime | None,
    step: Any,
    **more: object,
) -> None:
    """Turn SOURCE, a file or folder of any form that the field uses, into the sensor store STORE, a
    path or s3://… or gs://…
    """
    from dynst.data.importers.formats import KINDS, ReadOptions
    from dynst.data.importers.import_store import GraphOptions, import_store
    from dynst_platform.commands.data.printing import print_import

    if kind is not None and kind not in KINDS:
        raise click.BadParameter(
            f"must be one of {', '.join(KINDS)}, but got '{kind}'", param_hint="--kind"
        )
    of_graph: Any = {
        key: more.pop(key) for key in ("graph", "weights", "positions", "neighbours", "sensors")
    }
    graph = GraphOptions(**of_graph)
    options = ReadOptions(start=start, step=step, **more)  # type: ignore[arg-type]
    with written_locally(store) as target:
        report = import_store(
            source, target, kind=kind, name=name, missing=missing, options=options, graph=graph
        )
    print_import(source, report, store)
