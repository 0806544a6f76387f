"""The address of a tracking store: which ones MLflow has a store for, and the file behind
``sqlite:``.
"""

from importlib.metadata import entry_points
from pathlib import Path
from urllib.parse import unquote

from dynst.errors import ConfigError
from dynst.storage.addresses import is_of_a_server, without_credentials

__all__ = ["checked_address", "sqlite_file", "sqlite_uri"]

DATABASES = ("postgresql", "mysql", "mssql")
HOSTED = ("databricks",)
PLAIN, NAMED_DRIVER = "sqlite:///", "sqlite+pysqlite:///"
QUOTED = str.maketrans({"%": "%25", "?": "%3F"})  # what SQLAlchemy would read otherwise in a path


def checked_address(uri: str) -> str:
    """The address as MLflow takes it: a SQLite file by its whole path.

    Raises:
        ConfigError: MLflow has no store for such an address, or keeps nothing there.
    """
    uri = uri.strip()
    scheme = _scheme(uri)
    if scheme == "sqlite":
        file, (_, _, query) = _file_of(uri), uri.partition("?")
        return f"{sqlite_uri(file)}?{query}" if query else sqlite_uri(file)
    database = scheme in DATABASES and "://" in uri
    if is_of_a_server(uri) or database or scheme in (*HOSTED, *_plugins()):
        return uri
    raise ConfigError(
        f"MLFLOW_TRACKING_URI must be http://HOST:PORT, https://…, postgresql://…, mysql://…, "
        f"mssql://… or sqlite:///PATH, but got '{without_credentials(uri)}'; {_remedy(scheme)}"
    )


def sqlite_file(uri: str) -> Path | None:
    """The database behind a ``sqlite:`` address; None for every other one."""
    return _file_of(uri) if _scheme(uri) == "sqlite" else None


def sqlite_uri(file: Path) -> str:
    """The address of a SQLite database, whatever its path holds.

    MLflow makes the folders of ``sqlite:///`` by the quoted path; with a named driver it does not.
    """
    path = str(file)
    quoted = path.translate(QUOTED)
    return PLAIN + path if quoted == path else NAMED_DRIVER + quoted


def _file_of(uri: str) -> Path:
    path = unquote(uri.partition("://")[2].partition("?")[0].removeprefix("/"))
    if not path or path.startswith((":memory:", "file:")):
        raise ConfigError(
            f"MLFLOW_TRACKING_URI must name a file for SQLite, but got '{uri}'; write "
            f"sqlite:///PATH"
        )
    return Path(path).absolute()


def _scheme(uri: str) -> str:
    """Without the driver: ``mysql+pymysql`` is a ``mysql``."""
    return uri.partition(":")[0].lower().partition("+")[0]


def _plugins() -> tuple[str, ...]:
    return tuple(each.name for each in entry_points(group="mlflow.tracking_store"))


def _remedy(scheme: str) -> str:
    if scheme in ("file", "") or not scheme.isalnum():
        return "MLflow's file store is not supported, move it with mlflow migrate-filestore"
    return "correct it, or unset it for a database in the home folder"
