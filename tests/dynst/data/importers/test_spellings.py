"""Sensors of a long table whose names are written in two ways, and quantities as columns."""

from pathlib import Path

import pandas as pd
import pytest

from dynst.data.importers.import_store import import_store
from dynst.errors import DataError

TIMES = pd.date_range("2024-03-01", periods=40, freq="h")


def long(folder: Path, first: str, second: str) -> Path:
    rows = [(time, first if step < 20 else second, step) for step, time in enumerate(TIMES)]
    rows += [(time, "other", step) for step, time in enumerate(TIMES)]
    table = pd.DataFrame(rows, columns=["time", "station", "flow"])
    table.to_csv(folder / "x.csv", index=False)
    return folder / "x.csv"


@pytest.mark.parametrize(
    ("first", "second"),
    [("1", "1.0"), ("Köln", "Ko\u0308ln"), ("A\u200b", "A"), ("Quay  St", "Quay St")],
)
def test_names_that_look_alike_are_refused(tmp_path: Path, first: str, second: str) -> None:
    with pytest.raises(DataError, match="'station' must write each sensor in one way"):
        import_store(long(tmp_path, first, second), tmp_path / "store")


@pytest.mark.parametrize(("first", "second"), [("7", "007"), ("Alder Weir", "alder weir")])
def test_names_that_are_nearly_alike_are_said_to_be_two(
    tmp_path: Path, first: str, second: str
) -> None:
    report = import_store(long(tmp_path, first, second), tmp_path / "store")
    text = f"'{first}', '{second}' of 'station' are 2 sensors"
    assert any(text in note for note in report.assumed)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("temperature", "humidity", "pressure"), True),
        (("A_flow", "A_speed", "B_flow", "B_speed"), True),
        (("A_flow", "B_flow"), False),
        (("temperature", "north"), False),
        (("level 1", "level 2"), False),
    ],
)
def test_quantities_as_columns_are_said_to_be_sensors(
    tmp_path: Path, names: tuple[str, ...], said: bool
) -> None:
    values = {name: [place + 1.5 * step for step in range(40)] for place, name in enumerate(names)}
    pd.DataFrame(values, TIMES).to_csv(tmp_path / "x.csv", index_label="time")
    report = import_store(tmp_path / "x.csv", tmp_path / "store")
    assert any("though they name quantities" in note for note in report.assumed) is said


def test_a_column_of_numbers_without_a_name_is_refused(tmp_path: Path) -> None:
    rows = [f"{time},{step},{step % 3}" for step, time in enumerate(TIMES)]
    (tmp_path / "x.csv").write_text("\n".join(["time,A,", *rows]) + "\n")
    with pytest.raises(DataError, match="column 3 has no name, but holds '0'"):
        import_store(tmp_path / "x.csv", tmp_path / "store")
