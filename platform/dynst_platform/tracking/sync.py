"""The use case behind ``dynst sync``: send MLflow what it missed while it was away."""

from collections.abc import Callable
from pathlib import Path, PurePosixPath

from dynst.data.store import SensorStore
from dynst.errors import ConfigError, DynstError, in_one_line
from dynst.storage.addresses import without_credentials
from dynst_platform.config.job import JobSpec
from dynst_platform.config.locations import artifact_root, home, shown, storage, tracking_uri, typed
from dynst_platform.config.moved import present_store
from dynst_platform.config.opening import open_here
from dynst_platform.config.stores import find_store, is_fetched
from dynst_platform.errors import TrackingError, UnreachableError
from dynst_platform.log import quiet_libraries
from dynst_platform.network_code.kept_code import CODE, kept_code
from dynst_platform.tracking.clients import reader_of
from dynst_platform.tracking.cursor import CURSOR, Cursor, folder_lock
from dynst_platform.tracking.delivery import Outbox
from dynst_platform.tracking.lacking import (
    active_run,
    cursor_folders,
    store_is_there,
    unmodelled,
    waits,
)
from dynst_platform.tracking.open_study import end_left_studies
from dynst_platform.tracking.reaching import as_tracking_error
from dynst_platform.tracking.report_file import REPORTS
from dynst_platform.tracking.report_tracker import ReportTracker
from dynst_platform.tracking.run_folder import CHOICE_FILE, JOB_FILE, recorded_job
from dynst_platform.tracking.shared_folder import (
    PARTS,
    SharedFolder,
    fetched_run,
    remembered,
    shared_folder,
    shared_home,
)

__all__ = ["end_studies", "sync", "waiting_folders"]


def waiting_folders() -> list[Path]:
    """The runs under the home folder, or in ``DYNST_STORAGE``, that MLflow lacks in part, or whose
    model it lacks.

    Those whose state cannot be read are among them.

    Raises:
        TrackingError: nothing waits here, and MLflow cannot be asked for the models.
        StorageError: the storage cannot be read.
    """
    _fetch_states()
    known = {folder: _opened(folder) for folder in cursor_folders()}
    waiting = {folder for folder, cursor in known.items() if cursor is None or waits(cursor)}
    sent = [cursor for folder, cursor in known.items() if cursor and folder not in waiting]
    try:
        return sorted(waiting | _without_model(sent))
    except TrackingError:
        if not waiting:
            raise
        return sorted(waiting)  # which say it themselves


def end_studies() -> list[Path]:
    """End the runs that killed studies left open; returns the folders of their experiments.

    Raises:
        TrackingError: MLflow cannot be reached, or refuses.
    """
    quiet_libraries()
    return end_left_studies(tracking_uri())


def _opened(folder: Path) -> Cursor | None:
    try:
        cursor = Cursor.open(folder)
        waits(cursor)
    except (DynstError, OSError):
        return None
    return cursor


def _without_model(sent: list[Cursor]) -> set[Path]:
    uri = tracking_uri()
    if not sent or not store_is_there(uri):
        return set()
    quiet_libraries()
    with as_tracking_error(uri):
        return set(unmodelled(reader_of(uri), sent))


def sync(folder: Path, skipped: int | None = None) -> int:
    """Send what a run's folder holds and MLflow lacks; returns how many reports that were.

    Runs that were deleted in MLflow, and those without their whole model, get all of theirs again.

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
        if not waits(cursor) and not _lacks(cursor):
            return 0
        quiet_libraries()
        with kept_code(folder):
            return _send(cursor, skipped)


def _found(folder: Path) -> Path:
    if not folder.exists():
        folder = fetched_run(str(folder)) or folder
    return folder.resolve()


def _fetch_states() -> None:
    """Of runs that are not here, as much as says whether they wait, and how they go on."""
    names = [PurePosixPath(name) for name in SharedFolder(home(), storage()).names()]
    for name in names:
        folder = home() / name.parent
        if name.name == CURSOR and len(name.parts) == 3 and not (folder / CURSOR).exists():
            shared = shared_home(folder)
            shared.fetch_all(f"{REPORTS}{PARTS}")
            for state in (JOB_FILE, CHOICE_FILE, CODE, CURSOR):
                shared.fetch(folder / state)
            remembered(shared)


def _lacks(cursor: Cursor) -> bool:
    """Whether MLflow lacks a run or a model of what it was sent."""
    uri = tracking_uri()
    if not store_is_there(uri):
        return True
    quiet_libraries()
    with as_tracking_error(uri):
        client, runs = reader_of(uri), cursor.state.runs.values()
        gone = any(active_run(client, run_id) is None for run_id in runs)
        return gone or bool(unmodelled(client, [cursor]))


def _send(cursor: Cursor, skipped: int | None) -> int:
    folder, state = cursor.folder, cursor.state
    job = recorded_job(folder)
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
    return outbox.sent


def _refusal(folder: Path, outbox: Outbox, error: Exception) -> TrackingError:
    where, reason = shown(folder), without_credentials(in_one_line(error))
    command, stuck = f"dynst sync {typed(folder)}", outbox.stuck
    way_out = "" if stuck is None else f"; {stuck.way_out(command)}"
    kind = type(error) if isinstance(error, TrackingError) else TrackingError
    return kind(f"{where} cannot be sent ({reason}){way_out}")


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
    path = present_store(cursor.state.store)
    if Path(path).exists() or not is_fetched(job.data.store):
        return open_here(path)
    return find_store(job.data.store, job.data.patch)


def _once(action: Callable[[], None]) -> None:
    action()
