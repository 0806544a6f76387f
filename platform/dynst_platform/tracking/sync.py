"""The use case behind ``dynst sync``: send MLflow what it missed while it was away."""

from collections.abc import Callable
from pathlib import Path, PurePosixPath

from dynst.data.store import SensorStore
from dynst.errors import ConfigError, DynstError, in_one_line
from dynst.storage.addresses import without_credentials
from dynst_platform.config.files import load_job
from dynst_platform.config.job import JobSpec
from dynst_platform.config.locations import artifact_root, home, shown, storage, tracking_uri
from dynst_platform.config.opening import open_here
from dynst_platform.config.stores import find_store, is_fetched
from dynst_platform.errors import TrackingError, UnreachableError
from dynst_platform.log import quiet_libraries
from dynst_platform.tracking.cursor import CURSOR, Cursor, folder_lock, queued
from dynst_platform.tracking.delivery import Outbox
from dynst_platform.tracking.report_file import REPORTS
from dynst_platform.tracking.report_tracker import ReportTracker
from dynst_platform.tracking.run_folder import JOB_FILE, kept_code
from dynst_platform.tracking.shared_folder import (
    PARTS,
    SharedFolder,
    begin_shared,
    fetched_run,
    shared_folder,
)

__all__ = ["sync", "waiting_folders"]


def waiting_folders() -> list[Path]:
    """The runs under the home folder, or in ``DYNST_STORAGE``, that MLflow lacks in part.

    Those whose state cannot be read are among them.

    Raises:
        StorageError: the storage cannot be read.
    """
    _fetch_states()
    folders = sorted(path.parent for path in home().glob(f"*/*/{CURSOR}"))
    return [folder for folder in folders if _may_wait(folder)]


def _fetch_states() -> None:
    """Of runs that are not here, as much as says whether they wait."""
    root = SharedFolder(home(), storage())
    names = [PurePosixPath(name) for name in root.names()]
    for name in names:
        folder = home() / name.parent
        if name.name == CURSOR and len(name.parts) == 3 and not folder.exists():
            shared = begin_shared(folder)
            shared.fetch(folder / CURSOR)
            shared.fetch_all(f"{REPORTS}{PARTS}")


def _may_wait(folder: Path) -> bool:
    try:
        return _waits(Cursor.open(folder))
    except (DynstError, OSError):
        return True


def sync(folder: Path, skipped: int | None = None) -> int:
    """Send what a run's folder holds and MLflow lacks; returns how many reports that were.

    Args:
        folder: of the run.
        skipped: number of a report that is left out for good.

    Raises:
        ConfigError: no run's folder, or the run's sensor store has other data now.
        BusyError: the run still goes on, or is being sent.
        TrackingError: MLflow cannot be reached, or refuses, which is said with the report and the
            way out; what was sent until then is not sent again.
    """
    folder = _found(folder)
    Cursor.open(folder)
    with folder_lock(folder):
        shared_folder(folder).fetch_all()  # another machine may have gone on with it, or sent it
        cursor = Cursor.open(folder)  # as the process before this one left it
        number = queued(cursor)
        if _waits(cursor):
            quiet_libraries()
            with kept_code(folder):
                _send(cursor, skipped)
    return number


def _found(folder: Path) -> Path:
    if not folder.exists():
        folder = fetched_run(str(folder)) or folder
    return folder.resolve()


def _waits(cursor: Cursor) -> bool:
    return queued(cursor) > 0 or cursor.state.ending is not None


def _send(cursor: Cursor, skipped: int | None) -> None:
    folder, state = cursor.folder, cursor.state
    job = load_job(folder / JOB_FILE, recorded=True)
    store = _store(cursor, job)
    tracker = ReportTracker(tracking_uri(), artifact_root(), job, store, folder.name, state.origin)
    tracker.resume(state.runs)
    tracker.reopen()  # the end that an earlier process reported no longer holds
    tracker.start("dynst", "learned", state.began)
    outbox = Outbox(cursor, tracker)
    try:
        outbox.hand_over(_once, skipped)
    except UnreachableError:
        raise
    except Exception as error:
        raise _refusal(folder, outbox, error) from error
    outbox.end(_once)
    outbox.keep_logs()


def _refusal(folder: Path, outbox: Outbox, error: Exception) -> TrackingError:
    where, reason = shown(folder), without_credentials(in_one_line(error))
    way_out = "" if outbox.stuck is None else f"; {outbox.stuck.way_out(f'dynst sync {where}')}"
    return TrackingError(f"{where} cannot be sent ({reason}){way_out}")


def _store(cursor: Cursor, job: JobSpec) -> SensorStore:
    store = _store_of(cursor, job)
    if not store.has_content(cursor.state.digest):
        raise ConfigError(
            f"{store.path} must hold the data that {cursor.folder} was trained on, but was "
            f"written anew; put the old store back"
        )
    return store


def _store_of(cursor: Cursor, job: JobSpec) -> SensorStore:
    """Where it was trained, or, on another machine, from its address."""
    if Path(cursor.state.store).exists() or not is_fetched(job.data.store):
        return open_here(cursor.state.store)
    return find_store(job.data.store, job.data.patch)


def _once(action: Callable[[], None]) -> None:
    action()
