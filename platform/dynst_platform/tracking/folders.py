"""The folder that a run, a sweep or a study works in: kept from other processes, and left behind
only where something began.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dynst.errors import DynstError
from dynst_platform.tracking.cursor import folder_lock

__all__ = ["notes_how_to_go_on", "working_folder"]


@contextmanager
def working_folder(folder: Path) -> Iterator[Callable[[], None]]:
    """Inside, the folder is there and locked.

    Yields what is called once the work has begun. Where the block fails before, all that was made
    here is gone again.

    Raises:
        BusyError: another process works in it.
    """
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    begun = False

    def begin() -> None:
        nonlocal begun
        begun = True

    folder.mkdir(parents=True, exist_ok=True)
    with folder_lock(folder):
        try:
            yield begin
        except BaseException:
            if not begun:
                _remove(folder, made)
            raise


@contextmanager
def notes_how_to_go_on(command: str) -> Iterator[None]:
    """What a user can mend by other settings is not worth resuming; everything else is."""
    try:
        yield
    except BaseException as error:
        if not isinstance(error, DynstError):
            error.add_note(f"go on with: {command}")
        raise


def _remove(folder: Path, made: list[Path]) -> None:
    """With the folders above it that are empty then."""
    if folder in made:
        shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        for place in made:
            if place != folder:
                place.rmdir()
