"""A file of lines that one process appends to and another follows: each line is a JSON document."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import SEEK_END
from pathlib import Path
from threading import Event, Thread
from typing import Any, BinaryIO, Generic, TypeVar

from dynst_platform.tracking.shared_folder import ALONE, SharedFolder

__all__ = ["Follower", "LineReader", "append_line", "followed"]

Item = TypeVar("Item")
POLL_SECONDS = 0.2


def append_line(path: Path, document: dict[str, Any], shared: SharedFolder = ALONE) -> None:
    """Add a report that has come as plain data, first to the copy of the folder.

    A model inside the file's folder is named from there, so that the folder may be moved.
    """
    model = document.get("artifact")
    if isinstance(model, str) and Path(model).is_relative_to(path.parent):
        document = document | {"artifact": str(Path(model).relative_to(path.parent))}
    _append(path, json.dumps(document).encode(), shared)


def _append(path: Path, line: bytes, shared: SharedFolder) -> None:
    """A line that a killed process left half written is cut off first."""
    with path.open("ab+") as file:
        _cut_torn_line(file)
        shared.append(path, line + b"\n")
        file.write(line + b"\n")


def _cut_torn_line(file: BinaryIO) -> None:
    if file.seek(0, SEEK_END) == 0:
        return
    file.seek(-1, SEEK_END)
    if file.read(1) != b"\n":
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)


class LineReader(Generic[Item]):
    """Reads whole lines from where it stopped, each turned into an item by ``read``."""

    def __init__(self, path: Path, read: Callable[[bytes], Item]) -> None:
        self.path, self._read = path, read
        self._offset = self._number = 0

    def new(self) -> Iterator[tuple[int, Item]]:
        """Each new item with the number of its line, from 1."""
        for line in self._whole_lines():
            self._offset += len(line) + 1
            self._number += 1
            yield self._number, self._read(line)

    def _whole_lines(self) -> list[bytes]:
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            file.seek(self._offset)
            return file.read().split(b"\n")[:-1]


class Follower(Thread, Generic[Item]):
    """Passes items on while the training holds the caller's thread."""

    def __init__(self, reader: LineReader[Item], on_item: Callable[[Item], None]) -> None:
        super().__init__(name="reports", daemon=True)
        self._reader, self._on_item = reader, on_item
        self._done = Event()
        self._failure: Exception | None = None

    def run(self) -> None:
        last_round = False
        while not last_round:
            last_round = self._done.wait(POLL_SECONDS)
            try:
                for _, item in self._reader.new():
                    self._on_item(item)
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
def followed(reader: LineReader[Item], on_item: Callable[[Item], None]) -> Iterator[None]:
    """Pass on what the block appends to the file, and what was in it before.

    All of it when the block has ended.
    """
    follower = Follower(reader, on_item)
    follower.start()
    try:
        yield
    finally:
        follower.finish()
    follower.raise_failure()
