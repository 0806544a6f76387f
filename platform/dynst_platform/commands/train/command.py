"""``dynst train``: one job, from the file to the table."""

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from dynst_platform.config.job import JobSpec

__all__ = ["train"]


@click.command()
@click.argument("job", type=click.Path(path_type=Path), required=False)
@click.option(
    "--set",
    "assignments",
    metavar="KEY=VALUE",
    multiple=True,
    help="Override a setting, e.g. sparsity.final=0.5.",
)
@click.option(
    "--resume",
    metavar="RUN",
    help="Go on with an interrupted run: its folder, or the MLflow run of any of its arms.",
)
@click.option(
    "--format",
    "output",
    type=click.Choice(["table", "json"]),
    default="table",
    help="What goes to standard output.",
)
@click.option(
    "--by-step",
    is_flag=True,
    help="Also print the errors at some steps of the horizon; JSON always has all of them.",
)
@click.option("--offline", is_flag=True, help="Tell MLflow nothing now; dynst sync does it later.")
@click.option("--quiet", is_flag=True, help="Show no progress: the result and errors alone.")
def train(
    job: Path | None,
    assignments: tuple[str, ...],
    resume: str | None,
    output: str,
    by_step: bool,
    offline: bool,
    quiet: bool,
) -> None:
    """Train the forecaster of JOB and learn which sensors it can do without.

    Progress goes to standard error, the result to standard output.
    """
    if (job is None) == (resume is None):
        raise click.UsageError("name a job file, or with --resume a run that was interrupted")
    spec, folder = (
        (_new(job, assignments), None) if job is not None else _started(str(resume), assignments)
    )

    from dynst_platform.execution.ray_process import begun_early

    with begun_early(spec.cluster.most_workers > 0 and spec.cluster.address is None):
        from dynst_platform.config.stores import moved_store, store_for

        with moved_store("data.store" if folder is not None else None):
            store = store_for(spec)

        from functools import partial

        from dynst_platform.commands.train import workflow as use_case
        from dynst_platform.commands.train.progress import TrainingProgress
        from dynst_platform.commands.train.table import print_table
        from dynst_platform.terminal.output import print_result

        with (
            redirect_stdout(sys.stderr),
            TrainingProgress(spec, quiet) as progress,
        ):  # Ray reports dead workers on standard output
            outcome = use_case.train(spec, store, progress.on_report, offline, folder)
    print_result(outcome, output, partial(print_table, by_step=by_step))


def _new(job: Path, assignments: tuple[str, ...]) -> "JobSpec":
    from dynst_platform.config.files import load_job

    return load_job(job, assignments)


def _started(run: str, assignments: tuple[str, ...]) -> "tuple[JobSpec, Path]":
    from dynst_platform.tracking.run_folder import find_run, resumed_job

    folder = find_run(run)
    return resumed_job(folder, assignments), folder
