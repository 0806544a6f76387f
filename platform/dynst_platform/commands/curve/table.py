"""A sparsity–error curve on the screen: a table for each stage, a row for each choice, a column for
each sparsity.
"""

from collections.abc import Iterator, Sequence
from math import isfinite
from typing import Any

from dynst.evaluation.ridge import RIDGE
from dynst.experiment.supernet import CONSENSUS, LEARNED, NESTED, OTHER_SEED, RERUN, RULE
from dynst.sparsity.mask import num_active_at
from dynst_platform.commands.curve.summary import STAGES
from dynst_platform.commands.curve.workflow import CurveOutcome
from dynst_platform.studies.output import print_study_places
from dynst_platform.terminal.screen import Screen, TextTable

__all__ = ["print_curve"]

HEADINGS = dict(
    zip(STAGES, ("of the shared network as it is", "after fine-tuning on the choice"), strict=True)
)
NAMES = {
    LEARNED: "DynST",
    NESTED: "DynST, nested",
    RERUN: "DynST, run again",
    CONSENSUS: "DynST, consensus",
    OTHER_SEED: "DynST, another seed's",
    RULE: "best rule",
    RIDGE: "ridge, DynST's sensors",
}
SIMPLER = {"ridge": "the ridge regression", "profile": "the seasonal profile"}
MOST_LOST = 0.005  # to the best rule
LEVEL = 0.01  # of the network's error, within which a ridge regression is as good
SIGNIFICANT = 0.05
FEWEST_TESTED = 3  # seeds


def print_curve(outcome: CurveOutcome) -> None:
    screen = Screen()
    for stage in STAGES:
        points = [point for point in outcome.points if point["stage"] == stage]
        if points:
            screen.table(_table(outcome, stage, points), above=True)
    for sentence in (*_undecided(outcome), *_simpler(outcome)):
        screen.show(sentence, above=True, fold=True)
    print_study_places(screen, outcome)


def _table(outcome: CurveOutcome, stage: str, points: Sequence[dict[str, Any]]) -> TextTable:
    sparsities = sorted({point["sparsity"] for point in points})
    unit = f" ({outcome.unit})" if outcome.unit else ""
    title = f"Mean absolute error over ALL {outcome.num_sensors} locations {HEADINGS[stage]}{unit}"
    table = TextTable(title, title_style="bold")
    table.column("choice", no_wrap=True)
    for sparsity in sparsities:
        table.column(
            f"{sparsity:.0%} off",
            f"reads {num_active_at(sparsity, outcome.num_sensors)}",
            justify="right",
        )
    by_place = {(point["choice"], point["sparsity"]): point for point in points}
    found = [point["choice"] for point in points]
    for choice in dict.fromkeys(name for name in (*NAMES, *found) if name in found):
        cells = [_cell(by_place.get((choice, sparsity))) for sparsity in sparsities]
        table.row(
            NAMES.get(choice, choice),
            *cells,
            style="bold green" if choice == LEARNED else "",
        )
    seeds = max(point["seeds"] for point in points)
    caption = f"mean of {seeds} seed{'s' if seeds > 1 else ''}, against dense"
    if seeds >= FEWEST_TESTED:
        caption += (
            f"; * DynST is better, ° worse, with p < {SIGNIFICANT} (paired t-tests over seeds of "
            f"this record, Holm)"
        )
    elif seeds > 1:
        caption += f"; a test over seeds needs at least {FEWEST_TESTED} of them"
    table.caption_of(caption)
    return table


def _undecided(outcome: CurveOutcome) -> Iterator[str]:
    """Where blocks of the test part do not show that the choice is as good as the best rule's, or
    show that it is not.
    """
    last = {point["sparsity"]: point for point in outcome.points if point["choice"] == LEARNED}
    held = {share: point for share, point in last.items() if point["over_rule_upper"] is not None}
    worse = [
        f"{point['over_rule']:.1%} at {share:.0%} off"
        for share, point in held.items()
        if point["over_rule_lower"] > 0
    ]
    if worse:
        yield (
            f"On the test part DynST's choice has a larger error than the best rule's: by "
            f"{', '.join(worse)} (95 % bounds by blocks are above 0)."
        )
    short = [
        f"{_at_most(point['over_rule_worst'])} at {share:.0%} off"
        for share, point in held.items()
        if point["over_rule_lower"] <= 0 and point["over_rule_worst"] > MOST_LOST
    ]
    if short:
        yield (
            f"The test part is too short to say that DynST's choice is within {MOST_LOST:.1%} of "
            f"the best rule's for every seed: its error is above by at most {', '.join(short)} "
            f"(95 % bounds by blocks, of the seed with the largest)."
        )


def _at_most(bound: float) -> str:
    return f"{bound:.1%}" if isfinite(bound) else "an unknown share"


def _simpler(outcome: CurveOutcome) -> Iterator[str]:
    """Where a forecaster without a network does as well."""
    last = {(point["choice"], point["sparsity"]): point["mae_all"] for point in outcome.points}
    level = [
        f"{sparsity:.0%} off"
        for choice, sparsity in last
        if choice == RIDGE and last[choice, sparsity] <= (1 + LEVEL) * last[LEARNED, sparsity]
    ]
    if level:
        yield (
            f"A ridge regression that reads the same sensors is level with the network or better "
            f"at {', '.join(level)}."
        )
    beaten = [
        f"{name} at {', '.join(str(line[key]) for line in outcome.simpler)}"
        for key, name in SIMPLER.items()
        if any(line[key] for line in outcome.simpler)
    ]
    if beaten:
        shares = ", ".join(f"{line['sparsity']:.0%}" for line in outcome.simpler)
        yield (
            f"Of the {outcome.num_sensors} locations, a smaller error than the network's has "
            f"{' and '.join(beaten)} ({shares} off); locations.csv names them."
        )


def _cell(point: dict[str, Any] | None) -> str:
    if point is None:
        return ""
    against = "" if point["over_dense"] is None else f" {point['over_dense']:+.1%}"
    tested = point["seeds"] >= FEWEST_TESTED and point["p_value"] is not None
    star = "" if not (tested and point["p_holm"] < SIGNIFICANT) else "*°"[point["dynst_gain"] < 0]
    return f"{point['mae_all']:.4g}{against}{star}"
