"""``dynst curve``: what every share of switched-off sensors costs, from one training a seed."""

from pathlib import Path

import click

__all__ = ["curve"]


@click.command()
@click.argument("job", type=click.Path(path_type=Path))
@click.option(
    "--set",
    "assignments",
    metavar="KEY=VALUE",
    multiple=True,
    help="Override a setting, e.g. curve.seeds=[0,1,2].",
)
@click.option(
    "--format",
    "output",
    type=click.Choice(["table", "json"]),
    default="table",
    help="What goes to standard output.",
)
@click.option("--quiet", is_flag=True, help="Show no progress: the result and errors alone.")
def curve(job: Path, assignments: tuple[str, ...], output: str, quiet: bool) -> None:
    """Draw the sparsity–error curve of JOB.

    DynST's choice and the baselines' are evaluated on one supernet for each seed.

    Stopped in the middle, the same command goes on where it was; further seeds, sparsities or
    baselines are added to what is there.
    """
    from dynst_platform.config.files import load_job
    from dynst_platform.config.stores import curve_store_for

    spec = load_job(job, assignments)
    store = curve_store_for(spec)

    from dynst_platform.commands.curve import workflow as use_case
    from dynst_platform.commands.curve.table import print_curve
    from dynst_platform.studies.progress import TaskProgress
    from dynst_platform.terminal.output import print_result

    with TaskProgress(spec.name, quiet) as progress:
        outcome = use_case.curve(spec, store, progress.on_task)
    print_result(outcome, output, print_curve)
