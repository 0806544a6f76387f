"""Clients of MLflow: made in one place; writers create a database whole or not at all, readers
create nothing.
"""

import sqlite3
from pathlib import Path
from threading import Barrier, Thread
from types import SimpleNamespace
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS
from mlflow.store.db import utils as of_mlflow
from mlflow.store.tracking import sqlalchemy_store

import dynst_platform
from dynst.data.store import SensorStore
from dynst.errors import ConfigError
from dynst.storage.locks import made_once
from dynst_platform.config.locations import home, tracking_uri
from dynst_platform.config.tracking_address import checked_address, sqlite_file, sqlite_uri
from dynst_platform.errors import NotFoundError, UnreachableError
from dynst_platform.tracking.clients import client_of, reader_of
from dynst_platform.tracking.database import made_whole
from dynst_platform.tracking.experiments import experiment_for
from tests.conftest import with_tracking_store
from tests.dynst_platform.command_line import JOB, dynst_here

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning:mlflow", "ignore::ResourceWarning"
)
STRANGE = "a%20b%2Fc?x=1#y ü+z&a;b@c:d"


def test_clients_are_made_in_one_place() -> None:
    package = Path(dynst_platform.__file__).parent
    found = [
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if "MlflowClient(" in path.read_text(encoding="utf-8")
    ]
    assert found == ["tracking/clients.py"]


@pytest.mark.parametrize("name", ["plain", "a%20b", "a%2Fb", "what?x=1", "h#sh", STRANGE])
def test_any_path_has_an_address(tmp_path: Path, name: str) -> None:
    from sqlalchemy import make_url

    file = tmp_path / name / "mlflow.db"
    uri = sqlite_uri(file)
    assert make_url(uri).database == str(file)
    assert sqlite_file(uri) == file
    assert checked_address(uri) == uri


def test_an_address_of_the_users_own_names_its_file_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert checked_address("sqlite:///x.db") == f"sqlite:///{tmp_path}/x.db"
    assert checked_address("sqlite:///x.db?timeout=9") == f"sqlite:///{tmp_path}/x.db?timeout=9"
    assert checked_address(f"sqlite:///{tmp_path}/a%20b.db") == f"sqlite:///{tmp_path}/a b.db"
    assert checked_address(" http://host:5000 ") == "http://host:5000"


def test_a_training_and_its_readers_on_a_strange_path(
    tmp_path: Path, network: SensorStore, tracking_template: Path
) -> None:
    folder = with_tracking_store(tmp_path / STRANGE, tracking_template)
    (tmp_path / "job.yaml").write_text(JOB.format(store=network.path))
    few = ["--set", "references.random=0", "--set", "training.epochs=2", "--quiet"]
    done = dynst_here("train", "job.yaml", *few, cwd=tmp_path, DYNST_HOME=STRANGE)
    assert (done.returncode, done.stderr) == (0, "")
    rows = dynst_here("compare", "small", "--format", "json", cwd=tmp_path, DYNST_HOME=STRANGE)
    assert '"mae_all"' in rows.stdout, rows.stderr
    (run,) = [path.parents[1].name for path in folder.glob("artifacts/small/*/artifacts/masks")]
    shown = dynst_here("forecast", run, network.path, cwd=tmp_path, DYNST_HOME=STRANGE)
    assert shown.returncode == 0, shown.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"job.yaml", STRANGE}


def test_a_database_is_created_over_what_a_killed_process_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed while MLflow makes its tables, nothing of that name is there; then it is whole."""
    file = tmp_path / STRANGE / "mlflow.db"
    original = sqlalchemy_store.SqlAlchemyStore

    def killed(uri: str, root: str) -> None:
        draft = sqlite_file(uri)
        assert draft is not None
        sqlite3.connect(draft).execute("CREATE TABLE experiments (experiment_id INTEGER)")
        raise SystemExit

    monkeypatch.setattr(sqlalchemy_store, "SqlAlchemyStore", killed)
    with pytest.raises(SystemExit):
        made_whole(file)
    assert not file.exists()
    (file.parent / ".mlflow.db.draft").write_text("of a process that could not clean up")
    monkeypatch.setattr(sqlalchemy_store, "SqlAlchemyStore", original)
    assert client_of(sqlite_uri(file)).get_experiment("0").name == "Default"
    assert {path.name for path in file.parent.iterdir()} == {"mlflow.db"}
    assert [path.name for path in tmp_path.iterdir()] == [STRANGE]


def test_what_several_want_is_made_once(tmp_path: Path) -> None:
    path, start, makers = tmp_path / "new" / "thing", Barrier(4), []

    def make(path: Path) -> None:
        makers.append(path)
        path.touch()

    def want() -> None:
        start.wait()
        made_once(path, make)

    assert not path.parent.exists()
    threads = [Thread(target=want) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert makers == [path]
    assert list(path.parent.iterdir()) == [path], "no lock is left"


def test_what_could_not_be_made_is_made_by_the_next(tmp_path: Path) -> None:
    def fail(path: Path) -> None:
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        made_once(tmp_path / "thing", fail)
    made_once(tmp_path / "thing", Path.touch)
    assert (tmp_path / "thing").exists()


def test_a_reader_creates_nothing(own_home: Path) -> None:
    with pytest.raises(NotFoundError, match=r"no runs in .*mlflow\.db, which does not exist"):
        reader_of(tracking_uri())
    assert not own_home.exists()


def test_a_database_that_does_not_answer_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("psycopg2")
    waits: list[float] = []
    monkeypatch.setattr(of_mlflow.time, "sleep", waits.append)
    with pytest.raises(UnreachableError, match="Connection refused"):
        reader_of("postgresql+psycopg2://user@127.0.0.1:9/db")
    assert waits == []


def test_an_experiment_that_another_process_created_meanwhile_is_taken() -> None:
    other = SimpleNamespace(lifecycle_stage="active", experiment_id="7", artifact_location="s3://x")
    known = iter([None, other])

    def create(*_: Any) -> str:
        raise MlflowException("Experiment(name=small) already exists", RESOURCE_ALREADY_EXISTS)

    client: Any = SimpleNamespace(
        get_experiment_by_name=lambda name: next(known), create_experiment=create
    )
    assert experiment_for(client, "small", None) == "7"


@pytest.mark.parametrize("value", ["", "  "])
def test_an_empty_home_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("DYNST_HOME", value)
    with pytest.raises(ConfigError, match="DYNST_HOME must name the folder for runs, but is empty"):
        home()


def test_a_home_that_is_a_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("DYNST_HOME", str(tmp_path / "file"))
    with pytest.raises(ConfigError, match="file is a file; name another one"):
        home()
