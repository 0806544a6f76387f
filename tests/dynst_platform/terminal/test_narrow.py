"""Tables on screens of any width: nothing in them is cut off."""

import io

import pytest

from dynst_platform.terminal.screen import Screen, TextTable


def shown(table: TextTable, width: int) -> str:
    written = io.StringIO()
    Screen(file=written, width=width).table(table)
    return written.getvalue()


def runs() -> TextTable:
    table = TextTable("Trainings of 'quickstart': mean absolute error on the test part")
    table.column("run", no_wrap=True)
    table.column("MAE", "all", justify="right", no_wrap=True)
    table.column("")
    table.column("what differs")
    table.row("dynst-0123456789", "80.47", "● P", "scheme=searched final=0.5", style="bold green")
    table.row("dense-0123456789", "81.23", "", "")
    table.caption_of("* its own active sensors")
    return table


@pytest.mark.parametrize("width", [20, 40, 50, 60, 80, 120])
def test_every_cell_is_there(width: int) -> None:
    text = shown(runs(), width)
    assert "…" not in text
    for word in ("dynst-0123456789", "dense-0123456789", "80.47", "scheme=searched", "final=0.5"):
        assert word in text


def test_a_paragraph_for_each_row_where_a_table_does_not_fit() -> None:
    assert shown(runs(), 40).splitlines() == [
        "Trainings of 'quickstart': mean absolute error on the test part",
        "",
        "run: dynst-0123456789",
        "MAE all: 80.47",
        "● P",
        "what differs: scheme=searched final=0.5",
        "",
        "run: dense-0123456789",
        "MAE all: 81.23",
        "",
        "* its own active sensors",
    ]
    assert "┏" in shown(runs(), 80)


def test_a_command_to_copy_is_on_one_line() -> None:
    written, command = io.StringIO(), f"dynst train --resume {'runs/' * 20}"
    Screen(file=written, width=40).show(command)
    assert written.getvalue() == f"{command}\n"
