"""``dynst submit``: the same job file, on a cluster."""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dynst_platform.terminal.cluster_options import cluster_options, profile_of
from dynst_platform.terminal.lines import say

if TYPE_CHECKING:
    from collections.abc import Callable

    from dynst_platform.commands.submit.workflow import SubmitOptions
    from dynst_platform.config.cluster_profile import Profile
    from dynst_platform.config.job import JobSpec
    from dynst_platform.config.sweep import SweepSpec
    from dynst_platform.execution.ray_jobs import Cluster, RemoteJob

    Start = Callable[[Cluster, Profile, SubmitOptions], RemoteJob]

__all__ = ["submit"]


@click.command()
@click.argument("job", metavar="[JOB|SWEEP]", type=click.Path(path_type=Path), required=False)
@click.option(
    "--set",
    "assignments",
    metavar="KEY=VALUE",
    multiple=True,
    help="Override a setting, as for dynst train or tune.",
)
@click.option(
    "--resume",
    "run",
    metavar="RUN",
    help="Go on with a training or a sweep: a job of dynst jobs, or an MLflow run of it.",
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
    job: Path | None,
    assignments: tuple[str, ...],
    run: str | None,
    detach: bool,
    variables: tuple[str, ...],
    num_gpus: int | None,
    plan: bool,
    **flags: Any,
) -> None:
    """Send JOB to a Ray cluster and follow it there: a training, or a sweep.

    The packages and the job travel, the data do not. Ctrl-C ends the following, not the job. Exit
    code: that of the job.

    --resume needs nothing of the run on this machine: it goes on from its copy in the storage.
    """
    if (job is None) == (run is None):
        raise click.UsageError(
            "name a job or sweep file, or with --resume a run that was interrupted"
        )
    if plan and job is None:
        raise click.UsageError("--plan is for a job file; leave it or --resume out")
    install, any_versions = flags.pop("install"), flags.pop("any_versions")
    if install and any_versions:
        raise click.UsageError("--install and --any-versions contradict each other; leave one out")
    if plan and job is not None:
        _plan(job, assignments, num_gpus)
        return
    profile = profile_of(flags)

    from dynst_platform.commands.submit.workflow import SubmitOptions
    from dynst_platform.execution.submission import variables_to_carry

    carried = variables_to_carry(profile, variables, os.environ)
    wishes = SubmitOptions(
        carried, num_gpus, any_versions, install, shutil.get_terminal_size().columns
    )
    start = _new(job, assignments) if job is not None else _resumed(str(run), assignments)

    from dynst_platform.commands.submit.following import follow, how_to_find_again
    from dynst_platform.execution.ray_jobs import connect

    cluster = connect(profile)
    started = start(cluster, profile, wishes)
    say(f"Started {started.id} on {cluster.url}. {how_to_find_again(started)}", err=True)
    if not detach:
        follow(cluster, profile, started)


def _new(job: Path, assignments: tuple[str, ...]) -> "Start":
    from dynst_platform.commands.submit.workflow import check_here, submit
    from dynst_platform.config.files import load_either

    spec = load_either(job, assignments)
    check_here(spec)
    _print_code(spec)
    return lambda cluster, profile, wishes: submit(cluster, profile, spec, wishes)


def _resumed(run: str, assignments: tuple[str, ...]) -> "Start":
    from dynst_platform.commands.submit.stored_runs import find_stored
    from dynst_platform.commands.submit.workflow import resume
    from dynst_platform.log import quiet_libraries

    quiet_libraries()
    return lambda cluster, profile, wishes: resume(
        cluster, profile, find_stored(run, cluster.jobs(), profile), assignments, wishes
    )


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
