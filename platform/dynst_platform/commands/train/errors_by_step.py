"""Errors at some steps of the horizon, for a person: one table for ALL locations, one for the
INACTIVE ones.
"""

from collections.abc import Iterator
from statistics import fmean

from dynst.evaluation.ridge import PROFILE, RIDGE
from dynst_platform.commands.train.workflow import Outcome, StepRow
from dynst_platform.terminal.screen import TextTable

__all__ = ["shown_steps", "tables_by_step"]

FORECASTERS = {
    "dynst": "DynST",
    "dense": "dense",
    "random": "random choice",
    "persistence": "persistence",
    "seasonal_naive": "seasonal naive",
    RIDGE: "ridge regression",
    PROFILE: "seasonal profile",
}
GROUPS = {"all": "ALL", "inactive": "INACTIVE"}
MAX_ALL = 6
WIDEST = 100  # characters that a title may make its table wide


def shown_steps(horizon: int) -> list[int]:
    """The first step and each quarter of the horizon, or every step where there are few: 1, 3, 6,
    9, 12 of 12.
    """
    return (
        list(range(1, horizon + 1))
        if horizon <= MAX_ALL
        else [1, *(round(horizon * quarter / 4) for quarter in (1, 2, 3, 4))]
    )


def tables_by_step(outcome: Outcome) -> Iterator[TextTable]:
    """For each target channel: mean absolute errors of every forecaster, random choices
    averaged.
    """
    steps = shown_steps(max(row["step"] for row in outcome.errors_by_step))
    for channel, unit in outcome.targets.items():
        for group, title in GROUPS.items():
            rows = [
                row
                for row in outcome.errors_by_step
                if row["channel"] == channel and row["group"] == group
            ]
            if rows:
                of_channel = f", {channel}" if len(outcome.targets) > 1 else ""
                yield _table(
                    f"{title} by step ahead{of_channel}" + (f" ({unit})" if unit else ""),
                    rows,
                    steps,
                )


def _table(title: str, rows: list[StepRow], steps: list[int]) -> TextTable:
    title = f"Mean absolute error at {title}"
    table = TextTable(title, title_style="bold", min_width=min(len(title), WIDEST))
    table.column("forecaster", no_wrap=True)
    for step in steps:
        minutes = next(row["minutes_ahead"] for row in rows if row["step"] == step)
        lines = [f"{step}"] if minutes is None else [f"{step}", _time(minutes)]
        table.column(*lines, justify="right")
    others = {
        row["forecaster"] for row in rows if row["forecaster"].split("-")[0] not in FORECASTERS
    }
    for key, name in (
        FORECASTERS | {other: other.replace("_", " ") + "*" for other in sorted(others)}
    ).items():
        own = [row for row in rows if row["forecaster"].split("-")[0] == key]
        if own:
            count = len({row["forecaster"] for row in own})
            label = (
                f"mean of {count} random choices*"
                if count > 1
                else name + ("*" if key == "random" else "")
            )
            table.row(
                label, *(_mean([row for row in own if row["step"] == step]) for step in steps)
            )
    if rows[0]["group"] != "all" and any(row["forecaster"].startswith("random") for row in rows):
        table.caption_of("* at its own inactive sensors")
    return table


def _mean(rows: list[StepRow]) -> str:
    known = [row["mae"] for row in rows if row["mae"] is not None]
    return f"{fmean(known):.2f}" if known else "–"


def _time(minutes: float) -> str:
    return f"{minutes / 60:g} h" if minutes >= 60 else f"{minutes:g} min"
