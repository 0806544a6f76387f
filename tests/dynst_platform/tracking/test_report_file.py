"""The file that is the queue: whole lines, each report once."""

import json
from math import isnan
from pathlib import Path
from typing import Any

import pytest

from dynst.errors import DataError
from dynst_platform.commands.tune.reports import TrialReport
from dynst_platform.reports import EpochReport, read_report
from dynst_platform.tracking.line_file import LineReader, append_line, followed
from dynst_platform.tracking.report_file import ReportReader, append_report
from tests.dynst_platform.reports import arm_end, change, epoch


def read(reader: LineReader) -> list[tuple[int, Any]]:
    return list(reader.new())


def test_a_reader_waits_for_the_rest_of_a_line(tmp_path: Path) -> None:
    path = tmp_path / "reports.jsonl"
    reader = LineReader(path, json.loads)
    assert read(reader) == []
    seen = []
    for piece in ('{"a": 1}\n{"b"', ': "ü', '"}', "\n"):
        with path.open("a", encoding="utf-8") as file:
            file.write(piece)
        seen.append(read(reader))
    assert seen == [[(1, {"a": 1})], [], [], [(2, {"b": "ü"})]]


def test_replayed_reports_are_left_out_and_their_lines_counted(tmp_path: Path) -> None:
    path = tmp_path / "reports.jsonl"
    end = arm_end()
    for report in (epoch(1, "dense"), end, epoch(1), epoch(2), epoch(2), end, epoch(3)):
        append_report(path, report)
    assert read(ReportReader(path)) == [
        (1, epoch(1, "dense")),
        (2, arm_end(artifact=str(tmp_path / "models/dense"))),
        (3, epoch(1)),
        (4, epoch(2)),
        (7, epoch(3)),
    ]


def test_a_model_is_found_where_the_folder_lies_now(tmp_path: Path) -> None:
    """An earlier DynST wrote whole paths, and today's are relative."""
    made, moved = tmp_path / "made" / "job", tmp_path / "moved" / "job"
    (made / "models" / "dense").mkdir(parents=True)
    (made / "models" / "random-0").mkdir()
    append_report(made / "reports.jsonl", arm_end(artifact=str(made / "models" / "dense")))
    old = arm_end("random-0", "random", artifact=str(made / "models" / "random-0"))
    with (made / "reports.jsonl").open("a") as file:
        file.write(old.model_dump_json() + "\n")
    lines = (made / "reports.jsonl").read_text().splitlines()
    assert [json.loads(line)["artifact"] for line in lines] == ["models/dense", old.artifact]
    made.parent.rename(moved.parent)
    found = [report.artifact for _, report in read(ReportReader(moved / "reports.jsonl"))]
    assert found == [str(moved / "models" / name) for name in ("dense", "random-0")]


def test_reports_of_trials_are_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "reports.jsonl"
    for _ in range(2):
        append_line(path, TrialReport(epoch=1, train_mae=1.0).for_tune())
    assert [
        (number, report.epoch) for number, report in read(LineReader(path, TrialReport.read))
    ] == [(1, 1), (2, 1)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"kind": "epoch", "arm": "dense"}', "epoch.arm_kind: Field required"),
        (b'{"kind": "later", "arm": "dense"}', "does not match any of the expected tags"),
        (
            epoch(1).model_dump_json().replace('"version":1', '"version":2').encode(),
            "is of version 2, and this DynST reads up to 1",
        ),
        (epoch(1).model_dump_json().replace('"step"', '"steps"').encode(), "Field required"),
        (b"[]", "a line: Input should be an object"),
    ],
)
def test_what_is_no_report_is_one_sentence(line: bytes, reason: str) -> None:
    with pytest.raises(DataError, match=reason) as raised:
        read_report(line)
    assert "\n" not in str(raised.value)


def test_nothing_is_lost_on_the_way_to_the_file(tmp_path: Path) -> None:
    """Not even what JSON has no word for."""
    path = tmp_path / "reports.jsonl"
    update = change(3, [True, False], importance=(float("nan"), float("-inf")), pruned=(1,))
    report = epoch(1, updates=[update], val_mae=float("inf"))
    append_report(path, report)
    append_line(path, report.model_dump())
    for _, found in list(LineReader(path, read_report).new()):
        assert found.model_dump_json() == report.model_dump_json()
        assert isnan(found.updates[0].importance[0])


def test_a_line_that_was_never_ended_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "reports.jsonl"
    append_report(path, epoch(1))
    with path.open("a") as file:
        file.write('{"kind": "epoch", "arm"')
    reader = ReportReader(path)
    assert read(reader) == [(1, epoch(1))]
    append_report(path, epoch(2))
    assert read(reader) == [(2, epoch(2))]


def test_all_is_handed_over_before_the_block_is_left(tmp_path: Path) -> None:
    path, seen = tmp_path / "reports.jsonl", []
    append_report(path, epoch(1))
    with followed(ReportReader(path), seen.append):
        append_report(path, epoch(2))
    assert seen == [epoch(1), epoch(2)]


def test_a_listener_that_fails_is_told_at_the_end(tmp_path: Path) -> None:
    def broken(report: EpochReport) -> None:
        raise ValueError(report.epoch)

    path = tmp_path / "reports.jsonl"
    with pytest.raises(ValueError, match="1"), followed(ReportReader(path), broken):
        append_report(path, epoch(1))
