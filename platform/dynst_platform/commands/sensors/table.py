"""A deployment plan on the screen."""

import math
from typing import TYPE_CHECKING, Any

from dynst_platform.terminal.screen import Screen, TextTable

if TYPE_CHECKING:
    import pandas as pd

    from dynst_platform.commands.sensors.workflow import Plan

__all__ = ["print_plan"]

SHOWN = 25  # sensors of each kind


def print_plan(plan: "Plan") -> None:
    screen, on, unit = Screen(), plan.sensors["on"], f" {plan.unit}".rstrip()
    off_error = "" if plan.mae_inactive is None else f", {plan.mae_inactive:.4g} where they are off"
    screen.show(
        f"{on.sum()} of {len(on)} sensors stay on; what they cost falls from {plan.cost_before:g} "
        f"to {plan.cost:g}.",
        fold=True,
    )
    screen.show(
        f"Mean absolute error on the test part: {plan.mae_all:.4g}{unit} over all locations, "
        f"{plan.mae_active:.4g} where sensors stay on{off_error}.",
        fold=True,
    )
    kept = plan.sensors[on].sort_values("mae_all_if_lost", ascending=False)
    table = _table(
        "Keep, the hardest to lose first",
        ("sensor", "cost", "error there", "error over all if lost"),
    )
    for row in _first(kept):
        lost = row["mae_all_if_lost"]
        share = "" if math.isnan(lost) else f" ({lost / plan.mae_all - 1:+.1%})"
        table.row(row["sensor"], f"{row['cost']:g}", _figure(row["mae"]), _figure(lost) + share)
    screen.table(table, above=True)
    off = plan.sensors[~on].sort_values("mae", ascending=False)
    table = _table("Switch off, the worst forecast first", ("sensor", "saves", "error there"))
    for row in _first(off):
        table.row(row["sensor"], f"{row['cost']:g}", _figure(row["mae"]))
    screen.table(table)
    if max(len(kept), len(off)) > SHOWN:
        screen.show(f"The first {SHOWN} of each; --out plan.csv has all of them.", fold=True)


def _first(sensors: "pd.DataFrame") -> list[dict[Any, Any]]:
    return sensors.head(SHOWN).to_dict("records")


def _table(title: str, headings: tuple[str, ...]) -> TextTable:
    table = TextTable(title)
    for heading in headings:
        table.column(
            heading, justify="left" if heading == "sensor" else "right", no_wrap=heading != "sensor"
        )
    return table


def _figure(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.4g}"
