"""A run's reports as lines of a file: the queue between a training and whoever listens to it."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import SEEK_END
from pathlib import Path
from threading import Event, Thread
from typing import Any, BinaryIO

__all__ = ["REPORTS", "Follower", "Report", "ReportReader", "append_report", "followed", "now_ms"]

Report = dict[str, Any]
REPORTS = "reports.jsonl"  # in a run's folder
POLL_SECONDS = 0.2


def now_ms() -> int:
    """Milliseconds since 1970, as MLflow counts time."""
    return int(time.time() * 1000)


def append_report(path: Path, report: Report) -> None:
    """Add one line, with the ``time`` at which that was done unless it has one.

    A line that a killed process left half written is cut off.
    """
    line = json.dumps({"time": now_ms()} | report).encode() + b"\n"
    with path.open("ab+") as file:
        _cut_torn_line(file)
        file.write(line)


def _cut_torn_line(file: BinaryIO) -> None:
    if file.seek(0, SEEK_END) == 0:
        return
    file.seek(-1, SEEK_END)
    if file.read(1) != b"\n":
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)


class ReportReader:
    """Reads whole lines from where it stopped. A report that was there before, since its epoch was replayed, is left out."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = self._number = 0
        self._seen: set[tuple[str, str, int | None]] = set()

    def new(self) -> Iterator[tuple[int, Report]]:
        """Each new report with the number of its line, from 1."""
        for line in self._whole_lines():
            self._offset += len(line) + 1
            self._number += 1
            report: Report = json.loads(line)
            if not self._seen_before(report):
                yield self._number, report

    def _whole_lines(self) -> list[bytes]:
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._offset)
            return file.read().split(b"\n")[:-1]

    def _seen_before(self, report: Report) -> bool:
        if "arm" not in report:
            return False
        identity = (report["arm"], report["kind"], report.get("epoch"))
        seen = identity in self._seen
        self._seen.add(identity)
        return seen


class Follower(Thread):
    """Hands reports over while the training holds the caller's thread."""

    def __init__(self, path: Path, on_report: Callable[[Report], None]) -> None:
        super().__init__(name="reports", daemon=True)
        self._reader, self._on_report = ReportReader(path), on_report
        self._done = Event()
        self._failure: Exception | None = None

    def run(self) -> None:
        last_round = False
        while not last_round:
            last_round = self._done.wait(POLL_SECONDS)
            try:
                for _, report in self._reader.new():
                    self._on_report(report)
            except Exception as error:
                self._failure = error
                return

    def finish(self) -> None:
        self._done.set()
        if self.is_alive():
            self.join()

    def raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure


@contextmanager
def followed(path: Path, on_report: Callable[[Report], None]) -> Iterator[None]:
    """Hand over what the block appends to the file, and what was in it before; all of it when the block has ended."""
    path.touch()
    follower = Follower(path, on_report)
    follower.start()
    try:
        yield
    finally:
        follower.finish()
    follower.raise_failure()
