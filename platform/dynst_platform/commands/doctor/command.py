"""``dynst doctor``: does every link between this machine and a training on a cluster hold?"""

import os
import sys
from typing import Any

import click

from dynst_platform.terminal.cluster_options import cluster_options, profile_of
from dynst_platform.terminal.lines import say, say_json

__all__ = ["doctor"]


@click.command()
@cluster_options
@click.option(
    "--env",
    "variables",
    metavar="NAME[=VALUE]",
    multiple=True,
    help="A variable for the small job that looks around.",
)
@click.option("--from-inside", is_flag=True, hidden=True)
def doctor(variables: tuple[str, ...], from_inside: bool, **flags: Any) -> None:
    """Test each link: address, token, versions, storage, space, tracking server, GPUs.

    And say what to do where one does not hold.

    It runs a small job on the cluster. Exit code 1 where a link does not hold.
    """
    if from_inside:
        _look_around()
        return
    profile = profile_of(flags)

    from dynst_platform.commands.doctor.workflow import examine
    from dynst_platform.execution.submission import variables_to_carry

    broken = False
    for check in examine(profile, variables_to_carry(profile, variables, os.environ)):
        say(f"{'ok  ' if check.holds else 'FAIL'}  {check.link:<14} {check.found}")
        if check.remedy:
            say(f"      {'':<14} {check.remedy}")
        broken = broken or not check.holds
    sys.exit(int(broken))


def _look_around() -> None:
    """One line of JSON, the last one."""
    from dynst_platform.commands.doctor.inside import look_around

    say_json(look_around(), indent=None)
