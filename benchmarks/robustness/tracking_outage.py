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

from benchmarks.support.timed_runs import JOB, ONE_ARM, environment, words
from benchmarks.support.tracking_server import TrackingServer

SERIES = {
    "train_loss": "train/mae",
    "val_mae": "val/mae",
    "sparsity": "mask/sparsity",
    "exchanged": "mask/exchanged",
}
WAYS: dict[str, tuple[Callable[[TrackingServer], None], Callable[[TrackingServer], None]]] = {
    "killed": (TrackingServer.kill, TrackingServer.start),
    "stopped": (TrackingServer.stop, TrackingServer.go_on),
}
TIMES = ("median step", "longest step", "longest between two steps")
COLUMNS = "reports that waited | arrived after, s | figures | lost | twice or out of order"
PATIENCE = 1800.0  # seconds for a run
Reports = list[dict[str, Any]]


@dataclass(frozen=True)
class Outage:
    """Moments in seconds since 1970: gone, to be back, and when MLflow had all that it had missed
    by then.
    """

    gone: float
    back: float
    caught_up: float
    waiting: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--away", type=float, default=60, help="seconds")
    parser.add_argument("--before", type=int, default=60, help="steps until the server goes away")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument(
        "--ways", nargs="+", choices=WAYS, default=list(WAYS), help="in which it goes away"
    )
    options = parser.parse_args()
    print(
        f"| server | steps | {' | '.join(f'{what}, s: before, away, after' for what in TIMES)} | "
        f"{COLUMNS} |"
    )
    print("|---|" + "---:|" * 9)
    wrong = [way for way in options.ways if not told(way, options)]
    sys.exit(len(wrong))


def told(way: str, options: argparse.Namespace) -> bool:
    """Prints the row of one training; whether MLflow has all of it, once and in order."""
    with TemporaryDirectory() as home:
        server = TrackingServer(Path(home))
        server.start()
        try:
            reports, outage, outcome = disturbed(way, server, Path(home), options)
            lost, odd, figures = compared(MlflowClient(server.address), outcome, reports)
        finally:
            server.kill()
    phases = by_phase(reports, outage)
    times = (
        [median(sum(step) for step in phase) for phase in phases],
        [max(sum(step) for step in phase) for phase in phases],
        [max(between for _, between in phase) for phase in phases],
    )
    told_times = " | ".join(", ".join(f"{seconds:.2f}" for seconds in row) for row in times)
    arrived = outage.caught_up - outage.back
    print(
        f"| {way} | {len(reports)} | {told_times} | {outage.waiting} | {arrived:.0f} | {figures} "
        f"| {lost} | {odd} |",
        flush=True,
    )
    return not lost and not odd and not outcome["queued"]


def disturbed(
    way: str, server: TrackingServer, home: Path, options: argparse.Namespace
) -> tuple[Reports, Outage, dict[str, Any]]:
    leave, come_back = WAYS[way]
    settings = [
        *ONE_ARM,
        f"training.epochs={options.steps}",
        "training.steps_per_epoch=1",
        "cluster.num_workers=1",
    ]
    command = [
        sys.executable,
        "-m",
        "dynst_platform.main",
        "train",
        str(JOB),
        *words(settings),
        "--quiet",
        "--format",
        "json",
    ]
    known = environment(str(home)) | {"MLFLOW_TRACKING_URI": server.address}
    with subprocess.Popen(command, env=known, stdout=subprocess.PIPE, text=True) as process:
        folder = wait_for(
            process, lambda: next((path.parent for path in home.glob("*/*/reports.jsonl")), None)
        )
        wait_for(process, lambda: lines(folder) >= options.before)
        gone = time.time()
        leave(server)
        time.sleep(options.away)
        come_back(server)
        back, there = time.time(), lines(folder)
        waiting = there - delivered(folder)
        wait_for(process, lambda: delivered(folder) >= there)
        outage = Outage(gone, back, time.time(), waiting)
        said, _ = process.communicate(timeout=PATIENCE)
    if process.returncode:
        raise SystemExit(f"the training ended with exit code {process.returncode}")
    every = [json.loads(line) for line in (folder / "reports.jsonl").read_text().splitlines()]
    reports = [report for report in every if report["kind"] == "epoch"]
    if reports[-1]["time"] / 1000 < back:
        raise SystemExit("the training ended before the server was back; raise --steps")
    outcome: dict[str, Any] = json.loads(said)
    return reports, outage, outcome


def by_phase(reports: Reports, outage: Outage) -> list[list[tuple[float, float]]]:
    """Of each step its own seconds, and those that passed between it and the one before: for steps
    before the outage, those that it touches, and those after.
    """
    phases: list[list[tuple[float, float]]] = [[], [], []]
    for before, report in pairwise(reports):
        one, next_one = before["time"] / 1000, report["time"] / 1000
        phase = 0 if next_one < outage.gone else 1 if one < outage.back else 2
        phases[phase].append((report["seconds"], next_one - one - report["seconds"]))
    return phases


def compared(
    client: MlflowClient, outcome: dict[str, Any], reports: Reports
) -> tuple[int, int, int]:
    """Figures that MLflow lacks or has otherwise, those that it has twice or out of order, and how
    many there are.
    """
    lost = odd = 0
    for key, name in SERIES.items():
        points = client.get_metric_history(outcome["run_id"], name)
        found = [(point.step, point.value) for point in points]
        lost += len({(report["step"], float(report[key])) for report in reports} - set(found))
        odd += len(found) - len(set(found))
        odd += sum(
            later.timestamp < earlier.timestamp
            for earlier, later in pairwise(sorted(points, key=lambda point: point.step))
        )
    ended = client.get_metric_history(outcome["run_id"], "test/mae_all")
    lost, odd = lost + (not ended), odd + max(0, len(ended) - 1)
    return lost, odd, len(SERIES) * len(reports) + 1


def lines(folder: Path) -> int:
    return (folder / "reports.jsonl").read_bytes().count(b"\n")


def delivered(folder: Path) -> int:
    """Of these lines, those that MLflow has."""
    return int(json.loads((folder / "delivered.json").read_bytes())["lines"])


def wait_for(process: "subprocess.Popen[str]", ready: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := ready():
            return found
        if process.poll() is not None:
            raise SystemExit(
                f"the training ended too early, with exit code {process.returncode}; raise --steps"
            )
        time.sleep(0.1)
    raise SystemExit("nothing moves any more")


if __name__ == "__main__":
    main()
