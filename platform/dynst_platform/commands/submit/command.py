"""``dynst submit``: the same job file, on a cluster."""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dynst_platform.terminal.cluster_options import cluster_options, profile_of
from dynst_platform.terminal.lines import say

if TYPE_CHECKING:
    from dynst_platform.config.job import JobSpec
    from dynst_platform.config.sweep import SweepSpec

__all__ = ["submit"]


@click.command()
@click.argument("job", metavar="JOB|SWEEP", type=click.Path(path_type=Path))
@click.option(
    "--set",
    "assignments",
    metavar="KEY=VALUE",
    multiple=True,
    help="Override a setting, as for dynst train or tune.",
)
@cluster_options
@click.option("--detach", is_flag=True, help="Return when the job is started.")
@click.option(
    "--env",
    "variables",
    metavar="NAME[=VALUE]",
    multiple=True,
    help="A variable for the job; without a value, yours.",
)
@click.option(
    "--num-gpus",
    type=click.IntRange(min=0),
    help="Train on so many workers with a GPU each; 0 on none.",
)
@click.option(
    "--plan",
    is_flag=True,
    help="Say what it will ask of the cluster, from a few steps here, and send nothing.",
)
@click.option(
    "--install",
    is_flag=True,
    help="Let Ray install the versions of this machine for the job, on nodes with others.",
)
@click.option("--any-versions", is_flag=True, help="Take the cluster's packages as they are.")
def submit(
    job: Path,
    assignments: tuple[str, ...],
    detach: bool,
    variables: tuple[str, ...],
    num_gpus: int | None,
    plan: bool,
    install: bool,
    any_versions: bool,
    **flags: Any,
) -> None:
    """Send JOB to a Ray cluster and follow it there: a training, or a sweep.

    The packages and the job travel, the data do not. Ctrl-C ends the following, not the job. Exit
    code: that of the job.
    """
    if install and any_versions:
        raise click.UsageError("--install and --any-versions contradict each other; leave one out")
    if plan:
        _plan(job, assignments, num_gpus)
        return
    profile = profile_of(flags)

    from dynst_platform.commands.submit.workflow import SubmitOptions, check_here
    from dynst_platform.commands.submit.workflow import submit as use_case
    from dynst_platform.config.files import load_either
    from dynst_platform.execution.submission import variables_to_carry

    spec = load_either(job, assignments)
    carried = variables_to_carry(profile, variables, os.environ)
    check_here(spec)

    from dynst_platform.commands.submit.following import follow, how_to_find_again
    from dynst_platform.execution.ray_jobs import connect

    _print_code(spec)
    cluster = connect(profile)
    wishes = SubmitOptions(
        carried, num_gpus, any_versions, install, shutil.get_terminal_size().columns
    )
    started = use_case(cluster, profile, spec, wishes)
    say(f"Started {started.id} on {cluster.url}. {how_to_find_again(started)}", err=True)
    if not detach:
        follow(cluster, profile, started)


def _print_code(spec: "JobSpec | SweepSpec") -> None:
    """What travels of the user's own networks."""
    from dynst_platform.execution.job_package import network_codes

    for code in network_codes(spec):
        say(f"Code of {code.name}: {code.listing()}", err=True)


def _plan(job: Path, assignments: tuple[str, ...], num_gpus: int | None) -> None:
    from dynst_platform.commands.submit.workflow import on_cluster, store_here
    from dynst_platform.config.files import load_either

    spec = load_either(job, assignments)
    store = store_here(spec)

    from dynst_platform.commands.submit.capacity import capacity_of
    from dynst_platform.commands.submit.capacity_table import print_capacity

    print_capacity(capacity_of(on_cluster(spec, num_gpus), store))
