"""``dynst registry``: what became of a registered model."""

import click

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
    import json
    from dataclasses import asdict

    from dynst_platform.config.locations import tracking_uri
    from dynst_platform.model_registry.references import client_of
    from dynst_platform.model_registry.versions import history_of
    from dynst_platform.tracking.reaching import as_tracking_error

    with as_tracking_error(tracking_uri()):
        events = history_of(client_of(tracking_uri()), name)
    if output == "json":
        click.echo(json.dumps([asdict(event) for event in events], indent=2))
        return
    for event in events:
        before = "" if event.before is None else f", before it {event.before}"
        click.echo(f"{event.at}  {event.what}: version {event.version}{before}, by {event.by}")
        click.echo("".join(f"    {reason}\n" for reason in event.why.split("; ")), nl=False)


@registry.command()
@click.argument("name")
def unlock(name: str) -> None:
    """Free NAME after a promotion that died; make sure that none is under way."""
    from dynst_platform.config.locations import tracking_uri
    from dynst_platform.model_registry import versions
    from dynst_platform.model_registry.references import client_of
    from dynst_platform.tracking.reaching import as_tracking_error

    with as_tracking_error(tracking_uri()):
        versions.unlock(client_of(tracking_uri()), name)
    click.echo(f"'{name}' is free.")
