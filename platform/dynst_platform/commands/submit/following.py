"""A job on a cluster, followed on this screen to its end."""

import sys
from typing import TYPE_CHECKING

from dynst_platform.terminal.lines import pass_on, say

if TYPE_CHECKING:
    from dynst_platform.config.cluster_profile import Profile
    from dynst_platform.execution.ray_jobs import Cluster, RemoteJob

__all__ = ["follow", "how_to_find_again", "say_where"]


def follow(cluster: "Cluster", profile: "Profile", job: "RemoteJob") -> None:
    """Show what it writes until it ends, then where MLflow has it.

    This process ends with the job's exit code.

    Ctrl-C ends the showing and not the job.
    """
    try:
        for piece in cluster.follow(job.id):
            pass_on(piece)
        ended = cluster.ended(job.id)
    except KeyboardInterrupt:
        say(err=True)
        say(f"The job goes on. {how_to_find_again(job)}", err=True)
        sys.exit(130)
    say(f"{ended.id}: {ended.state}{_reason(ended)}", err=True)
    say_where(profile, ended)
    sys.exit(ended.code)


def how_to_find_again(job: "RemoteJob") -> str:
    return f"Follow it with: dynst jobs logs {job.run}   Stop it with: dynst jobs stop {job.run}"


def _reason(job: "RemoteJob") -> str:
    """What a job could not say itself, because it never ran."""
    said = job.message.strip().splitlines()
    return f" ({said[-1]})" if job.state == "FAILED" and job.exit_code is None and said else ""


def say_where(profile: "Profile", job: "RemoteJob") -> None:
    """The job's run in MLflow, as it is reached from here."""
    from dynst_platform.execution.submission import tracking_from_here

    uri = tracking_from_here(profile)
    if uri is None:
        return
    from dynst.storage.addresses import without_credentials
    from dynst_platform.errors import TrackingError
    from dynst_platform.log import quiet_libraries
    from dynst_platform.tracking.run_address import run_address

    quiet_libraries()
    try:
        address = run_address(uri, job.name, job.job_id)
    except TrackingError:
        address = (
            f"run {job.run} in experiment '{job.name}' at {without_credentials(uri)}, which "
            f"does not answer from here"
        )
    if address is not None:
        say(f"MLflow run   {address}", err=True)
