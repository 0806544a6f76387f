"""How far a run's reports are on their way to MLflow: a small file in the run's folder, and a lock
on that folder.
"""

import fcntl
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any

from dynst.data.store import SensorStore
from dynst.errors import ConfigError
from dynst.storage.files import replace_text
from dynst_platform.errors import BusyError, StorageError
from dynst_platform.forms import VERSION, todays
from dynst_platform.tracking.lease import leased
from dynst_platform.tracking.report_file import REPORTS, ReportReader, now_ms
from dynst_platform.tracking.shared_folder import shared_folder

__all__ = [
    "CURSOR",
    "DECISIONS_TAG",
    "Cursor",
    "Ending",
    "State",
    "folder_lock",
    "is_at_work",
    "queued",
]

CURSOR, LOCK = "delivered.json", "lock"
DECISIONS_TAG = "dynst.decisions_digest"
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ending:
    """How a run ended that did not finish, for MLflow; ``time`` in ms since 1970."""

    status: str
    reason: str
    time: int = field(default_factory=now_ms)


@dataclass(frozen=True)
class State:
    """What must be known to send a run to MLflow later.

    Args:
        store, digest: the sensor store's folder, and its data.
        origin: tags that say where the run was started, and with which costs, groups and marks.
        lines: of the report file, that MLflow has.
        runs: ids of the MLflow runs, by arm.
        ending: to be sent after all reports.
    """

    store: str
    digest: str
    origin: dict[str, str]
    began: int = field(default_factory=now_ms)
    lines: int = 0
    runs: dict[str, str] = field(default_factory=dict)
    ending: Ending | None = None


class Cursor:
    """The state on disk, replaced whole at every move. Threads may share one."""

    def __init__(self, folder: Path, state: State) -> None:
        self.folder, self.state, self._shared = folder, state, shared_folder(folder)
        self._one_at_a_time = Lock()

    @classmethod
    def begin(cls, folder: Path, store: SensorStore, origin: dict[str, str]) -> "Cursor":
        tags = origin | {DECISIONS_TAG: store.decisions_digest}
        cursor = cls(folder, State(str(store.path.resolve()), store.manifest.digest, tags))
        cursor.move()
        cursor._shared.put(folder / CURSOR)  # without it the copy is none that a run goes on from
        return cursor

    @classmethod
    def open(cls, folder: Path) -> "Cursor":
        """Raises:
        ConfigError: no run has left one.
        DataError: a later DynST has left it.
        """
        try:
            facts = todays(json.loads((folder / CURSOR).read_bytes()), str(folder / CURSOR))
            ending = facts.pop("ending")
            return cls(folder, State(**facts, ending=Ending(**ending) if ending else None))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(
                f"a run's folder must hold {CURSOR}, but {folder} has none that can be read; name "
                f"a folder that dynst train made"
            ) from error

    def move(self, **changes: Any) -> None:
        with self._one_at_a_time:
            self.state = replace(self.state, **changes)
            document = {VERSION: 1, **asdict(self.state)}
            replace_text(self.folder / CURSOR, json.dumps(document, indent=1))
            try:
                self._shared.put(self.folder / CURSOR)
            except StorageError as error:  # an older one only has reports sent that MLflow knows
                logger.warning("%s", error)


def queued(cursor: Cursor) -> int:
    """Reports that MLflow does not have."""
    return sum(
        number > cursor.state.lines for number, _ in ReportReader(cursor.folder / REPORTS).new()
    )


def is_at_work(folder: Path) -> bool:
    """Whether a process of this machine works in a run's folder; writes nothing."""
    try:
        with (folder / LOCK).open(encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # there is no lock, or none on this file system
        return False
    return False


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Keep other processes out of a run's folder, and out of its copy those of other machines.

    Ends with the process at the latest; in the copy, half a minute later.

    Raises:
        BusyError: another one is there.
        StorageError: the copy cannot be read or written.
    """
    with (folder / LOCK).open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise BusyError(
                f"{folder} belongs to process {file.read()}, which still works in it; wait for "
                f"its end"
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        with leased(shared_folder(folder)):
            yield
