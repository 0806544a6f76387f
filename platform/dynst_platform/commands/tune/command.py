"""``dynst tune``: search schedules, rates and sparsities for the best trade between accuracy and
sensors kept.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from dynst_platform.commands.tune.workflow import Started
    from dynst_platform.config.sweep import SweepSpec

__all__ = ["tune"]

STORE = "job.data.store"


@click.command()
@click.argument("sweep", type=click.Path(path_type=Path), required=False)
@click.option(
    "--set",
    "assignments",
    metavar="KEY=VALUE",
    multiple=True,
    help="Override a setting, e.g. trials=30 or job.seed=1.",
)
@click.option(
    "--resume",
    metavar="RUN",
    help="Go on with a sweep, by its folder or its MLflow run; finished trials are kept.",
)
@click.option(
    "--extend", metavar="N", type=click.IntRange(min=1), help="With --resume: add N trials."
)
@click.option(
    "--format",
    "output",
    type=click.Choice(["table", "json"]),
    default="table",
    help="What goes to standard output.",
)
@click.option("--quiet", is_flag=True, help="Show no progress: the result and errors alone.")
def tune(
    sweep: Path | None,
    assignments: tuple[str, ...],
    resume: str | None,
    extend: int | None,
    output: str,
    quiet: bool,
) -> None:
    """Run the trials of SWEEP and show which of them no other one beats in every objective."""
    if (sweep is None) == (resume is None):
        raise click.UsageError(
            "name a sweep file, or with --resume a sweep that was started before"
        )
    if resume is not None and not all(word.startswith(f"{STORE}=") for word in assignments):
        raise click.UsageError(
            f"a sweep goes on as it was started; leave --set out, but for {STORE} where the store "
            "lies elsewhere now, or start a new one"
        )
    if extend is not None and resume is None:
        raise click.UsageError(
            "--extend adds trials to a sweep that was started before; name its run with --resume"
        )
    spec, known = (
        (_new(sweep, assignments), None)
        if sweep is not None
        else _started(str(resume), extend or 0, assignments)
    )

    from dynst_platform.config.stores import moved_store, sweep_store_for

    with moved_store(STORE if resume is not None else None):
        store = sweep_store_for(spec)  # before anything heavy is imported

    from dynst_platform.commands.tune import workflow as use_case
    from dynst_platform.commands.tune.progress import SweepProgress
    from dynst_platform.commands.tune.table import print_sweep
    from dynst_platform.terminal.output import print_result

    with SweepProgress(spec, quiet) as progress:
        outcome = use_case.tune(spec, store, progress.on_task, progress.on_trial, known)
    print_result(outcome, output, print_sweep)


def _new(path: Path, assignments: tuple[str, ...]) -> "SweepSpec":
    from dynst_platform.commands.tune.proposals import with_trials
    from dynst_platform.config.files import load_sweep

    return with_trials(_from_anywhere(load_sweep(path, assignments)))


def _from_anywhere(spec: "SweepSpec") -> "SweepSpec":
    """It may be resumed from another folder."""
    from dynst_platform.config.files import with_overrides
    from dynst_platform.config.job import JobSpec
    from dynst_platform.config.stores import from_anywhere

    job = JobSpec.model_validate(spec.job)
    places = {"data.store": from_anywhere(job.data.store)}
    if job.references.given is not None:
        places["references.given"] = job.references.given
    return spec.model_copy(update={"job": with_overrides(spec.job, places)})


def _started(run: str, extend: int, assignments: tuple[str, ...]) -> "tuple[SweepSpec, Started]":
    from dynst_platform.commands.tune.proposals import with_trials
    from dynst_platform.commands.tune.workflow import find_sweep
    from dynst_platform.config.files import load_sweep, with_overrides
    from dynst_platform.config.job import JobSpec
    from dynst_platform.config.moved import present_store

    started = find_sweep(run)
    spec = _from_anywhere(load_sweep(started.sweep_file, assignments, recorded=True))
    store = present_store(JobSpec.model_validate(spec.job).data.store)
    moved = spec.model_copy(update={"job": with_overrides(spec.job, {"data.store": store})})
    return with_trials(moved, extend), started
