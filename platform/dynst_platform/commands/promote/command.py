"""``dynst promote``: the best sparse model of an experiment into service, or the one before it
again.
"""

import sys
from typing import TYPE_CHECKING, Any

import click

from dynst_platform.terminal.gpu_option import gpu_option
from dynst_platform.terminal.lines import say
from dynst_platform.terminal.trust_option import trust_option

if TYPE_CHECKING:
    from dynst_platform.commands.promote.workflow import Decision

__all__ = ["promote"]

REFUSED = 3


@click.command()
@click.argument("experiment", required=False)
@click.option(
    "--model",
    "name",
    metavar="NAME",
    required=True,
    help="Registered model whose champion it shall be.",
)
@click.option(
    "--max-over-dense",
    type=click.FloatRange(min=0),
    help="Share by which its error may exceed dense, e.g. 0.02.",
)
@click.option(
    "--min-sparsity",
    type=click.FloatRange(0, 1, max_open=True),
    help="Share of sensors that must be off.",
)
@click.option(
    "--max-cost",
    type=click.FloatRange(min=0, min_open=True),
    help="What the sensors that it reads may cost.",
)
@click.option(
    "--min-speed-up",
    type=click.FloatRange(min=0),
    help="Over the same network with every sensor on.",
)
@click.option("--min-seeds", type=click.IntRange(min=1), help="Trainings of the same settings.")
@click.option("--store", metavar="STORE", help="Where the data lie now, if not where the job says.")
@gpu_option
@trust_option
@click.option(
    "--replace-unusable",
    is_flag=True,
    help="Also replace a champion whose model is gone, damaged or another program's, uncompared.",
)
@click.option("--dry-run", is_flag=True, help="Decide, and change nothing.")
@click.option("--rollback", is_flag=True, help="Let the champion before this one serve again.")
@click.option(
    "--format",
    "output",
    type=click.Choice(["table", "json"]),
    default="table",
    help="What goes to standard output.",
)
def promote(
    experiment: str | None,
    name: str,
    store: str | None,
    dry_run: bool,
    rollback: bool,
    output: str,
    trust_code: bool,
    replace_unusable: bool,
    **flags: Any,
) -> None:
    """Choose the best training of EXPERIMENT under a policy, measure it anew, compare it with the
    champion, and decide.

    The policy is that of the training's job (promotion: …); flags replace single rules. Exit code 0
    promoted, 3 refused, also where the code of a model is not trusted. A training whose model does
    not come out again as it was logged is passed over for the next.
    """
    _check_name(name)
    use_gpu = flags.pop("use_gpu")
    if rollback:
        _roll_back(name, experiment, dry_run)
        return
    if experiment is None:
        raise click.UsageError("name the experiment to promote from, or ask for --rollback")
    from dynst_platform.commands.promote import workflow as use_case
    from dynst_platform.terminal.output import print_json

    decision = use_case.promote(
        experiment, name, flags, store, dry_run, trust_code, replace_unusable, use_gpu
    )
    (print_json if output == "json" else _print)(decision)
    if not decision.promoted:
        sys.exit(REFUSED)


def _check_name(name: str) -> None:
    if not name.replace("-", "").replace("_", "").replace(".", "").isalnum():
        raise click.UsageError(
            f"--model must be letters, digits, '.', '_' and '-', but got '{name}'"
        )

    from dynst_platform.model_registry.registered import LOCK, is_lock_name

    if is_lock_name(name):
        raise click.UsageError(
            f"--model must not end like the lock of a promotion, {LOCK}, but got '{name}'"
        )


def _roll_back(name: str, experiment: str | None, dry_run: bool) -> None:
    if experiment is not None or dry_run:
        raise click.UsageError("--rollback goes with --model alone")

    from dynst_platform.config.locations import tracking_uri
    from dynst_platform.model_registry.rollback import roll_back
    from dynst_platform.tracking.clients import reader_of
    from dynst_platform.tracking.reaching import as_tracking_error

    with as_tracking_error(tracking_uri()):
        done = roll_back(reader_of(tracking_uri()), name)
    left = "" if done.before is None else f"; version {done.before} is not any more"
    say(f"Version {done.now.number} of '{name}' is the champion again{left}.")
    for reason in done.passed_over:
        say(f"  - {reason}")


def _print(decision: "Decision") -> None:
    verb = "would be" if decision.dry_run else "is"
    which = "" if decision.version is None else f" version {decision.version} of"
    if decision.promoted:
        say(f"Promoted: run {decision.run_id} {verb}{which} '{decision.model}', the champion:")
    else:
        say(f"Refused: nothing was changed in '{decision.model}':")
    for reason in decision.reasons:
        say(f"  - {reason}")
    for reason in decision.passed_over:
        say(f"  - passed over: {reason}")
    policy = {key: value for key, value in decision.policy.items() if value is not None}
    say(f"Policy: {', '.join(f'{key} {value:g}' for key, value in policy.items())}")
