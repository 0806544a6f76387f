"""``dynst registry``: what became of a registered model."""

import sys
from typing import TYPE_CHECKING

import click

from dynst_platform.terminal.lines import say, say_json

if TYPE_CHECKING:
    from dynst_platform.model_registry.events import Event

__all__ = ["registry"]


@click.group()
def registry() -> None:
    """Look at the registered models of dynst promote."""


@registry.command()
@click.argument("name")
@click.option(
    "--format",
    "output",
    type=click.Choice(["table", "json"]),
    default="table",
    help="What goes to standard output.",
)
def history(name: str, output: str) -> None:
    """Every move of the champion of NAME, also those that were made by hand."""
    from dataclasses import asdict

    from dynst_platform.config.locations import tracking_uri
    from dynst_platform.model_registry.full_history import full_history_of
    from dynst_platform.model_registry.references import client_of
    from dynst_platform.tracking.reaching import as_tracking_error

    with as_tracking_error(tracking_uri()):
        found = full_history_of(client_of(tracking_uri()), name)
    if output == "json":
        say_json([asdict(event) for event in found.events])
    else:
        for event in found.events:
            _print(event)
    for note in found.notes:
        say(note, err=True)


def _print(event: "Event") -> None:
    to = "no version" if event.version is None else f"version {event.version}"
    before = "" if event.before is None else f", before it {event.before}"
    say(f"{event.at}  {event.what}: {to}{before}, by {event.by}")
    for reason in event.why.split("; "):
        say(f"    {reason}")


@registry.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
def unlock(name: str, yes: bool) -> None:
    """Free NAME from a promotion that hangs or died. One that is under way all the same notices,
    and begins again.

    A lock that is not renewed is taken over by the next promotion after a minute anyway. Exit code
    3 where the question is answered with no, or cannot be asked.
    """
    from dynst_platform.config.locations import tracking_uri
    from dynst_platform.model_registry.lock import holder_of, taken_from
    from dynst_platform.model_registry.references import client_of
    from dynst_platform.tracking.reaching import as_tracking_error

    with as_tracking_error(tracking_uri()):
        client = client_of(tracking_uri())
        lock = holder_of(client, name)
        if lock is None:
            say(f"'{name}' is free: nobody holds its lock.")
            return
        _ask(f"'{name}' is held by {lock.by} since {lock.at} (by the clock there).", yes)
        taken_from(client, name, lock)
    say(f"'{name}' is free.")


def _ask(state: str, yes: bool) -> None:
    from dynst_platform.errors import RefusedError

    say(state, err=True)
    if yes:
        return
    if not sys.stdin.isatty():
        raise RefusedError("nothing was freed, since there is no terminal to ask; add --yes")
    if not click.confirm("Free it?", err=True):
        raise RefusedError("nothing was freed")
