"""What every result has in common: JSON for programs, and for people where it can be found
again.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from dynst.errors import in_one_line
from dynst_platform.config.values import Overrides
from dynst_platform.terminal.lines import say, say_json
from dynst_platform.terminal.screen import Screen

__all__ = [
    "check_folder",
    "print_json",
    "print_open_questions",
    "print_places",
    "print_result",
    "settings_of",
]

logger = logging.getLogger(__name__)


def check_folder(path: Path) -> None:
    """Before anything is computed that could then not be written."""
    if not path.resolve().parent.is_dir():
        raise click.UsageError(
            f"there is no folder {path.resolve().parent} to write {path.name} into; make it first"
        )


def print_json(outcome: Any) -> None:
    """``outcome`` is a dataclass of plain data."""
    say_json(asdict(outcome))


def print_result(outcome: Any, output: str, show: Callable[[Any], None]) -> None:
    """As ``json``, or as ``show`` does; what a finished job found is printed even where that
    fails.
    """
    if output != "json":
        try:
            return show(outcome)
        except OSError:
            raise
        except Exception as error:
            logger.warning("a result was not shown as a table", exc_info=error)
            say(f"the table cannot be shown ({in_one_line(error)}); as JSON it is:", err=True)
    return print_json(outcome)


def print_places(
    screen: Screen, picture: str, run_id: str | None, experiment: str, attribution: str
) -> None:
    """The figure with its label, the MLflow run if there is one, and whom the data are owed to."""
    screen.show(picture, above=True)
    if run_id is not None:
        run = f"{run_id} in experiment '{experiment}'"
        screen.show(f"MLflow run   {run}; open it with: dynst ui")
    if attribution:
        screen.show(f"Data: {attribution}", style="dim")


def print_open_questions(screen: Screen, texts: Sequence[str]) -> None:
    """What a result rests on though nobody has said that it is so: the last thing that is said."""
    for text in texts:
        screen.show(f" {text}", label="?", label_style="bold yellow", above=True)


def settings_of(overrides: Overrides) -> str:
    """``final=0.5 scheme=searched``: the last part of each key is enough on a screen."""
    short = {key.rpartition(".")[2]: value for key, value in overrides.items()}
    return " ".join(
        f"{key}={value:.3g}" if isinstance(value, float) else f"{key}={value}"
        for key, value in short.items()
    )
