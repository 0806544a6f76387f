from pathlib import Path

import numpy as np
import pytest

from dynst.data.importers.import_store import GraphOptions, import_store
from dynst.data.importers.places.attributes import read_attributes
from dynst.data.sensor_table import Sensors
from dynst.data.store import open_store
from dynst.errors import DataError

SENSORS = Sensors(("north", "east", "south"))


def written(folder: Path, text: str) -> Path:
    (folder / "sensors.csv").write_text(text)
    return folder / "sensors.csv"


def test_rows_in_any_order_and_empty_cells_keep_what_there_was(tmp_path: Path) -> None:
    text = "id,cost,group,pinned,excluded\nsouth,2.5,a,yes,\nnorth,,a,0,TRUE\n"
    sensors, _ = read_attributes(written(tmp_path, text), SENSORS)
    assert sensors.cost.tolist() == [1, 1, 2.5]
    assert sensors.group == ("a", "", "a")
    assert sensors.pinned.tolist() == [False, False, True]
    assert sensors.excluded.tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "name,cost\nnorth,1\n",
            "must have a column id, and may have cost, group, pinned, excluded and coordinates, "
            "but has name, cost",
        ),
        ("id,price\nnorth,1\n", "but has id, price; rename or remove 'price'"),
        (
            "id,cost\nnorht,1\n",
            "must name sensors of the network, but names 'norht'; did you mean 'north'?",
        ),
        ("id,cost\nwww,1\n", "but names 'www'; the first is 'north'"),
        (
            "id,cost\neast,-1\n",
            "'cost' of 'east' must be a number of at least 0, but is '-1'; mend it",
        ),
        ("id;cost\neast;1,200\n", "'cost' of 'east' must be a number of at least 0"),
        ("id,cost\neast,1_000\n", "must be a number of at least 0, but is '1_000'"),
        ("id;cost\neast;1.200,50\n", "must be a number of at least 0, but is '1.200,50'"),
        ("id,cost\neast,nan\n", "must be a number of at least 0, but is 'nan'"),
        ("id,pinned\neast,maybe\n", "'pinned' of 'east' must be true or false, but is 'maybe'"),
        ("", "cannot be read as a table of sensors"),
        ("id,cost\neast,1\neast,2\n", "'east' must have one cost, but has '1.0' and '2.0'"),
        ("id,cost,cost\neast,1,2\n", "must have each column once"),
    ],
)
def test_a_wrong_table_is_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read_attributes(written(tmp_path, text), SENSORS)
    assert message in str(caught.value)


def test_one_table_of_places_and_costs_serves_both_flags(tmp_path: Path) -> None:
    text = "id;longitude;latitude;cost\nsouth;9,1;48,7;1200,5\nnorth;9,2;48,8;3\n"
    sensors, _ = read_attributes(written(tmp_path, text), SENSORS)
    assert sensors.cost.tolist() == [3, 1, 1200.5]


@pytest.mark.parametrize(
    "text", ["\ufeffid;cost\n7;3\n", "id\tcost\n007 \t3\n", "id,cost\n7.0,3\n7,3.0\n7,\n"]
)
def test_ids_are_matched_as_everywhere(tmp_path: Path, text: str) -> None:
    sensors, findings = read_attributes(written(tmp_path, text), Sensors(("042", "007")))
    assert sensors.cost.tolist() == [1, 3]
    assert any("leading zeros" in finding.text for finding in findings) == ("007" not in text)


def test_an_import_brings_them_into_the_store(tmp_path: Path) -> None:
    (tmp_path / "flow.csv").write_text(
        "time,north,east\n" + "".join(f"2024-01-01 {hour:02d}:00,{hour},7\n" for hour in range(24))
    )
    options = GraphOptions(sensors=written(tmp_path, "id,cost,pinned\neast,3,true\n"))
    import_store(tmp_path / "flow.csv", tmp_path / "store", graph=options)
    sensors = open_store(tmp_path / "store").sensors
    assert np.array_equal(sensors.cost, [1, 3])
    assert sensors.pinned.tolist() == [False, True]
