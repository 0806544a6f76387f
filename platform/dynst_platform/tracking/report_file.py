"""A run's reports as lines of a file: the queue between a training and its readers."""

import time
from collections.abc import Iterator
from pathlib import Path

from dynst.storage.addresses import is_remote
from dynst_platform.config.moved import counterpart
from dynst_platform.reports import ArmReport, Report, read_report
from dynst_platform.tracking.line_file import LineReader, append_line
from dynst_platform.tracking.shared_folder import ALONE, SharedFolder

__all__ = ["REPORTS", "ReportReader", "append_report", "now_ms"]

REPORTS = "reports.jsonl"  # in a run's folder


def now_ms() -> int:
    """Milliseconds since 1970, as MLflow counts time."""
    return int(time.time() * 1000)


def append_report(path: Path, report: Report, shared: SharedFolder = ALONE) -> None:
    """Add one line, first to the copy of the folder."""
    append_line(path, report.model_dump(mode="json"), shared)


class ReportReader(LineReader[Report]):
    """The reports of a training.

    One that was there before, since its epoch was replayed, is left out.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, read_report)
        self._seen: set[tuple[str, str, int | None]] = set()

    def new(self) -> Iterator[tuple[int, Report]]:
        for number, report in super().new():
            if not self._seen_before(report):
                yield number, _in_folder(report, self.path.parent)

    def _seen_before(self, report: Report) -> bool:
        identity = (report.arm, report.kind, report.epoch if report.kind == "epoch" else None)
        seen = identity in self._seen
        self._seen.add(identity)
        return seen


def _in_folder(report: Report, folder: Path) -> Report:
    """With the path of its model, wherever the folder lies now."""
    if not isinstance(report, ArmReport) or is_remote(report.artifact):
        return report
    path = folder / report.artifact
    if not path.exists():  # of an earlier DynST, which wrote whole paths
        path = counterpart(path, folder, least=2) or path
    return report.model_copy(update={"artifact": str(path)})
