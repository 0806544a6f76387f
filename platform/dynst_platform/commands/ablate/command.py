"""``dynst ablate``: what each part of the method is worth."""

from pathlib import Path

import click

__all__ = ["ablate"]


@click.command()
@click.argument("job", type=click.Path(path_type=Path))
@click.option(
    "--set",
    "assignments",
    metavar="KEY=VALUE",
    multiple=True,
    help="Override a setting, e.g. ablation.seeds=[0,1].",
)
@click.option(
    "--format",
    "output",
    type=click.Choice(["table", "json"]),
    default="table",
    help="What goes to standard output.",
)
@click.option("--quiet", is_flag=True, help="Show no progress: the result and errors alone.")
def ablate(job: Path, assignments: tuple[str, ...], output: str, quiet: bool) -> None:
    """Cross schemes, criteria, sparsities and seeds of JOB, each with a training of its own.

    Stopped in the middle, the same command goes on where it was.
    """
    from dynst_platform.config.files import load_job
    from dynst_platform.config.stores import ablation_store_for

    spec = load_job(job, assignments)
    store = ablation_store_for(spec)

    from dynst_platform.commands.ablate import workflow as use_case
    from dynst_platform.commands.ablate.table import print_ablation
    from dynst_platform.studies.progress import TaskProgress
    from dynst_platform.terminal.output import print_result

    with TaskProgress(spec.name, quiet) as progress:
        outcome = use_case.ablate(spec, store, progress.on_task)
    print_result(outcome, output, print_ablation)
