"""A cluster on this machine: two Ray nodes with token authentication, and an MLflow server on
PostgreSQL, all on loopback.

``python infra/local/cluster.py up FOLDER`` starts it and writes into the folder what ``dynst
submit`` needs: a configuration with the profile ``local``, and the token. ``status FOLDER`` says
what runs, ``down FOLDER`` ends these processes and no others.
"""

import argparse
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import postgres
import psutil
import requests

LOOPBACK = "127.0.0.1"
PATIENCE = 180.0  # seconds until something answers
STATE, CONFIG, TOKEN = "cluster.json", "config.toml", "token"
STOPS_WITH = {"postgres": signal.SIGINT}  # PostgreSQL's fast shutdown; everything else is killed
FOREIGN = (
    "PYTHONPATH",
    "RAY_ADDRESS",
    "RAY_AUTH_TOKEN",
    "MLFLOW_TRACKING_URI",
    "DYNST_HOME",
)  # of whoever starts it


@dataclass
class State:
    """What was started, in this order: the processes of each part, as ``[pid, time of start]``."""

    temporary: str  # Ray's own folder; the paths of its sockets must be short
    database: str  # PostgreSQL's; where root starts it, it runs as another user, who must get there
    ray: str = ""  # host:port for nodes that join
    dashboard: str = ""
    tracking: str = ""
    parts: dict[str, list[tuple[int, float]]] = field(default_factory=dict)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=["up", "down", "status"])
    parser.add_argument("folder", type=Path, nargs="?", default=Path("runs/cluster"))
    parser.add_argument("--cpus", type=int, default=1, help="of each node")
    given = parser.parse_args()
    folder = given.folder.resolve()
    if given.command == "up":
        up(folder, given.cpus)
    elif given.command == "down":
        down(folder)
    else:
        print(status(folder))


def up(folder: Path, cpus: int = 1) -> State:
    """Start everything; what was started is ended again where a part does not come up."""
    if (folder / STATE).exists():
        sys.exit(
            f"a cluster was started in {folder} and not ended; run: {Path(__file__).name} down "
            f"{folder}"
        )
    for name in ("logs", "home"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    write_privately(folder / TOKEN, secrets.token_hex(32))
    state = State(
        temporary=mkdtemp(prefix="dy", dir="/tmp"), database=mkdtemp(prefix="dypg", dir="/tmp")
    )
    save(state, folder)
    try:
        start_tracking(state, folder)
        start_head(state, folder, cpus)
        start_node(state, folder, "second", cpus)
    except BaseException:
        down(folder)
        raise
    lines = {
        "address": state.dashboard,
        "token_file": str(folder / TOKEN),
        "tracking_uri": state.tracking,
        "home": str(folder / "home"),
    }
    profile = "\n".join(f"{key} = {json.dumps(value)}" for key, value in lines.items())
    write_privately(folder / CONFIG, f'default = "local"\n\n[profiles.local]\n{profile}\n')
    print(f"Ray {state.dashboard}, MLflow {state.tracking}\nexport DYNST_CONFIG={folder / CONFIG}")
    return state


def down(folder: Path) -> None:
    """End what ``up`` started there, and all that came of it."""
    if not (folder / STATE).exists():
        sys.exit(f"no cluster was started in {folder}")
    state = load(folder)
    for name in reversed(state.parts):
        end(state, name)
    for path in (state.temporary, state.database):
        shutil.rmtree(path, ignore_errors=True)
    (folder / STATE).unlink()


def status(folder: Path) -> str:
    if not (folder / STATE).exists():
        return f"no cluster in {folder}"
    state = load(folder)
    lines = [
        f"{name}: {'running' if alive(state, name) else 'not running'}" for name in state.parts
    ]
    return "\n".join([*lines, f"Ray {state.dashboard}, MLflow {state.tracking}"])


def start_tracking(state: State, folder: Path) -> None:
    """PostgreSQL on a socket, reached by nobody but this user, and MLflow's server in front of
    it.
    """
    try:
        database = postgres.start(Path(state.database))
    except postgres.NoPostgres as error:
        raise SystemExit(f"the cluster did not start: {error}") from error
    note(state, folder, "postgres", database.process)
    state.tracking = f"http://{LOOPBACK}:{free_port()}"
    variables = {
        "MLFLOW_BACKEND_STORE_URI": database.uri(),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    words = ["--host", LOOPBACK, "--port", state.tracking.rpartition(":")[2], "--workers", "1"]
    server = [
        "-m",
        "mlflow",
        "server",
        *words,
        "--artifacts-destination",
        str(folder / "artifacts"),
    ]
    process = start([sys.executable, *server], folder, "mlflow", variables)
    note(state, folder, "mlflow", process)
    wait_for("MLflow", lambda: requests.get(f"{state.tracking}/health", timeout=5).ok, process)
    note(state, folder, "mlflow", process)


def start_head(state: State, folder: Path, cpus: int) -> None:
    state.ray, state.dashboard = f"{LOOPBACK}:{free_port()}", f"http://{LOOPBACK}:{free_port()}"
    words = ["--head", "--port", state.ray.rpartition(":")[2], "--include-dashboard", "true"]
    words += ["--dashboard-host", LOOPBACK, "--dashboard-port", state.dashboard.rpartition(":")[2]]
    words += ["--ray-client-server-port", str(free_port())]
    start_ray(state, folder, "head", [*words, "--num-cpus", str(cpus)])


def start_node(state: State, folder: Path, name: str, cpus: int) -> None:
    """One more node of the same machine."""
    start_ray(state, folder, name, ["--address", state.ray, "--num-cpus", str(cpus)])


def start_ray(state: State, folder: Path, name: str, words: list[str]) -> None:
    expected = 1 + (len(living_nodes(state, folder)) if name != "head" else 0)
    own = [
        "--temp-dir",
        f"{state.temporary}/{name[0]}",
        "--node-ip-address",
        LOOPBACK,
        "--dashboard-agent-listen-port",
        str(free_port()),
        "--min-worker-port",
        "0",
    ]
    memory = [
        "--max-worker-port",
        "0",
        "--object-store-memory",
        str(128 * 2**20),
        "--disable-usage-stats",
        "--block",
    ]
    command = [
        sys.executable,
        "-c",
        "from ray.scripts.scripts import main; main()",
        "start",
        *words,
        *own,
        *memory,
    ]
    process = start(
        command,
        folder,
        name,
        {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(folder / TOKEN)},
    )
    note(state, folder, name, process)
    wait_for(f"the Ray node {name}", lambda: len(living_nodes(state, folder)) >= expected, process)
    note(state, folder, name, process)


def living_nodes(state: State, folder: Path) -> list[dict[str, Any]]:
    headers = {"Authorization": f"Bearer {(folder / TOKEN).read_text()}"}
    answer = requests.get(f"{state.dashboard}/api/v0/nodes", headers=headers, timeout=5).json()
    return [node for node in answer["data"]["result"]["result"] if node["state"] == "ALIVE"]


def start(command: list[str], folder: Path, name: str, variables: dict[str, str]) -> psutil.Popen:
    """In a session of its own, so that Ctrl-C in this terminal does not reach it."""
    known = {key: value for key, value in os.environ.items() if key not in FOREIGN}
    known["PATH"] = (
        # whose python jobs are started with
        f"{Path(sys.executable).parent}{os.pathsep}{known.get('PATH', '')}"
    )
    with (folder / "logs" / f"{name}.log").open("w") as log:
        return psutil.Popen(
            command,
            env=known | variables,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )


def wait_for(what: str, ready: Callable[[], bool], process: psutil.Popen) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if ready():
                return
        except (requests.RequestException, KeyError, TypeError, ValueError):
            pass  # it is not that far
        time.sleep(0.5)
    raise SystemExit(f"{what} did not start; its log in the folder says why")


def note(state: State, folder: Path, name: str, process: psutil.Process) -> None:
    """Write down the processes of a part, children included: they outlive a parent that is
    killed.
    """
    every = [process, *process.children(recursive=True)]
    state.parts[name] = [(each.pid, each.create_time()) for each in every]
    save(state, folder)


def save(state: State, folder: Path) -> None:
    (folder / STATE).write_text(json.dumps(asdict(state), indent=1), encoding="utf-8")


def load(folder: Path) -> State:
    return State(**json.loads((folder / STATE).read_text(encoding="utf-8")))


def alive(state: State, name: str) -> list[psutil.Process]:
    """Processes of a part that still run, with their children.

    A number that now belongs to another process does not count.
    """
    found: dict[int, psutil.Process] = {}
    for pid, started in state.parts.get(name, ()):
        try:
            process = psutil.Process(pid)
            if (
                abs(process.create_time() - started) < 1
                and process.status() != psutil.STATUS_ZOMBIE
            ):
                found |= {each.pid: each for each in (process, *process.children(recursive=True))}
        except psutil.NoSuchProcess:
            continue
    return list(found.values())


def end(state: State, name: str) -> None:
    processes = alive(state, name)
    for process in processes[:1] if name in STOPS_WITH else processes:
        try:
            process.send_signal(STOPS_WITH.get(name, signal.SIGKILL))
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(processes, timeout=30)


def write_privately(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
