"""``dynst export``: a model for programs without DynST."""

from pathlib import Path

import click

from dynst_platform.terminal.lines import say
from dynst_platform.terminal.trust_option import trust_option

__all__ = ["export"]

ENDINGS = {"onnx": ".onnx", "torch-export": ".pt2"}


@click.command()
@click.argument("model")
@click.option("--to", "form", type=click.Choice(list(ENDINGS)), required=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="A file that ends with .onnx or .pt2; a .json is written beside it.",
)
@trust_option
def export(model: str, form: str, out: Path, trust_code: bool) -> None:
    """Write MODEL as ONNX or as a PyTorch export, once it was seen to forecast the same.

    MODEL is a registered name (its champion), NAME/3 (a version), or the id of an MLflow run.
    """
    if out.suffix != ENDINGS[form]:
        raise click.UsageError(
            f"--out must end with {ENDINGS[form]} for {form}, but got '{out.name}'"
        )
    from dynst_platform.terminal.output import check_folder

    check_folder(out)

    from dynst_platform.commands.export import workflow as use_case

    apart = use_case.export(model, form, out.resolve(), trust_code)
    say(
        f"{out} forecasts as the model does, to {apart:.1g} of a spread; its inputs are described "
        f"in {out.name}.json"
    )
