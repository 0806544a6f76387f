"""What a worker leaves behind when its own code failed: a retry would fail the same way, so the run
ends with the reason.
"""

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch.distributed as dist

from dynst.errors import in_one_line
from dynst.storage.addresses import without_credentials
from dynst_platform.errors import StorageError
from dynst_platform.tracking.shared_folder import ALONE, SharedFolder

__all__ = ["FAILURE_FILE", "read_failure", "record_failure", "room_for_failure"]

FAILURE_FILE = "failed.txt"  # in a run's folder
RESERVE, RESERVED = ".reserve", 2**16  # bytes
logger = logging.getLogger(__name__)
LOST_PEER = (
    "gloo",
    "NCCL",
    "Connection closed by peer",
    "Connection reset by peer",
    "Broken pipe",
    "Socket",
)


@contextmanager
def record_failure(folder: Path, shared: SharedFolder = ALONE) -> Iterator[None]:
    """Write down what the block raises and swallow it, so that Ray Train sees no failure that it
    would retry.

    What comes of a lost peer, or of a group that is being replaced, is raised: a new group of
    workers goes on from the last checkpoint. Other ranks that wait for this one are woken by the
    end of its connections.

    Args:
        shared: the same folder, where other nodes see its copy.
    """
    grouped = dist.is_initialized()
    try:
        yield
    except Exception as error:
        # Ray Train takes the group from those that are left
        disbanded = grouped and not dist.is_initialized()
        if (disbanded or _is_lost_peer(error)) and not _known(folder / FAILURE_FILE, shared):
            logger.warning("the other workers were lost: %s", in_one_line(error))
            raise
        logger.error("this worker failed", exc_info=error)
        _write_once(
            folder / FAILURE_FILE,
            without_credentials(f"{in_one_line(error)}\n\n{traceback.format_exc()}"),
            shared,
        )
        if dist.is_initialized():
            dist.destroy_process_group()


@contextmanager
def room_for_failure(folder: Path) -> Iterator[None]:
    """Inside, the folder of a run has room to say that its disk is full, and no earlier failure."""
    (folder / FAILURE_FILE).unlink(missing_ok=True)
    (folder / RESERVE).write_bytes(b" " * RESERVED)
    try:
        yield
    finally:
        (folder / RESERVE).unlink(missing_ok=True)


def read_failure(folder: Path) -> str | None:
    """The reason in one line, if there is one; the file goes on with where it happened."""
    path = folder / FAILURE_FILE
    if not path.exists():
        return None
    lines = path.read_text(encoding="utf-8").splitlines()
    return lines[0] if lines else "a worker failed and died before it could say why"


def _is_lost_peer(error: Exception) -> bool:
    return isinstance(error, dist.DistError) or (
        isinstance(error, RuntimeError) and any(word in str(error) for word in LOST_PEER)
    )


def _known(path: Path, shared: SharedFolder) -> bool:
    """Whether a worker has said why it failed, here or on another node."""
    if path.exists():
        return True
    try:
        return shared.exists(path)
    except StorageError:
        return False


def _write_once(path: Path, reason: str, shared: SharedFolder) -> None:
    """The first rank to fail gives the reason; the others fail because of it.

    On a full disk it takes the room that was kept for it.
    """
    if _known(path, shared):
        return
    try:
        _write_new(path, reason)
    except OSError:
        (path.parent / RESERVE).unlink(missing_ok=True)
        _write_new(path, reason)
    with suppress(StorageError):  # which may be why the worker failed
        shared.put(path)


def _write_new(path: Path, reason: str) -> None:
    try:
        with suppress(FileExistsError), path.open("x", encoding="utf-8") as file:
            file.write(reason)
    except OSError:
        path.unlink(missing_ok=True)
        raise
