"""``dynst forecast``: a model in service on new readings."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dynst_platform.terminal.gpu_option import gpu_option
from dynst_platform.terminal.lines import say
from dynst_platform.terminal.trust_option import trust_option

if TYPE_CHECKING:
    from dynst_platform.config.job import UseGpu

__all__ = ["forecast"]

FORMS = (".csv", ".parquet")
NAMED = 5


@click.command()
@click.argument("model")
@click.argument("store")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file that ends with .csv or .parquet.",
)
@gpu_option
@trust_option
def forecast(model: str, store: str, out: Path | None, trust_code: bool, use_gpu: "UseGpu") -> None:
    """Forecast all locations from the last readings of STORE, of which MODEL reads its active
    sensors alone.

    MODEL is a registered name (its champion), NAME/3 (a version), or the id of an MLflow run.
    """
    import sys

    if out is not None and out.suffix not in FORMS:
        raise click.UsageError(f"--out must end with {' or '.join(FORMS)}, but got '{out.name}'")

    from dynst_platform.terminal.output import check_folder

    if out is not None:
        check_folder(out)

    from dynst.storage.files import written_whole
    from dynst_platform.commands.forecast import workflow as use_case
    from dynst_platform.csv_files import write_csv

    found = use_case.forecast(model, store, trust_code, use_gpu)
    if found.absent:
        names = ", ".join(found.absent[:NAMED]) + (", …" if len(found.absent) > NAMED else "")
        say(
            f"{len(found.absent)} active sensors are not in the store and are forecast without: "
            f"{names}",
            err=True,
        )
    if found.missing:
        say(
            f"{found.missing:.1%} of the readings up to {found.until} are missing; expect "
            f"larger errors",
            err=True,
        )
    if out is None:
        write_csv(sys.stdout, found.table)
        return
    if out.suffix == ".csv":
        write_csv(out, found.table)
    else:
        with written_whole(out) as draft:
            found.table.to_parquet(draft, index=False)
    say(
        f"{len(found.table)} steps ahead of {found.until} for {len(found.table.columns) - 1} "
        f"locations: {out}"
    )
