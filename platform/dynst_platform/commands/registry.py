"""``dynst registry``: what became of a registered model."""

import click

from dynst_platform.terminal.lines import say, say_json

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
    """Every move of the champion of NAME."""
    from dataclasses import asdict

    from dynst_platform.config.locations import tracking_uri
    from dynst_platform.model_registry.versions import history_of
    from dynst_platform.tracking.clients import reader_of
    from dynst_platform.tracking.reaching import as_tracking_error

    with as_tracking_error(tracking_uri()):
        events = history_of(reader_of(tracking_uri()), name)
    if output == "json":
        say_json([asdict(event) for event in events])
        return
    for event in events:
        before = "" if event.before is None else f", before it {event.before}"
        say(f"{event.at}  {event.what}: version {event.version}{before}, by {event.by}")
        for reason in event.why.split("; "):
            say(f"    {reason}")


@registry.command()
@click.argument("name")
def unlock(name: str) -> None:
    """Free NAME after a promotion that died; make sure that none is under way."""
    from dynst_platform.config.locations import tracking_uri
    from dynst_platform.model_registry import versions
    from dynst_platform.tracking.clients import reader_of
    from dynst_platform.tracking.reaching import as_tracking_error

    with as_tracking_error(tracking_uri()):
        versions.unlock(reader_of(tracking_uri()), name)
    say(f"'{name}' is free.")
