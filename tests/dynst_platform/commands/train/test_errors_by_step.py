"""The table of errors by step that goes to the screen."""

import pytest
from rich.console import Console

from dynst_platform.commands.train.errors_by_step import shown_steps, tables_by_step
from dynst_platform.commands.train.workflow import Outcome


@pytest.mark.parametrize(
    ("horizon", "steps"),
    [
        (1, [1]),
        (3, [1, 2, 3]),
        (6, [1, 2, 3, 4, 5, 6]),
        (7, [1, 2, 4, 5, 7]),
        (12, [1, 3, 6, 9, 12]),
        (48, [1, 12, 24, 36, 48]),
    ],
)
def test_a_few_steps_stand_for_the_horizon(horizon: int, steps: list[int]) -> None:
    assert shown_steps(horizon) == steps


def outcome(rows: list[dict], targets: dict[str, str]) -> Outcome:
    return Outcome("r", "e", {}, 0.5, {}, {}, {}, {}, errors_by_step=rows, targets=targets)


def row(
    forecaster: str, step: int, mae: float | None, group: str = "all", channel: str = "speed"
) -> dict:
    return {
        "forecaster": forecaster,
        "group": group,
        "channel": channel,
        "step": step,
        "minutes_ahead": 5.0 * step * 6,
        "mae": mae,
    }


def printed(of: Outcome) -> str:
    console = Console(width=120)
    with console.capture() as shown:
        for table in tables_by_step(of):
            console.print(table)
    return shown.get()


def test_random_choices_are_averaged_and_what_was_never_observed_is_a_dash() -> None:
    rows = [
        row("dynst", 1, 2.5),
        row("random-0", 1, 3.0),
        row("random-1", 1, 4.0),
        row("random-10", 1, 5.0),
    ]
    rows += [row("dynst", 2, None), *(row(f"random-{number}", 2, 8.0) for number in (0, 1, 10))]
    lines = printed(outcome(rows, {"speed": "km/h"})).splitlines()
    assert lines[0].strip() == "Mean absolute error at ALL by step ahead (km/h)"
    assert "30 min" in lines[3]
    assert "1 h" in lines[3]
    assert [cell.strip() for cell in lines[5].split("│")[1:-1]] == ["DynST", "2.50", "–"]
    assert [cell.strip() for cell in lines[6].split("│")[1:-1]] == [
        "mean of 3 random choices*",
        "4.00",
        "8.00",
    ]
    assert len(lines) == 8, "no INACTIVE table where no sensor is off"


def test_each_target_has_its_own_tables() -> None:
    rows = [
        row("dynst", 1, 1.0, group, channel)
        for channel in ("speed", "flow")
        for group in ("all", "active", "inactive")
    ]
    text = printed(outcome(rows, {"speed": "km/h", "flow": ""}))
    assert text.count("Mean absolute error at") == 4
    assert "INACTIVE by step ahead, flow" in text
