"""The option of every command that runs a model's own network."""

import click

__all__ = ["trust_option"]

trust_option = click.option(
    "--trust-code",
    is_flag=True,
    help="Run the code that was logged with the model, now and later; without it its files are "
    "listed.",
)
