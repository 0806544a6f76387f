"""Is anything lost when a worker, a node or the driver of a training is killed? Kills at random moments, and compares the ends.

``python benchmarks/kills_train.py --points 6`` starts two Ray nodes on this machine, trains the job once undisturbed, and then once
for each point: at a random report it kills (SIGKILL) a worker, the second node's raylet (another node takes its place), or the
driver, which is resumed with ``dynst train --resume``. One line each: what was killed when, how long until the next report, and
whether mask, weights and every figure in MLflow are those of the undisturbed run.
"""

import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

import psutil
from mlflow.tracking import MlflowClient

from dynst.artifact import artifact_digest

JOB = Path(__file__).parents[1] / "jobs" / "quickstart.yaml"
SMALL = ["training.epochs=6", "training.steps_per_epoch=40", "sparsity.scheme=dynamic"]
KINDS = ("worker", "node", "driver")
SERIES = ("train/mae", "val/mae", "mask/sparsity", "mask/churn", "test/mae_all")
PATIENCE = 300.0  # seconds for a run


@dataclass
class Nodes:
    """Two Ray nodes of this machine, and how to reach them."""

    address: str
    environment: dict[str, str]
    head: psutil.Process
    second: psutil.Process

    def replace_second(self) -> None:
        self.second = start_node(["--address", self.address, "--num-cpus", "2"], self.environment)

    def worker(self) -> psutil.Process:
        """One of the training's workers, on the second node if there is one."""
        return next(process for node in (self.second, self.head) for process in named("RayTrainWorker", node))

    def raylet(self) -> psutil.Process:
        return named("raylet/raylet", self.second)[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    with TemporaryDirectory() as home, two_nodes(home) as nodes:
        words = ["cluster.address=" + nodes.address, f"cluster.num_workers={arguments.workers}", *SMALL]
        start = [str(JOB), *(part for word in words for part in ("--set", word))]
        began = time.perf_counter()
        whole = finish(start, nodes.environment)
        total = len((Path(whole["artifacts"]["folder"]) / "reports.jsonl").read_text().splitlines())
        print(f"undisturbed: {time.perf_counter() - began:.0f} s, {total} reports", flush=True)
        moments = random.Random(arguments.seed)
        differing = 0
        for number in range(arguments.points):
            kind, after = KINDS[number % len(KINDS)], moments.randrange(1, total - 1)
            outcome, waited, seconds = disturbed(start, nodes, kind, after)
            wrong = differences(whole, outcome)
            differing += bool(wrong)
            ended = "mask, weights and figures the same" if not wrong else f"DIFFERENT: {', '.join(wrong)}"
            print(
                f"{number + 1}: {kind} killed after report {after} of {total}, next report {waited:.0f} s later, "
                f"whole run {seconds:.0f} s: {ended}",
                flush=True,
            )
    sys.exit(min(differing, 1))


def disturbed(start: list[str], nodes: Nodes, kind: str, after: int) -> tuple[dict[str, Any], float, float]:
    """What the run gave, the seconds between the kill and the next report, and those of all of it."""
    began = time.perf_counter()
    known = folders(nodes.environment)
    process = started(start, nodes.environment)
    folder = wait_for(lambda: next(iter(folders(nodes.environment) - known), None))
    wait_for(lambda: lines(folder) >= after or None)
    seen, killed = lines(folder), time.perf_counter()
    if kind == "driver":
        process.send_signal(signal.SIGKILL)
        process.wait()
        process = started(["--resume", str(folder)], nodes.environment)
    else:
        (nodes.worker() if kind == "worker" else nodes.raylet()).kill()
        if kind == "node":
            nodes.replace_second()
    wait_for(lambda: process.poll() is not None or lines(folder) > seen or None)
    waited = time.perf_counter() - killed
    said, _ = process.communicate(timeout=PATIENCE)
    if process.returncode:
        last = Path(nodes.environment["DYNST_HOME"], "stderr.txt").read_text().splitlines()[-2:]
        raise SystemExit(f"the run ended with exit code {process.returncode} after its {kind} was killed: {' '.join(last)}")
    if not said.startswith("{"):
        raise SystemExit(f"standard output must be JSON alone, but begins with: {said[:300]}")
    outcome: dict[str, Any] = json.loads(said)
    return outcome, waited, time.perf_counter() - began


def started(words: list[str], environment: dict[str, str]) -> "subprocess.Popen[str]":
    with Path(environment["DYNST_HOME"], "stderr.txt").open("w") as stderr:
        return subprocess.Popen(train(words), env=environment, stdout=subprocess.PIPE, stderr=stderr, text=True)


def differences(whole: dict[str, Any], outcome: dict[str, Any]) -> list[str]:
    """What is not the same."""
    one, other = (Path(found["artifacts"]["folder"]) for found in (whole, outcome))
    arms = sorted(path.name for path in (one / "models").iterdir())
    weights = [
        f"model of {arm}" for arm in arms if artifact_digest(one / "models" / arm) != artifact_digest(other / "models" / arm)
    ]
    series = [] if histories(whole) == histories(outcome) else ["series in MLflow"]
    return [name for name in ("sensors", "metrics") if whole[name] != outcome[name]] + weights + series


def histories(outcome: dict[str, Any]) -> dict[str, list[tuple[int, float]]]:
    """Every step of every arm, as often as MLflow has it."""
    client = MlflowClient(outcome["artifacts"]["tracking_uri"])
    runs = {arm: found["run_id"] for arm, found in outcome["references"].items()} | {"dynst": outcome["run_id"]}
    return {
        f"{arm} {name}": [(metric.step, metric.value) for metric in client.get_metric_history(run_id, name)]
        for arm, run_id in runs.items()
        for name in SERIES
    }


def train(words: list[str]) -> list[str]:
    return [sys.executable, "-m", "dynst_platform.cli.main", "train", *words, "--format", "json"]


def finish(words: list[str], environment: dict[str, str]) -> dict[str, Any]:
    done = subprocess.run(train(words), env=environment, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    outcome: dict[str, Any] = json.loads(done.stdout)
    return outcome


def folders(environment: dict[str, str]) -> set[Path]:
    return {path.parent for path in Path(environment["DYNST_HOME"]).glob("quickstart/*/job.yaml")}


def lines(folder: Path) -> int:
    path = folder / "reports.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def wait_for(ready: Any) -> Any:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = ready()
        if found:
            return found
        time.sleep(0.1)
    raise SystemExit("nothing moves any more")


@contextmanager
def two_nodes(home: str) -> Iterator[Nodes]:
    """Two ``ray start`` of our own; both end with the block, and no other Ray is touched."""
    folder = Path(mkdtemp(prefix="dk", dir="/tmp"))  # the paths of Ray's sockets must be short
    (folder / "token").write_text(os.urandom(16).hex())
    (folder / "token").chmod(0o600)
    known = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    environment = known | {"DYNST_HOME": home, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(folder / "token")}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address, own = f"127.0.0.1:{port}", ["--include-dashboard=false", "--temp-dir", str(folder), "--node-ip-address", "127.0.0.1"]
    head = start_node(["--head", "--port", str(port), "--num-cpus", "2", *own], environment)
    nodes = Nodes(address, environment, head, head)
    try:
        nodes.replace_second()
        yield nodes
    finally:
        for node in (nodes.second, nodes.head):
            end(node)


def start_node(words: list[str], environment: dict[str, str]) -> psutil.Process:
    memory = ["--object-store-memory", str(128 * 2**20), "--disable-usage-stats", "--block"]
    ray = [sys.executable, "-c", "from ray.scripts.scripts import main; main()", "start", *words, *memory]
    process = psutil.Popen(ray, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: named("raylet/raylet", process))
    time.sleep(5)
    return process


def named(word: str, parent: psutil.Process) -> list[psutil.Process]:
    found = []
    for process in parent.children(recursive=True) if parent.is_running() else []:
        try:
            found += [process] if any(word in part for part in process.cmdline()[:1]) else []
        except psutil.Error:
            continue
    return found


def end(node: psutil.Process) -> None:
    every = [*node.children(recursive=True), node] if node.is_running() else []
    for process in every:
        process.kill()
    psutil.wait_procs(every, timeout=10)


if __name__ == "__main__":
    main()
