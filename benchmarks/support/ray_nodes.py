"""Ray nodes of a benchmark's own on this machine, and trainings on them.

No other Ray is touched.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import psutil

from benchmarks.support.commands import dynst, environment
from dynst_platform.tracking.report_file import REPORTS, ReportReader

__all__ = [
    "PATIENCE",
    "Failed",
    "Nodes",
    "first_node",
    "reports",
    "run_folders",
    "start_training",
    "wait_for",
    "write_token",
]

PATIENCE = 900.0  # seconds
STARTED = "Ray runtime started."  # what ray start prints when the node is up


class Failed(Exception):
    """A run that did not end as it should."""


@dataclass
class Nodes:
    """One Ray node of this machine, a second one where it was added, and how to reach them.

    Args:
        environment: of processes that use them.
        cpus: of each node.
    """

    address: str
    environment: dict[str, str]
    cpus: int
    head: psutil.Process
    second: psutil.Process | None = None

    def add_second(self) -> None:
        """Also to replace one that was killed."""
        self.second = _start(
            ["--address", self.address, "--num-cpus", str(self.cpus)], self.environment
        )

    def worker(self) -> psutil.Process:
        """One of the training's workers, on the second node if there is one."""
        found = [
            process
            for node in (self.second, self.head)
            if node
            for process in _named("RayTrainWorker", node)
        ]
        if not found:
            raise Failed("there was no worker to kill")
        return found[0]

    def raylet(self) -> psutil.Process:
        """Of the second node."""
        found = _named("raylet/raylet", self.second) if self.second else []
        if not found:
            raise Failed("the second node had ended by itself")
        return found[0]

    def ensure_second(self) -> None:
        """Add the second node again where it has ended by itself.

        Nodes do so where the machine is too busy to answer in time.
        """
        if not (self.second and _named("raylet/raylet", self.second)):
            self.add_second()


@contextmanager
def first_node(
    home: str, cpus: int, token: Path | None = None, gpus: int | None = None
) -> Iterator[Nodes]:
    """Starts a Ray node, to which a second may be added; both end with the block.

    Args:
        home: DynST's home folder of processes that use them.
        token: a file that holds the cluster's token; by default one is made.
        gpus: that Ray sets aside, whether there are some or not; by default those that it finds.
    """
    folder = Path(mkdtemp(prefix="dk", dir="/tmp"))  # the paths of Ray's sockets must be short
    if token is None:
        token = folder / "token"
        write_token(token)
    variables = environment(home, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN_PATH=str(token))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    own = ["--include-dashboard=false", "--temp-dir", str(folder), "--node-ip-address", "127.0.0.1"]
    own += [] if gpus is None else ["--num-gpus", str(gpus)]
    head = _start(["--head", "--port", str(port), "--num-cpus", str(cpus), *own], variables)
    nodes = Nodes(f"127.0.0.1:{port}", variables, cpus, head)
    try:
        yield nodes
    finally:
        for node in (nodes.second, nodes.head):
            if node is not None:
                _end(node)
        shutil.rmtree(folder, ignore_errors=True)


def write_token(path: Path) -> None:
    """Only its owner may read it, or Ray refuses it."""
    path.write_text(os.urandom(16).hex())
    path.chmod(0o600)


def start_training(words: list[str], variables: dict[str, str]) -> "subprocess.Popen[str]":
    """``dynst train`` with these words; its standard error goes to a file in the home folder."""
    command = dynst("train", *words)
    with Path(variables["DYNST_HOME"], "stderr.txt").open("w") as stderr:
        return subprocess.Popen(
            command, env=variables, stdout=subprocess.PIPE, stderr=stderr, text=True
        )


def run_folders(variables: dict[str, str]) -> set[Path]:
    """Of all runs of the quickstart."""
    return {path.parent for path in Path(variables["DYNST_HOME"]).glob("quickstart/*/job.yaml")}


def reports(folder: Path) -> list[dict[str, Any]]:
    """Of a run until now; those that were sent twice count once."""
    return [
        report.model_dump(exclude_none=True) for _, report in ReportReader(folder / REPORTS).new()
    ]


def wait_for(ready: Callable[[], Any]) -> Any:
    """What ``ready`` returns as soon as it is true."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := ready():
            return found
        time.sleep(0.1)
    raise Failed(f"nothing has happened for {PATIENCE:.0f} s")


def _start(words: list[str], variables: dict[str, str]) -> psutil.Process:
    own = ["--object-store-memory", str(128 * 2**20), "--include-log-monitor", "false"]
    own += ["--disable-usage-stats", "--block"]
    ray = [sys.executable, "-c", "from ray.scripts.scripts import main; main()", "start"]
    log = Path(mkdtemp(prefix="dk", dir="/tmp")) / "log"
    with log.open("wb") as said:
        process = psutil.Popen([*ray, *words, *own], env=variables, stdout=said, stderr=said)
    try:
        wait_for(lambda: STARTED in log.read_text() or process.poll() is not None)
        if STARTED not in log.read_text():
            raise Failed(f"the node did not start: {log.read_text()[-500:]}")
    finally:
        shutil.rmtree(log.parent)
    return process


def _named(word: str, parent: psutil.Process) -> list[psutil.Process]:
    found = []
    for process in parent.children(recursive=True) if parent.is_running() else []:
        try:
            found += [process] if any(word in part for part in process.cmdline()[:1]) else []
        except psutil.Error:
            continue
    return found


def _end(node: psutil.Process) -> None:
    every = [*node.children(recursive=True), node] if node.is_running() else []
    for process in every:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(every, timeout=10)
