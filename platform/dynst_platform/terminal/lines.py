"""Lines of plain text on standard output or standard error."""

import json
from typing import Any

import click

from dynst_platform.text import printable, printable_lines

__all__ = ["pass_on", "say", "say_json"]


def say(text: str = "", *, err: bool = False) -> None:
    """One line, whatever the text holds."""
    click.echo(printable(text), err=err)


def say_json(document: Any, *, indent: int | None = 2) -> None:
    """Plain data for a program, in ASCII."""
    click.echo(json.dumps(document, indent=indent))


def pass_on(text: str) -> None:
    """What a job on a cluster wrote, as it comes."""
    click.echo(printable_lines(text), nl=False)
