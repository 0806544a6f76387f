"""A SQLite database for MLflow that is there whole or not at all, whoever dies while it is made."""

import sqlite3
from contextlib import closing
from pathlib import Path

from dynst.storage.locks import made_once
from dynst_platform.config.tracking_address import sqlite_uri
from dynst_platform.errors import UnusableError

__all__ = ["is_there", "made_whole", "refuse_unfinished"]

TABLES = {"experiments", "runs", "metrics", "params", "tags", "registered_models", "model_versions"}


def is_there(file: Path) -> bool:
    """Whether MLflow has begun a database; an empty file is none."""
    return file.is_file() and file.stat().st_size > 0


def made_whole(file: Path) -> None:
    """Create the database where it is not there; a second process waits for the first.

    Raises:
        UnusableError: an earlier process began one and was killed.
        OSError: it cannot be written.
    """
    made_once(file, _create, is_there)
    refuse_unfinished(file)


def refuse_unfinished(file: Path) -> None:
    """Raises UnusableError for a database without MLflow's first experiment, which is written last,
    for what is no database, and for one that lost a table, which MLflow would begin anew.
    """
    lost: set[str] = set()
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as database:
            begun = database.execute("SELECT 1 FROM experiments LIMIT 1").fetchone()
            lost = TABLES - {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
    except sqlite3.DatabaseError as error:
        if not _is_of_content(error):
            raise
        begun = None
    if begun is None:
        raise UnusableError(
            f"{file} must be a tracking database of MLflow, but is unfinished or of another kind, "
            f"and holds no runs; move it elsewhere and train again, or set MLFLOW_TRACKING_URI to "
            f"another file"
        )
    if lost:
        raise UnusableError(
            f"{file} must be a whole tracking database of MLflow, but lacks the table "
            f"{min(lost)}; restore it from a backup"
        )


def _is_of_content(error: sqlite3.DatabaseError) -> bool:
    """As opposed to one that is locked or cannot be opened."""
    return error.sqlite_errorcode in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)


def _create(file: Path) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore  # noqa: PLC0415  (slow)

    draft = file.with_name(f".{file.name}.draft")
    _remove(draft)
    try:
        store = SqlAlchemyStore(sqlite_uri(draft), str(file.with_name("artifacts")))
        store.engine.dispose()
        draft.replace(file)
    finally:
        _remove(draft)


def _remove(draft: Path) -> None:
    """With what SQLite keeps beside it."""
    for suffix in ("", "-journal", "-wal", "-shm"):
        draft.with_name(draft.name + suffix).unlink(missing_ok=True)
