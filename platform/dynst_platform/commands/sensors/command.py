"""``dynst sensors``: the deployment plan of a model."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dynst_platform.terminal.gpu_option import gpu_option
from dynst_platform.terminal.lines import say, say_json
from dynst_platform.terminal.trust_option import trust_option

if TYPE_CHECKING:
    from dynst_platform.config.job import UseGpu

__all__ = ["sensors"]


@click.command()
@click.argument("model")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file that ends with .csv, .geojson or .html.",
)
@click.option("--store", metavar="STORE", help="Where the data lie now, if not where the job says.")
@click.option(
    "--format",
    "output",
    type=click.Choice(["table", "json"]),
    default="table",
    help="What goes to standard output.",
)
@gpu_option
@trust_option
def sensors(
    model: str,
    out: Path | None,
    store: str | None,
    output: str,
    trust_code: bool,
    use_gpu: "UseGpu",
) -> None:
    """Say which sensors MODEL needs and what each is worth.

    MODEL is a registered name (its champion), NAME/3 (a version), or the id of an MLflow run.
    """
    if out is not None:
        from dynst_platform.commands.sensors.files import check_form
        from dynst_platform.terminal.output import check_folder

        check_form(out)
        check_folder(out)

    from dynst_platform.commands.sensors.workflow import plan_of

    plan = plan_of(model, store, trust_code, use_gpu)
    if out is not None:
        from dynst_platform.commands.sensors.files import write_plan

        write_plan(out, plan)
    if output == "json":
        say_json(plan.summary())
        return

    from dynst_platform.commands.sensors.table import print_plan

    print_plan(plan)
    if out is not None:
        say()
        say(f"Plan written to {out}")
