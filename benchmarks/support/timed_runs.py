"""Trainings in processes of their own, and where their seconds went."""

import argparse
import json
import subprocess
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from time import time
from typing import Any

from benchmarks.support.commands import assignments, dynst, environment
from benchmarks.support.options import add_job, parser_for

__all__ = ["ONE_ARM", "TimedRun", "medians", "options_for", "run_alone", "timed", "train"]

ONE_ARM = ["references.dense=false", "references.random=0", "sparsity.scheme=dynamic"]
COLUMNS = ("start_up", "epoch", "between", "end", "whole")


@dataclass(frozen=True)
class TimedRun:
    """The seconds of one process, and the reports of its epochs.

    Args:
        start_up: until the first epoch begins.
        epoch: of each epoch after the first, from one report to the next, so that whatever comes
            between epochs counts.
        between: what came between two epochs, by the worker's own clock: the median.
        end: after the last epoch.
    """

    start_up: float
    epoch: float
    between: float
    end: float
    whole: float
    epochs: list[dict[str, Any]]


def options_for(description: str | None, *hidden: str) -> argparse.Namespace:
    """What these benchmarks ask their user, and ``hidden`` flags for themselves.

    Ends with exit code 2 where there are too few epochs.
    """
    parser = parser_for(description)
    add_job(parser)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=3)
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
        between=median(
            (later["time"] - before["time"]) / 1000 - later["seconds"]
            for before, later in pairwise(epochs)
        ),
        end=ended - last,
        whole=ended - began,
        epochs=epochs,
    )


def train(job: Path, settings: list[str], options: list[str], home: str) -> TimedRun:
    """``dynst train`` with one arm."""
    began = time()
    command = dynst("train", str(job), *assignments(settings), *options, "--quiet")
    folder = Path(json.loads(run_alone(command, home))["artifacts"]["folder"])
    lines = (folder / "reports.jsonl").read_text(encoding="utf-8").splitlines()
    return timed(began, [line for line in map(json.loads, lines) if line["kind"] == "epoch"])


def run_alone(command: list[str], home: str) -> str:
    """What a process with one thread prints.

    It has a session of its own: Linux shares a busy core among sessions, and Ray's processes have
    their own too.
    """
    return subprocess.run(
        command,
        env=environment(home, OMP_NUM_THREADS="1"),
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ).stdout


def medians(runs: list[TimedRun]) -> list[str]:
    """Of repeats, as cells of a table: start-up, an epoch, between epochs, the end, the whole."""
    return [f"{median(getattr(run, column) for run in runs):.3g}" for column in COLUMNS]
