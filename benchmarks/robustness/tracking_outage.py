"""What a training notices of a tracking server that is away for a minute, and what is lost.

    python -m benchmarks.robustness.tracking_outage

Starts MLflow's server and trains one arm on a Ray worker. Each epoch is a single step, so that the
time between two reports is that of a step with its validation, checkpoint and report. In the middle
the server goes away. In the first training it is killed and started again. In the second it is
stopped and continued, so that it accepts connections and answers nothing.

Prints for the time before, during and after: the longest step, and the longest time between two
steps, which is where a report is sent. Then how many reports waited, when all had arrived, and what
MLflow lacks or has twice. Ends with exit code 1 if there is any.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from mlflow.tracking import MlflowClient

from benchmarks.support.commands import QUICKSTART, assignments, dynst, environment
from benchmarks.support.options import parser_for
from benchmarks.support.tables import header, row
from benchmarks.support.timed_runs import ONE_ARM
from benchmarks.support.tracking_server import TrackingServer

SERIES = {  # names in MLflow, by those in a report
    "train_loss": "train/mae",
    "val_mae": "val/mae",
    "sparsity": "mask/sparsity",
    "exchanged": "mask/exchanged",
}
WAYS: dict[str, tuple[Callable[[TrackingServer], None], Callable[[TrackingServer], None]]] = {
    "killed": (TrackingServer.kill, TrackingServer.start),
    "stopped": (TrackingServer.suspend, TrackingServer.resume),
}
COLUMNS = (
    "server",
    "steps",
    "median step, s: before, away, after",
    "longest step, s: before, away, after",
    "longest between two steps, s: before, away, after",
    "reports that waited",
    "arrived after, s",
    "figures",
    "lost",
    "twice or out of order",
)
PATIENCE = 1800.0  # seconds for a run
Reports = list[dict[str, Any]]


@dataclass(frozen=True)
class Outage:
    """When the server went, when it was back, and when MLflow had what it had missed by then.

    In seconds since 1970. ``waiting`` is the number of reports that it had missed.
    """

    gone: float
    back: float
    caught_up: float
    waiting: int


@dataclass(frozen=True)
class Delivery:
    """Figures that MLflow should have, those that it lacks, and those twice or out of order."""

    figures: int
    lost: int
    odd: int


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--away", type=float, default=60, help="seconds")
    parser.add_argument("--before", type=int, default=60, help="steps until the server goes away")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument(
        "--ways", nargs="+", choices=WAYS, default=list(WAYS), help="in which it goes away"
    )
    options = parser.parse_args()
    print(header(COLUMNS))
    wrong = [way for way in options.ways if not is_complete(way, options)]
    sys.exit(len(wrong))


def is_complete(way: str, options: argparse.Namespace) -> bool:
    """Prints the row of one training; whether MLflow has all of it, once and in order."""
    with TemporaryDirectory() as home:
        server = TrackingServer(Path(home))
        server.start()
        try:
            reports, outage, outcome = disturbed(way, server, Path(home), options)
            delivery = delivered_of(MlflowClient(server.address), outcome["run_id"], reports)
        finally:
            server.kill()
    late = f"{outage.caught_up - outage.back:.0f}"
    figures = [delivery.figures, delivery.lost, delivery.odd]
    cells = [way, len(reports), *times(reports, outage), outage.waiting, late, *figures]
    print(row(map(str, cells)), flush=True)
    return not (delivery.lost or delivery.odd or outcome["queued"])


def disturbed(
    way: str, server: TrackingServer, home: Path, options: argparse.Namespace
) -> tuple[Reports, Outage, dict[str, Any]]:
    """The reports of a training during which the server goes away, and its outcome."""
    settings = [*ONE_ARM, f"training.epochs={options.steps}", "training.steps_per_epoch=1"]
    words = assignments([*settings, "cluster.num_workers=1"])
    known = environment(home, OMP_NUM_THREADS="1", MLFLOW_TRACKING_URI=server.address)
    command = dynst("train", str(QUICKSTART), *words, "--quiet")
    with subprocess.Popen(command, env=known, stdout=subprocess.PIPE, text=True) as process:
        folder = wait_for(process, lambda: next(iter(report_folders(home)), None))
        wait_for(process, lambda: num_lines(folder) >= options.before)
        outage = take_away(way, server, process, folder, options.away)
        printed, _ = process.communicate(timeout=PATIENCE)
    if process.returncode:
        raise SystemExit(f"the training ended with exit code {process.returncode}")
    every = [json.loads(line) for line in (folder / "reports.jsonl").read_text().splitlines()]
    reports = [report for report in every if report["kind"] == "epoch"]
    if reports[-1]["time"] / 1000 < outage.back:
        raise SystemExit("the training ended before the server was back; raise --steps")
    outcome: dict[str, Any] = json.loads(printed)
    return reports, outage, outcome


def take_away(
    way: str,
    server: TrackingServer,
    process: "subprocess.Popen[str]",
    folder: Path,
    seconds: float,
) -> Outage:
    """The server is away for so long; returns when MLflow has caught up."""
    leave, come_back = WAYS[way]
    gone = time.time()
    leave(server)
    time.sleep(seconds)
    come_back(server)
    back, written = time.time(), num_lines(folder)
    waiting = written - num_delivered(folder)
    wait_for(process, lambda: num_delivered(folder) >= written)
    return Outage(gone, back, time.time(), waiting)


def times(reports: Reports, outage: Outage) -> list[str]:
    """For each column of times: before, during and after the outage."""
    phases = by_phase(reports, outage)
    rows = (
        [median(sum(step) for step in phase) for phase in phases],
        [max(sum(step) for step in phase) for phase in phases],
        [max(between for _, between in phase) for phase in phases],
    )
    return [", ".join(f"{seconds:.2f}" for seconds in row) for row in rows]


def by_phase(reports: Reports, outage: Outage) -> list[list[tuple[float, float]]]:
    """Of each step its own seconds, and those between it and the one before.

    For the steps before the outage, those that it touches, and those after.
    """
    phases: list[list[tuple[float, float]]] = [[], [], []]
    for before, report in pairwise(reports):
        start, end = before["time"] / 1000, report["time"] / 1000
        phase = 0 if end < outage.gone else 1 if start < outage.back else 2
        phases[phase].append((report["seconds"], end - start - report["seconds"]))
    return phases


def delivered_of(client: MlflowClient, run: str, reports: Reports) -> Delivery:
    lost = odd = 0
    for key, name in SERIES.items():
        points = client.get_metric_history(run, name)
        found = [(point.step, point.value) for point in points]
        lost += len({(report["step"], float(report[key])) for report in reports} - set(found))
        odd += len(found) - len(set(found))
        in_order = pairwise(sorted(points, key=lambda point: point.step))
        odd += sum(later.timestamp < earlier.timestamp for earlier, later in in_order)
    ends = len(client.get_metric_history(run, "test/mae_all"))
    return Delivery(len(SERIES) * len(reports) + 1, lost + (not ends), odd + max(0, ends - 1))


def report_folders(home: Path) -> list[Path]:
    return [path.parent for path in home.glob("*/*/reports.jsonl")]


def num_lines(folder: Path) -> int:
    """Of the file of reports."""
    return (folder / "reports.jsonl").read_bytes().count(b"\n")


def num_delivered(folder: Path) -> int:
    """Of these lines, those that MLflow has."""
    return int(json.loads((folder / "delivered.json").read_bytes())["lines"])


def wait_for(process: "subprocess.Popen[str]", ready: Callable[[], Any]) -> Any:
    """What ``ready`` returns as soon as it is true, while the process runs."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := ready():
            return found
        if process.poll() is not None:
            raise SystemExit(
                f"the training ended too early, with exit code {process.returncode}; raise --steps"
            )
        time.sleep(0.1)
    raise SystemExit(f"nothing has happened for {PATIENCE:.0f} s")


if __name__ == "__main__":
    main()
