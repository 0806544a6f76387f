"""What every result has in common: JSON for programs, and for people where it can be found
again.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape

from dynst_platform.config.values import Overrides

__all__ = ["check_folder", "print_json", "print_open_questions", "print_places", "settings_of"]


def check_folder(path: Path) -> None:
    """Before anything is computed that could then not be written."""
    if not path.resolve().parent.is_dir():
        raise click.UsageError(
            f"there is no folder {path.resolve().parent} to write {path.name} into; make it first"
        )


def print_json(outcome: Any) -> None:
    """``outcome`` is a dataclass of plain data."""
    click.echo(json.dumps(asdict(outcome), indent=2))


def print_places(
    console: Console, picture: str, run_id: str | None, experiment: str, attribution: str
) -> None:
    """The figure with its label, the MLflow run if there is one, and whom the data are owed to."""
    console.print(f"\n{picture}", highlight=False, soft_wrap=True)
    if run_id is not None:
        run = f"{run_id} in experiment '{experiment}'"
        console.print(
            f"MLflow run   {run}; open it with: dynst ui", highlight=False, soft_wrap=True
        )
    if attribution:
        console.print(f"[dim]Data: {attribution}[/]", highlight=False, soft_wrap=True)


def print_open_questions(console: Console, texts: Sequence[str]) -> None:
    """What a result rests on though nobody has said that it is so: the last thing that is said."""
    for text in texts:
        console.print(f"\n[bold yellow]?[/] {escape(text)}", highlight=False, soft_wrap=True)


def settings_of(overrides: Overrides) -> str:
    """``final=0.5 scheme=searched``: the last part of each key is enough on a screen."""
    short = {key.rpartition(".")[2]: value for key, value in overrides.items()}
    return " ".join(
        f"{key}={value:.3g}" if isinstance(value, float) else f"{key}={value}"
        for key, value in short.items()
    )
