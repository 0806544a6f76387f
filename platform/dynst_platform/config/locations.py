"""Where things lie: one visible folder for stores and runs, and the tracking store beside them."""

import os
import shlex
from pathlib import Path

from dynst.errors import ConfigError
from dynst.storage.addresses import has_credentials, is_remote, without_credentials
from dynst_platform.config.tracking_address import checked_address, sqlite_file, sqlite_uri

__all__ = [
    "artifact_root",
    "home",
    "shown",
    "shown_tracking_uri",
    "storage",
    "tracking_uri",
    "typed",
    "use_home_of",
]


def home() -> Path:
    """``$DYNST_HOME``, or ``runs`` in the current folder.

    Raises:
        ConfigError: ``$DYNST_HOME`` is empty or names a file.
    """
    given = os.environ.get("DYNST_HOME", "runs")
    if not given.strip():
        raise ConfigError(
            "DYNST_HOME must name the folder for runs, but is empty; set it to a folder, or unset "
            "it for ./runs"
        )
    path = Path(given).expanduser().resolve()
    if os.path.isfile(path):  # also where its folder cannot be read
        raise ConfigError(
            f"DYNST_HOME must name the folder for runs, but {path} is a file; name another one"
        )
    return path


def use_home_of(folder: Path) -> None:
    """The home in which the folder of a run or sweep lies is this process's: what belongs to it is
    there, wherever the command is called from.
    """
    if not folder.is_relative_to(home()):
        os.environ["DYNST_HOME"] = str(folder.parents[1])


def shown(path: Path) -> str:
    """As short as it can be typed here."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def typed(path: Path) -> str:
    """As a word of a command that can be given here, whatever the path holds."""
    return shlex.quote(shown(path))


def tracking_uri() -> str:
    """``$MLFLOW_TRACKING_URI``, or a SQLite file in the home folder.

    Raises:
        ConfigError: MLflow has no store for such an address.
    """
    given = os.environ.get("MLFLOW_TRACKING_URI")
    return checked_address(given) if given else sqlite_uri(home() / "mlflow.db")


def shown_tracking_uri() -> str:
    """For the screen, for files and for errors: without credentials."""
    return without_credentials(tracking_uri())


def storage() -> str | None:
    """``$DYNST_STORAGE``: the address, or a folder that every node sees, which keeps a copy of what
    a run or a sweep goes on from. None where runs are kept in the home folder alone.

    Raises:
        ConfigError: the address holds credentials.
    """
    given = os.environ.get("DYNST_STORAGE")
    if not given:
        return None
    if has_credentials(given):
        raise ConfigError(
            "DYNST_STORAGE must be an address without credentials, since runs keep it, but has "
            "some; give them as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    return given.rstrip("/") if is_remote(given) else str(Path(given).expanduser().resolve())


def artifact_root() -> str | None:
    """Where a new experiment's artifacts go: ``$DYNST_ARTIFACTS``, else the home folder or, with a
    server, where that likes.

    Raises:
        ConfigError: the address holds credentials.
    """
    given = os.environ.get("DYNST_ARTIFACTS")
    if given and has_credentials(given):
        raise ConfigError(
            "DYNST_ARTIFACTS must be an address without credentials, since MLflow keeps it, but "
            "has some; give them as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    if given:
        return (
            given.rstrip("/") if is_remote(given) else Path(given).expanduser().resolve().as_uri()
        )
    return (home() / "artifacts").as_uri() if sqlite_file(tracking_uri()) else None
