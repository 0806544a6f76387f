"""Rows of measurements: what is in the file is not measured again."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.support.rows import RowFile


@dataclass(frozen=True)
class Key:
    name: str
    seed: int


@dataclass(frozen=True)
class Found:
    error: float


def test_a_row_is_measured_once(tmp_path: Path) -> None:
    file, calls = RowFile(tmp_path / "below" / "rows.jsonl"), []

    def measure() -> Found:
        calls.append(1)
        return Found(0.1 * len(calls))

    assert file.rows() == []
    first = file.row(Key("a", 0), measure)
    assert first == {"name": "a", "seed": 0, "error": 0.1}
    assert file.row(Key("a", 0), measure) == first
    assert file.row(Key("a", 1), measure)["error"] == 0.2
    assert file.rows() == [first, {"name": "a", "seed": 1, "error": 0.2}]
    assert len(calls) == 2
