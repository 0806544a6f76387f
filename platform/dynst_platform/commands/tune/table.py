"""What a sweep found, on the screen: the front, the trial to choose, and what failed."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dynst_platform.commands.tune.workflow import SweepOutcome, TrialLine
from dynst_platform.terminal.output import print_open_questions, print_places, settings_of

__all__ = ["print_sweep"]


def print_sweep(outcome: SweepOutcome) -> None:
    console = Console()
    front = sorted(
        (trial for trial in outcome.trials if trial["front"]),
        key=lambda trial: float(trial["objectives"]["sparsity"]),
    )
    console.print()
    console.print(_table(outcome, front))
    for trial in front:
        if trial["chosen"]:
            console.print(
                f"\n[bold]Chosen: trial {trial['number']}[/], {settings_of(trial['overrides'])}",
                highlight=False,
            )
    for trial in outcome.trials:
        if trial["state"] == "failed":
            console.print(
                f"[red]trial {trial['number']} failed:[/] {escape(trial['reason'])}",
                highlight=False,
                soft_wrap=True,
            )
    print_places(
        console,
        f"Picture      {outcome.artifacts['picture']}",
        outcome.run_id,
        outcome.experiment,
        outcome.attribution,
    )
    print_open_questions(console, outcome.open_questions)


def _table(outcome: SweepOutcome, front: list[TrialLine]) -> Table:
    unit = f" ({outcome.unit})" if outcome.unit else ""
    states = [trial["state"] for trial in outcome.trials]
    counted = ", ".join(
        f"{states.count(state)} {state}"
        for state in ("finished", "stopped", "failed")
        if state in states
    )
    table = Table(
        title=f"Front of {len(states)} trials: {counted}; errors over ALL {outcome.num_sensors} "
        f"locations{unit}",
        title_justify="left",
        caption=f"dense: validation {outcome.dense['val']:.4g}, test {outcome.dense['test']:.4g}; "
        f"chosen on validation",
    )
    for heading in ("trial", "off", "validation", "test", "settings"):
        table.add_column(heading, justify="left" if heading == "settings" else "right")
    for trial in front:
        table.add_row(
            f"{trial['number']}{' *' if trial['chosen'] else ''}",
            f"{trial['objectives']['sparsity']:.0%}",
            _against(trial["objectives"]["mae_all"], outcome.dense["val"]),
            _against(trial["metrics"]["test/mae_all"], outcome.dense["test"]),
            settings_of(trial["overrides"]),
        )
    return table


def _against(error: float, dense: float) -> str:
    return f"{error:.4g} {error / dense - 1:+.1%}"
