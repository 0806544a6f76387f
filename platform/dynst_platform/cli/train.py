"""``dynst train``: one job, from the file to the table."""

from pathlib import Path

import click

__all__ = ["train"]


@click.command()
@click.argument("job", type=click.Path(path_type=Path))
@click.option("--set", "assignments", metavar="KEY=VALUE", multiple=True, help="Override a setting, e.g. sparsity.final=0.5.")
@click.option("--format", "output", type=click.Choice(["table", "json"]), default="table", help="What goes to standard output.")
@click.option("--by-step", is_flag=True, help="Also print the errors at some steps of the horizon; JSON always has all of them.")
@click.option("--offline", is_flag=True, help="Tell MLflow nothing now; dynst sync does it later.")
def train(job: Path, assignments: tuple[str, ...], output: str, by_step: bool, offline: bool) -> None:
    """Train the forecaster of JOB and learn which sensors it can do without.

    Progress goes to standard error, the result to standard output.
    """
    from dynst_platform.jobfile import load_job
    from dynst_platform.stores import store_for

    spec = load_job(job, assignments)
    store = store_for(spec)

    from dynst_platform import train as use_case
    from dynst_platform.cli.output import print_json
    from dynst_platform.cli.progress import TrainingProgress
    from dynst_platform.cli.result import print_table

    with TrainingProgress(spec) as progress:
        outcome = use_case.train(spec, store, progress.on_report, offline)
    if output == "json":
        print_json(outcome)
    else:
        print_table(outcome, by_step=by_step)
