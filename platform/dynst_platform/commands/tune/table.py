"""What a sweep found, on the screen: the front, the trial to choose, and what failed."""

from dynst_platform.commands.tune.workflow import SweepOutcome, TrialLine
from dynst_platform.terminal.output import print_open_questions, print_places, settings_of
from dynst_platform.terminal.screen import Screen, TextTable

__all__ = ["print_sweep"]


def print_sweep(outcome: SweepOutcome) -> None:
    screen = Screen()
    front = sorted(
        (trial for trial in outcome.trials if trial["front"]),
        key=lambda trial: float(trial["objectives"]["sparsity"]),
    )
    screen.table(_table(outcome, front), above=True)
    for trial in front:
        if trial["chosen"]:
            screen.show(
                f", {settings_of(trial['overrides'])}",
                label=f"Chosen: trial {trial['number']}",
                above=True,
                fold=True,
            )
    for trial in outcome.trials:
        if trial["state"] == "failed":
            screen.show(
                f" {trial['reason']}",
                label=f"trial {trial['number']} failed:",
                label_style="red",
            )
    print_places(
        screen,
        f"Picture      {outcome.artifacts['picture']}",
        outcome.run_id,
        outcome.experiment,
        outcome.attribution,
    )
    print_open_questions(screen, outcome.open_questions)


def _table(outcome: SweepOutcome, front: list[TrialLine]) -> TextTable:
    unit = f" ({outcome.unit})" if outcome.unit else ""
    states = [trial["state"] for trial in outcome.trials]
    counted = ", ".join(
        f"{states.count(state)} {state}"
        for state in ("finished", "stopped", "failed")
        if state in states
    )
    table = TextTable(
        f"Front of {len(states)} trials: {counted}; errors over ALL {outcome.num_sensors} "
        f"locations{unit}",
    )
    table.caption_of(
        f"dense: validation {outcome.dense['val']:.4g}, test {outcome.dense['test']:.4g}; "
        f"chosen on validation"
    )
    for heading in ("trial", "off", "validation", "test", "settings"):
        table.column(heading, justify="left" if heading == "settings" else "right")
    for trial in front:
        table.row(
            f"{trial['number']}{' *' if trial['chosen'] else ''}",
            f"{trial['objectives']['sparsity']:.0%}",
            _against(trial["objectives"]["mae_all"], outcome.dense["val"]),
            _against(trial["metrics"]["test/mae_all"], outcome.dense["test"]),
            settings_of(trial["overrides"]),
        )
    return table


def _against(error: float, dense: float) -> str:
    return f"{error:.4g} {error / dense - 1:+.1%}"
