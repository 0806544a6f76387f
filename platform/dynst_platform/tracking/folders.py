"""The folder that a run, a sweep or a study works in: kept from other processes, and left behind
only where something began.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from dynst.errors import DynstError
from dynst.storage.room import is_full
from dynst_platform.errors import StorageError
from dynst_platform.tracking.cursor import folder_lock
from dynst_platform.tracking.lease import leased
from dynst_platform.tracking.shared_folder import SharedFolder, begin_shared, shared_folder

__all__ = ["Work", "kept_copy", "notes_how_to_go_on", "working_folder"]


@dataclass
class Work:
    """Whether there is something to go on with."""

    begun: bool = False

    def begin(self) -> None:
        self.begun = True


@contextmanager
def working_folder(folder: Path) -> Iterator[Work]:
    """Inside, the folder is there and locked.

    Where the block fails before its work has begun, all that was made here is gone again.

    Raises:
        BusyError: another process works in it.
    """
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    work = Work(begun=folder not in made)
    folder.mkdir(parents=True, exist_ok=True)
    with folder_lock(folder):
        try:
            yield work
        except BaseException:
            if not work.begun:
                _remove(folder, made)
            raise


@contextmanager
def kept_copy(folder: Path, work: Work) -> Iterator[SharedFolder]:
    """The copy of a folder that is at work.

    That of a new one is begun and held here, and is gone again where the block fails before its
    work has begun. Another one is held by the folder's lock.

    Raises:
        StorageError: the copy cannot be written.
    """
    if work.begun:
        yield shared_folder(folder)
        return
    shared = begin_shared(folder)
    try:
        with leased(shared):
            yield shared
    except BaseException:
        if not work.begun:
            with suppress(StorageError):
                shared.remove_all()
        raise


@contextmanager
def notes_how_to_go_on(command: Callable[[], str], work: Work) -> Iterator[None]:
    """What a user can mend by other settings is not worth resuming; everything else is.

    ``command`` is asked when the block has failed.
    """
    try:
        yield
    except BaseException as error:
        if work.begun and (is_full(error) or not isinstance(error, DynstError)):
            error.add_note(f"go on with: {command()}")
        raise


def _remove(folder: Path, made: list[Path]) -> None:
    """With the folders above it that are empty then."""
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        for place in made:
            if place != folder:
                place.rmdir()
