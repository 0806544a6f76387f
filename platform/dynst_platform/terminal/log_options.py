"""Options of every command for its log."""

from pathlib import Path
from typing import Any, TypeVar

import click

from dynst_platform.log import configure_log

__all__ = ["with_log_options"]

Command = TypeVar("Command", bound=click.Command)


def with_log_options(command: Command) -> Command:
    """Adds ``-v`` and ``--log-file`` to a command, and to all of a group."""
    command.params += [
        click.Option(
            ["-v", "--verbose"],
            count=True,
            expose_value=False,
            is_eager=True,
            callback=_configure,
            help="Show the log on standard error; twice: with all details.",
        ),
        click.Option(
            ["--log-file"],
            type=click.Path(dir_okay=False, path_type=Path),
            metavar="FILE",
            expose_value=False,
            is_eager=True,
            callback=_configure,
            help="Add the log, with all details, to FILE.",
        ),
    ]
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            with_log_options(inner)
    return command


def _configure(context: click.Context, option: click.Parameter, value: Any) -> None:
    """Given before the command's name or after it, whichever was given last counts."""
    if not value:
        return
    known = context.find_root().meta.setdefault("dynst.log", {"verbosity": 0, "file": None})
    known["file" if option.name == "log_file" else "verbosity"] = value
    configure_log(**known)
