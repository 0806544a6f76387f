"""``dynst compare``: the trainings of an experiment side by side."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from dynst_platform.commands.compare.workflow import Compared

__all__ = ["compare"]

SHOWN = {
    "name": "run",
    "sparsity": "off",
    "mae_all": "MAE all",
    "over_dense": "vs dense",
    "mae_inactive": "inactive",
    "cost": "cost",
    "speed_up": "speed-up",
    "front": "",
}

ROOMY = ("mae_inactive", "cost", "speed_up")  # shown where there is room for them
WIDE = 110


@click.command()
@click.argument("experiment")
@click.option(
    "--filter",
    "condition",
    metavar="CONDITION",
    help="For instance \"sparsity >= 0.4 and kind == 'trial'\".",
)
@click.option(
    "--sort", metavar="COLUMN", help="By default mae_all; -sparsity sorts the largest first."
)
@click.option(
    "--format",
    "output",
    type=click.Choice(["table", "json", "csv"]),
    default="table",
    help="What goes to standard output.",
)
@click.option(
    "--html",
    "page",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write one self-contained page.",
)
def compare(
    experiment: str, condition: str | None, sort: str | None, output: str, page: Path | None
) -> None:
    """Show the trainings of EXPERIMENT: error over all locations, sensors off, cost against dense,
    and the front (●).
    """
    from dynst_platform.terminal.output import check_folder

    if page is not None:
        check_folder(page)

    from dynst_platform.commands.compare import workflow as use_case

    found = use_case.compare(experiment, condition, sort)
    if output == "table":
        _print(found)
    else:
        _write(found, output)
    if page is not None:
        from dynst_platform.commands.compare.page import write_page
        from dynst_platform.terminal.lines import say

        write_page(page, found, condition, sort)
        say(f"Page written to {page}", err=True)


def _write(found: "Compared", output: str) -> None:
    import sys

    import pandas as pd

    from dynst_platform.csv_files import write_csv
    from dynst_platform.terminal.lines import say_json

    if output == "json":
        say_json({"experiment": found.experiment, "runs": found.rows})
    else:
        write_csv(sys.stdout, pd.DataFrame(found.rows))


def _print(found: "Compared") -> None:
    from dynst_platform.commands.compare.workflow import shortened
    from dynst_platform.terminal.lines import say
    from dynst_platform.terminal.output import settings_of
    from dynst_platform.terminal.screen import Screen, TextTable

    screen = Screen()
    shown = {
        name: heading
        for name, heading in SHOWN.items()
        if screen.width >= WIDE or name not in ROOMY
    }
    table = TextTable(f"Trainings of '{found.experiment}': mean absolute error on the test part")
    for name, heading in shown.items():
        table.column(heading, justify="left" if name == "name" else "right", no_wrap=True)
    differs = any(found.varied.values())
    if differs:
        table.column("what differs")
    for row in found.rows:
        cells = [_cell(name, dict(row)) for name in shown] + [
            settings_of(
                {
                    key: shortened(value)
                    for key, value in found.varied.get(row["run_id"], {}).items()
                }
            )
        ] * differs
        style = "bold green" if row["front"] else "" if row["status"] == "FINISHED" else "dim"
        table.row(*cells, style=style)
    screen.table(table)
    say(
        "● no other sparse training beats it in both error and sensors off; P may be promoted "
        "under its own policy"
    )


def _cell(name: str, row: dict[str, object]) -> str:
    value = row[name]
    if name == "front":
        return ("●" if value else "") + (" P" if row["promotable"] else "")
    if value is None:
        return ""
    if name == "over_dense":
        spread = row["seeds_deviation"]
        return f"{value:+.1%}" + (
            f" ± {spread:.1%} ({row['seeds']} seeds)" if spread is not None else ""
        )
    if name == "sparsity":
        return f"{value:.0%}"
    if name == "speed_up":
        return f"{value:.2f} ×"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
