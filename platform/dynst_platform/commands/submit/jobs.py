"""``dynst jobs``: what became of jobs that were sent to a cluster."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from dynst_platform.terminal.cluster_options import cluster_options, profile_of
from dynst_platform.terminal.lines import pass_on, say

if TYPE_CHECKING:
    from dynst_platform.config.cluster_profile import Profile
    from dynst_platform.execution.ray_jobs import Cluster, RemoteJob

__all__ = ["jobs"]


@click.group()
def jobs() -> None:
    """Jobs on a cluster.

    JOB is a job's id, the name of its MLflow run, or that of its file, of which the newest counts.
    """


@jobs.command("list")
@cluster_options
def list_jobs(**flags: Any) -> None:
    """The newest first: id, state, start, time taken, and the name of its MLflow run."""
    cluster, _ = _connected(flags)
    found = cluster.jobs()
    width = max((len(job.id) for job in found), default=0)
    for job in found:
        began = "" if job.began is None else f"{job.began.astimezone():%Y-%m-%d %H:%M}"
        say(f"{job.id:<{width}}  {job.state:<9}  {began:<16}  {_took(job):>8}  {job.run}")


@jobs.command()
@click.argument("job")
@cluster_options
def status(job: str, **flags: Any) -> None:
    """What it is, and how it ended if it did."""
    cluster, profile = _connected(flags)
    found = _found(cluster, job)
    facts = {"job": found.id, "run": found.run, "state": found.state, "took": _took(found)}
    if found.over:
        facts["exit code"] = str(found.code)
    for name, fact in facts.items():
        say(f"{name:<12} {fact}")

    from dynst_platform.commands.submit.following import say_where

    say_where(profile, found)


@jobs.command()
@click.argument("job")
@click.option("--now", is_flag=True, help="Print what there is and return.")
@cluster_options
def logs(job: str, now: bool, **flags: Any) -> None:
    """Print what it wrote and follow it to its end; Ctrl-C ends the following, not the job."""
    cluster, profile = _connected(flags)
    found = _found(cluster, job)
    if now:
        pass_on(cluster.logs(found.id))
        return

    from dynst_platform.commands.submit.following import follow

    follow(cluster, profile, found)


@jobs.command()
@click.argument("job")
@cluster_options
def stop(job: str, **flags: Any) -> None:
    """End it; its runs in MLflow are closed as KILLED."""
    cluster, _ = _connected(flags)
    found = _found(cluster, job)
    if found.over:
        say(f"{found.id} has ended already: {found.state}")
        return
    cluster.stop(found.id)
    ended = cluster.ended(found.id)
    say(f"{ended.id}: {ended.state}")


def _connected(flags: dict[str, Any]) -> "tuple[Cluster, Profile]":
    from dynst_platform.execution.ray_jobs import connect

    profile = profile_of(flags)
    return connect(profile), profile


def _found(cluster: "Cluster", word: str) -> "RemoteJob":
    from dynst_platform.commands.submit.finding import find_job

    return find_job(cluster.jobs(), word)


def _took(job: "RemoteJob") -> str:
    if job.began is None:
        return ""
    took = (job.ended or datetime.now(UTC)) - job.began
    return str(max(took, timedelta(0))).split(".")[0]  # clocks of two machines may differ
