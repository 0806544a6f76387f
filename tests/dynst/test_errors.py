from pathlib import Path

import pytest

from dynst.data.importers.import_store import import_store
from dynst.errors import ConfigError, DataError, DynstError


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain 'Straße 12 µg/m³ 道'", "plain 'Straße 12 µg/m³ 道'"),
        ("two\nlines\r\nand three", "two lines and three"),
        ("red \x1b[31mtext\x07", r"red \x1b[31mtext\x07"),
        ("next\x85line", r"next\x85line"),
        ("turned \u202eround", r"turned \u202eround"),
        ("", ""),
    ],
)
@pytest.mark.parametrize("kind", [DynstError, DataError, ConfigError])
def test_a_message_is_one_line_of_visible_text(
    kind: type[DynstError], text: str, shown: str
) -> None:
    assert str(kind(text)) == shown


def test_a_later_time_that_is_none_is_refused_with_the_file(tmp_path: Path) -> None:
    rows = [
        f"2024-03-{day:02d} {hour:02d}:00:00,{name},{hour}"
        for name in ("s1", "s2")
        for day in range(1, 31)
        for hour in range(24)
    ]
    file = tmp_path / "readings.csv"
    file.write_text("\n".join(["time,sensor,flow", *rows, "2024-03-31 7 00:00,s1,3"]) + "\n")
    with pytest.raises(DataError, match=r"readings.csv: .*'2024-03-31 7 00:00' in row 1441 below"):
        import_store(file, tmp_path / "store")
