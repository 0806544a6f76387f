"""What Ray Train and MLflow add to the training loop.

    python -m benchmarks.speed.overhead

The same training runs in three ways, each in a process of its own: the bare loop of ``dynst``,
``dynst train --offline`` on one Ray worker, and the same with MLflow. The ways take turns.

Start-up is reported apart from the steady state. The steady state is the time between the reports
of two epochs. It holds the epoch, its checkpoint and its report. Target: at most 1.05 of the bare
loop.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import time
from typing import Any

import torch

from benchmarks.support.timed_runs import (
    ALONE,
    ONE_ARM,
    TimedRun,
    environment,
    medians,
    options_for,
    timed,
    train,
    words,
)
from dynst.experiment.protocol import select
from dynst.training.trainer import EpochResult
from dynst_platform.config.experiment import experiment_of
from dynst_platform.config.files import load_job
from dynst_platform.config.stores import store_for

MODULE = "benchmarks.speed.overhead"
BARE, TO_REACH = "bare loop", 1.05
WAYS = {"Ray Train": ["--offline"], "Ray Train and MLflow": []}


def main() -> None:
    options = options_for(__doc__, "--child")
    if options.child:
        run_bare_loop(options.job, options.set)
        return
    settings = [*ONE_ARM, f"training.epochs={options.epochs}", *options.set]
    show(measured(options.job, settings, options.repeats))


def measured(job: Path, settings: list[str], repeats: int) -> dict[str, list[TimedRun]]:
    """Interleaved, after a run that makes store and tracking database and is not counted."""
    runs: dict[str, list[TimedRun]] = {way: [] for way in (BARE, *WAYS)}
    with TemporaryDirectory() as home:
        train(
            job,
            [*settings, "training.epochs=2", "training.steps_per_epoch=2", "cluster.num_workers=0"],
            [],
            home,
        )
        for _ in range(repeats):
            runs[BARE].append(bare(job, settings, home))
            for way, options in WAYS.items():
                runs[way].append(train(job, [*settings, "cluster.num_workers=1"], options, home))
    return runs


def show(runs: dict[str, list[TimedRun]]) -> None:
    print(
        "| seconds, medians | start-up | an epoch | after the last epoch | whole run | an epoch / "
        "bare loop |"
    )
    print("|---|" + "---:|" * 5)
    for way, repeats in runs.items():
        ratio = median(
            run.epoch / plain.epoch for run, plain in zip(repeats, runs[BARE], strict=True)
        )
        print(f"| {way} | {medians(repeats)} | {ratio:.3f} |")
    print(f"\nTo reach, in the steady state: at most {TO_REACH}")


def bare(job: Path, settings: list[str], home: str) -> TimedRun:
    began = time()
    command = [sys.executable, "-m", MODULE, "--child", "--job", str(job), *words(settings)]
    done = subprocess.run(command, env=environment(home), **ALONE, text=True)
    return timed(began, [json.loads(line) for line in done.stdout.splitlines()])


def run_bare_loop(job: Path, settings: list[str]) -> None:
    """The learned arm in this process; prints a line for each epoch."""
    torch.set_num_threads(1)
    for epoch in bare_epochs(job, settings):
        facts: dict[str, Any] = {
            "time": int(time() * 1000),
            "seconds": epoch.seconds,
            "train_loss": epoch.train_loss,
        }
        print(json.dumps(facts), flush=True)


def bare_epochs(path: Path, settings: list[str]) -> Iterator[EpochResult]:
    job = load_job(path, settings)
    store = store_for(job)
    experiment = experiment_of(job, store.path)
    learned = experiment.learned()
    yield from learned.training.run(experiment.warm_epochs(learned))
    select(experiment, learned)
    yield from learned.training.run()


if __name__ == "__main__":
    main()
