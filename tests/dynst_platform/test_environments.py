"""Every command in every environment that does not let it do its work: one sentence, the right exit
code, no traceback, and nothing left behind by those that only read.
"""

import builtins
import errno
import io
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import click
import pytest

from dynst.data.store import SensorStore
from dynst_platform.main import cli
from dynst_platform.tracking.cursor import Cursor, Ending
from tests.dynst_platform.command_line import JOB, dynst_here

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning:mlflow", "ignore::ResourceWarning"
)

CLOSED = "127.0.0.1:9"
RUN = "0" * 32
HERE = ("--address", f"http://{CLOSED}")
WRITES = {  # what each command is called with
    "train": ["job.yaml", "--quiet"],
    "tune": ["sweep.yaml", "--quiet"],
    "curve": ["job.yaml", "--quiet"],
    "ablate": ["job.yaml", "--quiet"],
    "sync": ["runs/small/waiting"],
}
ASKS = {
    "compare": ["small"],
    "promote": ["small", "--model", "m"],
    "registry history": ["m"],
    "registry unlock": ["m"],
    "sensors": [RUN],
    "forecast": [RUN, "store"],
    "export": [RUN, "--to", "onnx", "--out", "model.onnx"],
}
STARTS = {"ui": []}
ELSEWHERE = {  # these ask a cluster, which is away, or no one at all
    "submit": ["job.yaml", *HERE, "--home", "/nowhere"],
    "jobs list": [*HERE],
    "jobs status": ["job", *HERE],
    "jobs logs": ["job", *HERE],
    "jobs stop": ["job", *HERE],
    "doctor": [*HERE],
    "data import": ["flow.csv", "imported"],
    "data describe": ["store"],
    "data answer": ["store", "none"],
    "data sensors": ["store", "sensors.csv"],
    "data synthesize": ["made", "--sensors", "8", "--steps", "48"],
}
LEFT = {"small", "waiting", "job.yaml", "delivered.json"}  # which were there before
ALL = WRITES | ASKS | STARTS | ELSEWHERE


@pytest.fixture
def place(tmp_path: Path, network: SensorStore) -> Path:
    """A folder with all that the commands are called with."""
    shutil.copytree(network.path, tmp_path / "store")
    job = JOB.format(store=tmp_path / "store")
    (tmp_path / "job.yaml").write_text(job)
    body = "\n".join(f"  {line}" for line in job.splitlines())
    (tmp_path / "sweep.yaml").write_text(
        "name: swept\ntrials: 2\nspace: {sparsity.final: {choice: [0.25, 0.5]}}\n"
        f"job:\n{body}\n"
    )
    (tmp_path / "flow.csv").write_text("time,a,b\n2024-01-01,1,2\n2024-01-02,3,4\n")
    (tmp_path / "sensors.csv").write_text("id,cost\ns0,2\n")
    waiting = tmp_path / "runs" / "small" / "waiting"
    waiting.mkdir(parents=True)
    (waiting / "job.yaml").write_text(job)
    Cursor.begin(waiting, network, {}).move(ending=Ending("FAILED", "of a test"))
    return tmp_path


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[str]:
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from leaves(inner, (*path, name))
    else:
        yield " ".join(path)


def test_every_command_is_tried() -> None:
    assert set(leaves(cli)) == set(ALL), "a command that is new here belongs into this file"


def ended(command: str, place: Path, **environment: str) -> Any:
    before = set(place.rglob("*"))
    done = dynst_here(*command.split(), *ALL[command], cwd=place, **environment)
    what = f"{command}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
    assert "Traceback" not in done.stdout + done.stderr, what
    lines = done.stderr.splitlines()
    assert all(line.startswith("dynst: ") for line in lines), what
    if command not in WRITES and command not in ELSEWHERE:
        assert set(place.rglob("*")) == before, f"{what}\nleft something behind"
    return done


def all_end(place: Path, codes: dict[str, int], **environment: str) -> None:
    """The commands end with these codes, those that are not named with whatever they have to say
    of another matter.
    """
    for command in ALL:
        done = ended(command, place, **environment)
        if command in codes:
            what = f"{command}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
            assert done.returncode == codes[command], what
            assert len(done.stderr.splitlines()) >= 1, what


def codes(code: int, ui: int = 2) -> dict[str, int]:
    return {**dict.fromkeys(WRITES | ASKS, code), "ui": ui}


@pytest.mark.parametrize(
    "uri",
    [
        "file:///tmp/runs",
        "./mlruns",
        "htp://127.0.0.1:5000",
        "http://",
        "http://host:port",
        "http://[::1",
        "http://[zz]:5000",
        "sqlite://",
        "mysql://user@127.0.0.1/db",
        "postgresql+nodriver://127.0.0.1/db",
    ],
)
def test_an_address_that_cannot_be_used(place: Path, uri: str) -> None:
    all_end(place, codes(2), MLFLOW_TRACKING_URI=uri)


@pytest.mark.parametrize("home", ["", "job.yaml"])
def test_a_home_that_is_none(place: Path, home: str) -> None:
    all_end(place, codes(2), DYNST_HOME=home)


def test_a_server_that_is_away(place: Path) -> None:
    all_end(place, codes(1), MLFLOW_TRACKING_URI=f"http://{CLOSED}")


def test_a_database_that_is_away(place: Path) -> None:
    pytest.importorskip("psycopg2")
    all_end(place, codes(1, ui=1), MLFLOW_TRACKING_URI=f"postgresql+psycopg2://user@{CLOSED}/db")


@pytest.mark.parametrize(
    ("status", "code"), [(401, 3), (403, 3), (404, 2), (500, 1), (503, 1), (507, 1)]
)
def test_a_server_that_answers_otherwise(place: Path, status: int, code: int) -> None:
    expected = codes(code)
    if status == 403:  # MLflow's answer for a model that is not there, too
        expected |= {"registry history": 2, "registry unlock": 2}
    with answering(status) as address:
        all_end(place, expected, MLFLOW_TRACKING_URI=address)


@pytest.mark.parametrize(("number", "code"), [(errno.EROFS, 3), (errno.ENOSPC, 1)])
def test_a_home_that_cannot_be_written(
    place: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: int
) -> None:
    """Read-only, or on a full disk. Where nothing can be written, nothing was trained."""
    unwritable(place / "runs", number, monkeypatch)
    all_end(place, {**codes(2), **dict.fromkeys(WRITES, code)})
    assert {path.name for path in (place / "runs").rglob("*")} == LEFT


@pytest.mark.parametrize("content", ["half", "text", "later", "earlier", "damaged", "lacking"])
def test_a_database_that_this_mlflow_cannot_use(
    place: Path, tracking_template: Path, content: str
) -> None:
    database = place / "runs" / "mlflow.db"
    if content not in ("half", "text"):
        shutil.copy(tracking_template, database)
    MADE[content](database)
    before = database.read_bytes()
    all_end(place, codes(2))
    assert database.read_bytes() == before


def half_made(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE experiments (experiment_id INTEGER)")


def no_database(database: Path) -> None:
    database.write_text("not a database, whatever its name says\n" * 40)


def damaged(database: Path) -> None:
    """All but the first page of it."""
    size = database.stat().st_size
    with database.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))


def lacking_a_table(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("DROP TABLE runs")
        connection.execute("DROP TABLE registered_models")
        connection.commit()


def of_revision(revision: str, database: Path) -> None:
    """As if another MLflow had made it."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", [revision])
        connection.commit()


MADE: dict[str, Callable[[Path], None]] = {
    "half": half_made,
    "text": no_database,
    "later": partial(of_revision, "f" * 12),
    "earlier": partial(of_revision, "451aebb31d03"),
    "damaged": damaged,
    "lacking": lacking_a_table,
}


def unwritable(home: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Python writes in this folder fails; not by permissions, since tests may be root's."""

    def refuse(path: object) -> None:
        if isinstance(path, str | Path) and Path(os.path.abspath(path)).is_relative_to(home):
            raise OSError(number, os.strerror(number), str(path))

    def opened(original: Callable[..., Any]) -> Callable[..., Any]:
        def open_(file: Any, mode: str = "r", *arguments: Any, **named: Any) -> Any:
            if set(mode) & set("wax+"):
                refuse(file)
            return original(file, mode, *arguments, **named)

        return open_

    def made(path: Any, *arguments: Any, **named: Any) -> None:
        if not os.path.exists(path):
            refuse(path)
        mkdir(path, *arguments, **named)

    mkdir = os.mkdir
    monkeypatch.setattr(os, "mkdir", made)
    monkeypatch.setattr(io, "open", opened(io.open))
    monkeypatch.setattr(builtins, "open", opened(builtins.open))


@contextmanager
def answering(status: int) -> Iterator[str]:
    """A server that answers everything with one status."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.end_headers()

        do_POST = do_PATCH = do_PUT = do_DELETE = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
