"""The file that is the queue: whole lines, each report once."""

from pathlib import Path

import pytest

from dynst_platform.tracking.report_file import ReportReader, append_report, followed


def epoch(number: int, arm: str = "dynst") -> dict:
    return {"kind": "epoch", "arm": arm, "epoch": number, "time": number}


def read(reader: ReportReader) -> list[tuple[int, dict]]:
    return list(reader.new())


def test_a_reader_waits_for_the_rest_of_a_line(tmp_path: Path) -> None:
    path = tmp_path / "reports.jsonl"
    reader = ReportReader(path)
    assert read(reader) == []
    seen = []
    for piece in ('{"a": 1}\n{"b"', ': "ü', '"}', "\n"):
        with path.open("a", encoding="utf-8") as file:
            file.write(piece)
        seen.append(read(reader))
    assert seen == [[(1, {"a": 1})], [], [], [(2, {"b": "ü"})]]


def test_replayed_reports_are_left_out_and_their_lines_counted(tmp_path: Path) -> None:
    path = tmp_path / "reports.jsonl"
    end = {"kind": "arm", "arm": "dense", "time": 0}
    for report in (epoch(1, "dense"), end, epoch(1), epoch(2), epoch(2), end, epoch(3)):
        append_report(path, report)
    assert read(ReportReader(path)) == [(1, epoch(1, "dense")), (2, end), (3, epoch(1)), (4, epoch(2)), (7, epoch(3))]


def test_reports_of_no_arm_are_all_kept(tmp_path: Path) -> None:
    """Trials of a sweep report plain figures."""
    path = tmp_path / "reports.jsonl"
    for _ in range(2):
        append_report(path, {"epoch": 1, "time": 5})
    assert [number for number, _ in read(ReportReader(path))] == [1, 2]


def test_a_line_that_was_never_ended_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "reports.jsonl"
    append_report(path, epoch(1))
    with path.open("a") as file:
        file.write('{"kind": "epoch", "arm"')
    reader = ReportReader(path)
    assert read(reader) == [(1, epoch(1))]
    append_report(path, epoch(2))
    assert read(reader) == [(2, epoch(2))]


def test_a_report_carries_its_time(tmp_path: Path) -> None:
    path = tmp_path / "reports.jsonl"
    append_report(path, {"kind": "epoch"})
    append_report(path, {"kind": "epoch"})
    first, second = (report["time"] for _, report in read(ReportReader(path)))
    assert 1_600_000_000_000 < first <= second


def test_all_is_handed_over_before_the_block_is_left(tmp_path: Path) -> None:
    path, seen = tmp_path / "reports.jsonl", []
    append_report(path, epoch(1))
    with followed(path, seen.append):
        append_report(path, epoch(2))
    assert seen == [epoch(1), epoch(2)]


def test_a_listener_that_fails_is_told_at_the_end(tmp_path: Path) -> None:
    def broken(report: dict) -> None:
        raise ValueError(report["epoch"])

    path = tmp_path / "reports.jsonl"
    with pytest.raises(ValueError, match="1"), followed(path, broken):
        append_report(path, epoch(1))
