"""Trainings in processes of their own, and where their seconds went."""

import argparse
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import time
from typing import Any

__all__ = [
    "ALONE",
    "JOB",
    "ONE_ARM",
    "TimedRun",
    "environment",
    "medians",
    "options_for",
    "timed",
    "train",
    "words",
]

JOB = Path(__file__).parents[2] / "jobs" / "quickstart.yaml"
ONE_ARM = ["references.dense=false", "references.random=0", "sparsity.scheme=dynamic"]
# Linux shares a busy core among sessions, and Ray's processes have sessions of their own: so must
# whatever is held against them.
ALONE: dict[str, Any] = {"check": True, "stdout": subprocess.PIPE, "start_new_session": True}
COLUMNS = ("start_up", "epoch", "end", "whole")


@dataclass(frozen=True)
class TimedRun:
    """The seconds of one process, and the reports of its epochs.

    Args:
        start_up: until the first epoch begins.
        epoch: of each epoch after the first, from one report to the next, so that whatever comes
            between epochs counts.
        end: after the last epoch.
    """

    start_up: float
    epoch: float
    end: float
    whole: float
    epochs: list[dict[str, Any]]


def options_for(description: str | None, *hidden: str) -> argparse.Namespace:
    """What both benchmarks ask their user, and ``hidden`` flags for themselves.

    Ends with exit code 2 where nothing could be told from the epochs.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--job", type=Path, default=JOB)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="of the job"
    )
    for flag in hidden:
        parser.add_argument(flag, action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.epochs < 2:
        parser.error("--epochs must be at least 2: the first belongs to the start-up")
    return options


def timed(began: float, epochs: list[dict[str, Any]]) -> TimedRun:
    """Of a process that began then and has just ended.

    Reports carry the ms since 1970 at which they were made.
    """
    ended, first, last = time(), epochs[0]["time"] / 1000, epochs[-1]["time"] / 1000
    return TimedRun(
        start_up=first - epochs[0]["seconds"] - began,
        epoch=(last - first) / (len(epochs) - 1),
        end=ended - last,
        whole=ended - began,
        epochs=epochs,
    )


def train(job: Path, settings: list[str], options: list[str], home: str) -> TimedRun:
    """``dynst train`` with one arm."""
    command = [
        sys.executable,
        "-m",
        "dynst_platform.main",
        "train",
        str(job),
        *words(settings),
        *options,
    ]
    began = time()
    done = subprocess.run([*command, "--quiet", "--format", "json"], env=environment(home), **ALONE)
    reports = (
        Path(json.loads(done.stdout)["artifacts"]["folder"], "reports.jsonl")
        .read_text(encoding="utf-8")
        .splitlines()
    )
    return timed(
        began, [report for report in map(json.loads, reports) if report["kind"] == "epoch"]
    )


def words(settings: list[str]) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


def environment(home: str) -> dict[str, str]:
    """One thread, and a home and a tracking store of the benchmark's own."""
    own = {"DYNST_HOME": home, "OMP_NUM_THREADS": "1"}
    return {
        name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"
    } | own


def medians(runs: list[TimedRun]) -> str:
    """Of repeats, as cells of a table: start-up, an epoch, the end, the whole."""
    return " | ".join(f"{median(getattr(run, column) for run in runs):.3g}" for column in COLUMNS)
