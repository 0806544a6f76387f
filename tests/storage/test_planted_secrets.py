"""Secrets are planted wherever a cluster's environment has some.

Nothing that a training leaves, shows or prints may hold one.
"""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest
from sqlalchemy import MetaData, create_engine, select, text

from dynst.data.store import SensorStore
from dynst_platform.tracking.report_file import REPORTS
from infra.local.postgres import Database
from tests.dynst_platform.command_line import COMMAND, JOB, dynst_here
from tests.storage.conftest import BUCKET, KEY_ID, SECRET_KEY, ObjectStore
from tests.waiting import wait_until

pytestmark = [pytest.mark.process, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
PASSWORD = "planted/database:password"
QUOTED = quote(PASSWORD, safe="")
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": KEY_ID,
    "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    "AWS_SESSION_TOKEN": "planted-session-token",
    "RAY_AUTH_TOKEN": "planted-ray-token-planted-ray-token",
    "MLFLOW_TRACKING_PASSWORD": "planted-mlflow-password",
}
SECRETS = (PASSWORD, *ENVIRONMENT.values())
SPELLINGS = {
    spelling.encode()
    for secret in SECRETS
    for spelling in (secret, quote(secret), quote(secret, safe=""))
}
ON_S3 = (
    "--set",
    f"cluster.checkpoints=s3://{BUCKET}/checkpoints",
    "--set",
    "cluster.num_workers=1",
)


def secrets_in(content: bytes) -> list[bytes]:
    return [spelling for spelling in SPELLINGS if spelling in content]


def files_with_secrets(folder: Path) -> dict[str, list[bytes]]:
    contents = {
        str(path): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }
    return {name: found for name, content in contents.items() if (found := secrets_in(content))}


def rows_of(address: str) -> bytes:
    """Every row of every table, as text."""
    engine = create_engine(address)
    known = MetaData()
    known.reflect(engine)
    with engine.connect() as connection:
        rows = [
            repr(tuple(row))
            for table in known.sorted_tables
            for row in connection.execute(select(table))
        ]
    engine.dispose()
    return "\n".join(rows).encode()


@pytest.fixture(scope="module")
def database(postgresql: Database) -> str:
    """With a user who has a password, as the address that MLflow takes."""
    engine = create_engine(postgresql.uri(), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(
            text(
                f"create role keeper login superuser password "
                f"'{PASSWORD.replace(':', chr(92) + ':')}'"
            )
        )
        connection.execute(text("create database runs owner keeper"))
    engine.dispose()
    return postgresql.uri(f"keeper:{QUOTED}", "runs")


class Place:
    """A folder to run commands in, with all that they print, and an environment full of secrets."""

    def __init__(self, folder: Path, database: str) -> None:
        self.folder, self.printed, self.arguments = folder, folder / "printed.txt", b""
        self.addresses = {
            "DYNST_HOME": str(folder / "home"),
            "DYNST_ARTIFACTS": f"s3://{BUCKET}/artifacts",
            "MLFLOW_TRACKING_URI": database,
        }
        self.environment = (
            os.environ
            | ENVIRONMENT
            | self.addresses
            | {"RAY_AUTH_MODE": "token", "MLFLOW_TRACKING_USERNAME": "keeper"}
        )

    def start(self, *arguments: str | Path, **more: str) -> subprocess.Popen[bytes]:
        command = [*COMMAND, *map(str, arguments)]
        with self.printed.open("ab") as out:
            return subprocess.Popen(
                command, cwd=self.folder, env=self.environment | more, stdout=out, stderr=out
            )

    def dynst(self, *arguments: str | Path, **more: str) -> int:
        with self.start(*arguments, **more) as process:
            return process.wait(400)

    def dynst_with_a_worker_killed(self, reports: int, *arguments: str | Path) -> int:
        """Once so many reports are written.

        Ray replaces the worker, which goes on from the last checkpoint.
        """
        with self.start(*arguments) as process:
            wait_until(
                f"{reports} reports",
                lambda: self._reports() >= reports,
                process,
                self.printed.read_text,
            )
            own = {
                child: words_of(child)
                for child in psutil.Process(process.pid).children(recursive=True)
            }
            self.arguments += "\n".join(own.values()).encode()
            (worker,) = [child for child, words in own.items() if "RayTrainWorker" in words]
            worker.kill()
            return process.wait(400)

    def _reports(self) -> int:
        return sum(
            path.read_bytes().count(b"\n")
            for path in (self.folder / "home").glob(f"small/*/{REPORTS}")
        )


def words_of(process: psutil.Process) -> str:
    """Empty where it has ended by now."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@pytest.fixture
def place(
    tmp_path: Path,
    network: SensorStore,
    object_store: ObjectStore,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Place]:
    (tmp_path / "job.yaml").write_text(JOB.format(store=network.path))
    with tempfile.TemporaryDirectory(
        prefix="r", ignore_cleanup_errors=True
    ) as short:  # Ray's sockets want a short path
        monkeypatch.setenv("RAY_TMPDIR", short)
        yield Place(tmp_path, database)


@pytest.mark.nightly
def test_nothing_that_a_run_leaves_holds_a_secret(
    place: Place, object_store: ObjectStore, database: str
) -> None:
    """On Ray, with checkpoints and artifacts in S3 and runs in PostgreSQL: trained, with a worker
    killed, compared and promoted.
    """
    assert (
        place.dynst_with_a_worker_killed(3, "train", "job.yaml", "--format", "json", *ON_S3) == 0
    ), place.printed.read_text()
    assert place.dynst("compare", "small", "--html", "page.html") == 0
    assert place.dynst("promote", "small", "--model", "counters", "--max-over-dense", "9") == 0, (
        place.printed.read_text()
    )
    ray, rows, objects = (
        Path(place.environment["RAY_TMPDIR"]),
        rows_of(database),
        dict(object_store.contents()),
    )
    assert all(word in rows for word in (b"small", b"counters", b"s3://sensors/artifacts"))
    assert any(name.startswith("checkpoints/") for name in objects)
    assert any(name.endswith("job.yaml") for name in objects)
    assert list(ray.rglob("raylet.out"))
    assert b"raylet" in place.arguments
    assert files_with_secrets(place.folder) == {}
    assert files_with_secrets(ray) == {}
    assert {
        name: found for name, content in objects.items() if (found := secrets_in(content))
    } == {}
    assert secrets_in(rows) == []
    assert secrets_in(place.arguments) == []


@pytest.mark.parametrize(
    ("code", "arguments", "more"),
    [
        (
            1,
            ("train", "job.yaml"),
            {"MLFLOW_TRACKING_URI": f"http://keeper:{QUOTED}@127.0.0.1:1"},
        ),
        (
            1,
            ("train", "job.yaml"),
            {"MLFLOW_TRACKING_URI": f"postgresql+psycopg2://keeper:{QUOTED}@127.0.0.1:1/x"},
        ),
        (
            2,
            (
                "train",
                "job.yaml",
                "--set",
                f"cluster.checkpoints=s3://{KEY_ID}:{SECRET_KEY}@{BUCKET}/x",
            ),
            {},
        ),
        (2, ("train", "job.yaml", "--set", f"data.store=s3://{KEY_ID}:{SECRET_KEY}@nowhere/x"), {}),
        (2, ("data", "describe", f"s3://{KEY_ID}:{quote(SECRET_KEY, safe='')}@nowhere/x"), {}),
        (2, ("compare", "nothing"), {}),
        (2, ("sensors", "nothing", "--out", "plan.csv"), {}),
        (
            2,
            ("ui",),
            {"MLFLOW_TRACKING_URI": f"https://keeper:{QUOTED}@127.0.0.1:1"},
        ),
    ],
)
def test_no_error_repeats_a_secret(
    place: Place, code: int, arguments: tuple[str, ...], more: dict[str, str]
) -> None:
    done = dynst_here(*arguments, cwd=place.folder, **ENVIRONMENT | place.addresses | more)
    assert done.returncode == code
    assert "\ndynst: " in f"\n{done.stderr}"
    assert secrets_in(f"{done.stdout}{done.stderr}".encode()) == []


def test_the_search_finds_what_is_planted(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "log").write_text(f"at postgresql://keeper:{QUOTED}@db")
    assert list(files_with_secrets(tmp_path)) == [str(tmp_path / "deep" / "log")]
