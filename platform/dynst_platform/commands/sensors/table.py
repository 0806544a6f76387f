"""A deployment plan on the screen."""

import math
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    import pandas as pd

    from dynst_platform.commands.sensors.workflow import Plan

__all__ = ["print_plan"]

SHOWN = 25  # sensors of each kind


def print_plan(plan: "Plan") -> None:
    console, on, unit = Console(), plan.sensors["on"], f" {plan.unit}".rstrip()
    off_error = "" if plan.mae_inactive is None else f", {plan.mae_inactive:.4g} where they are off"
    console.print(
        f"{on.sum()} of {len(on)} sensors stay on; what they cost falls from {plan.cost_before:g} "
        f"to {plan.cost:g}.\n"
        f"Mean absolute error on the test part: {plan.mae_all:.4g}{unit} over all locations, "
        f"{plan.mae_active:.4g} where sensors "
        f"stay on{off_error}.\n",
        highlight=False,
    )
    kept = plan.sensors[on].sort_values("mae_all_if_lost", ascending=False)
    table = _table(
        "Keep, the hardest to lose first",
        ("sensor", "cost", "error there", "error over all if lost"),
    )
    for row in _first(kept):
        lost = row["mae_all_if_lost"]
        share = "" if math.isnan(lost) else f" ({lost / plan.mae_all - 1:+.1%})"
        table.add_row(row["sensor"], f"{row['cost']:g}", _figure(row["mae"]), _figure(lost) + share)
    console.print(table)
    off = plan.sensors[~on].sort_values("mae", ascending=False)
    table = _table("Switch off, the worst forecast first", ("sensor", "saves", "error there"))
    for row in _first(off):
        table.add_row(row["sensor"], f"{row['cost']:g}", _figure(row["mae"]))
    console.print(table)
    if max(len(kept), len(off)) > SHOWN:
        console.print(
            f"The first {SHOWN} of each; --out plan.csv has all of them.", highlight=False
        )


def _first(sensors: "pd.DataFrame") -> list[dict[Any, Any]]:
    return sensors.head(SHOWN).to_dict("records")


def _table(title: str, headings: tuple[str, ...]) -> Table:
    table = Table(title=title, title_justify="left")
    for heading in headings:
        table.add_column(
            heading, justify="left" if heading == "sensor" else "right", no_wrap=heading != "sensor"
        )
    return table


def _figure(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.4g}"
