"""How long a training takes to begin, and what its processes compute until then.

    python -m benchmarks.speed.start_up [--against CHECKOUT]

``dynst train`` runs on one Ray worker, and on two. The first epoch starts when data, model and
workers are ready. The seconds of the processor are those of the command and of all that it started,
until that epoch's report: they say what starting costs where a busy machine's clock cannot.

Another checkout of DynST may take turns with this one, in the same environment. Target: 12 s.
"""

import argparse
import json
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from benchmarks.support.commands import QUICKSTART, ROOT, assignments, dynst, environment
from benchmarks.support.options import parser_for
from benchmarks.support.tables import header, row
from benchmarks.support.timed_runs import ONE_ARM

SHORT = ["training.epochs=2", "training.steps_per_epoch=20"]
LOOK_SECONDS = 0.2
COLUMNS = (
    "seconds",
    "workers",
    "first epoch, fastest",
    "median",
    "of the processor, median",
    "processes",
)


@dataclass(frozen=True)
class Start:
    """Seconds until the first epoch, seconds of the processor until its report, and processes."""

    clock: float
    processor: float
    processes: int


def main() -> None:
    options = _options()
    sides = {"DynST": ROOT} | ({"the other": options.against} if options.against else {})
    starts: dict[tuple[str, int], list[Start]] = {}
    with TemporaryDirectory() as home:
        _train(ROOT, 0, home)  # makes the store and the tracking database
        for _ in range(options.repeats):
            for workers in options.workers:
                for side, root in sides.items():
                    starts.setdefault((side, workers), []).append(_train(root, workers, home))
    print(header(COLUMNS))
    for (side, workers), of_side in starts.items():
        clocks = [start.clock for start in of_side]
        figures = [min(clocks), median(clocks), median(start.processor for start in of_side)]
        count = max(start.processes for start in of_side)
        print(row([side, f"{workers}", *(f"{figure:.1f}" for figure in figures), f"{count}"]))


def _options() -> argparse.Namespace:
    parser = parser_for(__doc__)
    parser.add_argument("--against", type=lambda path: Path(path).resolve(), metavar="CHECKOUT")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=3)
    return parser.parse_args()


def _train(root: Path, workers: int, home: str) -> Start:
    settings = [*ONE_ARM, *SHORT, f"cluster.num_workers={workers}"]
    command = dynst("train", str(QUICKSTART), *assignments(settings))
    variables = environment(
        home, OMP_NUM_THREADS="1", PYTHONPATH=f"{root}{os.pathsep}{root / 'platform'}"
    )
    began = time.time()
    with subprocess.Popen(
        command,
        env=variables,
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        used = _used_until_first_epoch(psutil.Process(process.pid), Path(home), began)
        printed = process.communicate()[0]
    first = _first_epoch(Path(json.loads(printed)["artifacts"]["folder"]))
    return Start(first - began, sum(used.values()), len(used))


def _used_until_first_epoch(command: psutil.Process, home: Path, began: float) -> dict[int, float]:
    """Seconds of the processor by process, also of those that have ended."""
    used: dict[int, float] = {}
    while command.is_running() and command.status() != psutil.STATUS_ZOMBIE:
        for process in _with_descendants(command):
            try:
                times = process.cpu_times()
            except psutil.Error:
                continue
            used[process.pid] = times.user + times.system
        if any(path.stat().st_mtime > began for path in home.glob("*/*/reports.jsonl")):
            break
        time.sleep(LOOK_SECONDS)
    return used


def _with_descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def _first_epoch(folder: Path) -> float:
    """When it began, in seconds since 1970."""
    with (folder / "reports.jsonl").open(encoding="utf-8") as lines:
        report: dict[str, Any] = json.loads(next(lines))
    began: float = report["time"] / 1000 - report["seconds"]
    return began


if __name__ == "__main__":
    main()
