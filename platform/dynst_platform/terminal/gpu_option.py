"""The option of every command that computes with a model in its own process."""

from typing import Literal

import click

__all__ = ["gpu_option"]


def _as_setting(
    context: click.Context, parameter: click.Parameter, value: bool | None
) -> bool | Literal["auto"]:
    return "auto" if value is None else value


gpu_option = click.option(
    "--gpu/--no-gpu",
    "use_gpu",
    default=None,
    callback=_as_setting,
    help="Compute on a GPU, or on the CPU; by default on a GPU where there is one.",
)
