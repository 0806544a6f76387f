"""A PostgreSQL server of our own, on a socket in its folder and on no port.

Its programs are those that the package ``pgserver`` brings, or the system's where that package has
no wheel for this Python.
"""

import getpass
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import psutil

__all__ = ["Database", "NoPostgres", "database", "programs", "start"]

PATIENCE = 300.0  # seconds until it answers
PACKAGED = "/usr/lib/postgresql"  # where Debian keeps each version's programs
STAND_INS = ("postgres", "nobody")  # for root, whom PostgreSQL refuses


class NoPostgres(Exception):
    """No PostgreSQL can be started here."""


@dataclass(frozen=True)
class Database:
    """One that runs; its socket lies in ``folder``, and only who may enter that can connect."""

    folder: Path
    process: psutil.Popen

    def uri(self, user: str = "postgres", name: str = "postgres") -> str:
        """``user`` may have a password: ``name:password``, quoted."""
        return f"postgresql+psycopg2://{user}@/{name}?host={self.folder}"

    def stop(self) -> None:
        """PostgreSQL's fast shutdown."""
        with suppress(psutil.NoSuchProcess):
            self.process.send_signal(signal.SIGINT)
        self.process.wait(PATIENCE)


def start(folder: Path) -> Database:
    """Create a cluster of databases in an empty folder, and serve it until it is stopped, whatever
    becomes of this process.

    Raises:
        NoPostgres: there are no programs of PostgreSQL that this user can run, or they failed.
    """
    found, who = programs()
    if "user" in who:
        shutil.chown(folder, who["user"])
    data, log = folder / "data", folder / "log"
    made = [
        found / "initdb",
        "--pgdata",
        data,
        "--username",
        "postgres",
        "--auth",
        "trust",
        "--encoding",
        "utf8",
        "--no-sync",
    ]
    done = subprocess.run(made, cwd=folder, capture_output=True, text=True, check=False, **who)
    if done.returncode:
        raise NoPostgres(f"initdb failed: {done.stderr[-500:]}")
    served: list[Any] = [found / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses="]
    with log.open("wb") as said:
        streams = {"stdin": subprocess.DEVNULL, "stdout": said, "stderr": said}
        process = psutil.Popen(served, cwd=folder, start_new_session=True, **streams, **who)
    deadline = time.monotonic() + PATIENCE
    while subprocess.run(
        [found / "pg_isready", "--quiet", "--host", folder], cwd=folder, check=False, **who
    ).returncode:
        if process.poll() is not None or time.monotonic() > deadline:
            with suppress(psutil.NoSuchProcess):
                process.kill()
            raise NoPostgres(f"postgres does not answer: {log.read_text()[-500:]}")
        time.sleep(0.1)
    return Database(folder, process)


@contextmanager
def database() -> Iterator[Database]:
    """One in a folder of its own under ``/tmp``, since the path of a socket must be short.

    Gone when the block has ended.
    """
    folder = Path(mkdtemp(prefix="dypg", dir="/tmp"))
    try:
        served = start(folder)
        try:
            yield served
        finally:
            served.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def programs() -> tuple[Path, dict[str, Any]]:
    """The folder of the first ones that can be run here, and the user as whom, in words of
    ``subprocess``.

    Raises:
        NoPostgres: there are none.
    """
    who = _stand_in()
    for folder in _places():
        try:
            if (
                subprocess.run(
                    [folder / "initdb", "--version"],
                    cwd="/",
                    capture_output=True,
                    check=False,
                    **who,
                ).returncode
                == 0
            ):
                return folder, who
        except OSError:
            continue
    raise NoPostgres(
        "no PostgreSQL is here that this user can run; install the package pgserver, or "
        "PostgreSQL itself"
    )


def _stand_in() -> dict[str, Any]:
    """This user, unless that is root."""
    if os.geteuid():
        return {}
    for name in STAND_INS:
        try:
            return {"user": name, "group": pwd.getpwnam(name).pw_gid, "extra_groups": []}
        except KeyError:
            continue
    raise NoPostgres(
        f"{getpass.getuser()} may not run PostgreSQL, and there is no user {' or '.join(STAND_INS)}"
    )


def _places() -> Iterator[Path]:
    package = find_spec("pgserver")
    for place in package.submodule_search_locations or () if package else ():
        yield Path(place) / "pginstall" / "bin"
    found = shutil.which("initdb")
    if found:
        yield Path(found).resolve().parent
    yield from sorted(Path(PACKAGED).glob("*/bin"), reverse=True)
