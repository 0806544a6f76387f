"""What Ray Train and MLflow add to the training loop.

    python -m benchmarks.speed.overhead

The same training runs in three ways, each in a process of its own: the bare loop of ``dynst``,
``dynst train --offline`` on one Ray worker, and the same with MLflow. The ways take turns.

Start-up is reported apart from the steady state. The steady state is the time between the reports
of two epochs. It holds the epoch, its checkpoint and its report. Target: at most 1.05 of the bare
loop.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import time

import torch

from benchmarks.support.commands import assignments, python_module
from benchmarks.support.experiments import experiment_for
from benchmarks.support.tables import header, row
from benchmarks.support.timed_runs import (
    ONE_ARM,
    TimedRun,
    medians,
    options_for,
    run_alone,
    timed,
    train,
)
from dynst.experiment.protocol import select
from dynst.training.trainer import EpochResult

MODULE = "benchmarks.speed.overhead"
BARE, TARGET = "bare loop", 1.05
OPTIONS = {"Ray Train": ["--offline"], "Ray Train and MLflow": []}  # of ``dynst train``
FIRST = ["training.epochs=2", "training.steps_per_epoch=2", "cluster.num_workers=0"]
COLUMNS = (
    "seconds, medians",
    "start-up",
    "an epoch",
    "between epochs",
    "after the last epoch",
    "whole run",
    "an epoch / bare loop",
)


def main() -> None:
    options = options_for(__doc__, "--child")
    if options.child:
        run_bare_loop(options.job, options.set)
        return
    settings = [*ONE_ARM, f"training.epochs={options.epochs}", *options.set]
    show(measured(options.job, settings, options.repeats))


def measured(job: Path, settings: list[str], repeats: int) -> dict[str, list[TimedRun]]:
    """In turn, after a run that makes store and tracking database and is not counted."""
    runs: dict[str, list[TimedRun]] = {name: [] for name in (BARE, *OPTIONS)}
    with TemporaryDirectory() as home:
        train(job, [*settings, *FIRST], [], home)
        for _ in range(repeats):
            runs[BARE].append(bare(job, settings, home))
            for name, options in OPTIONS.items():
                runs[name].append(train(job, [*settings, "cluster.num_workers=1"], options, home))
    return runs


def show(runs: dict[str, list[TimedRun]]) -> None:
    print(header(COLUMNS))
    for name, repeats in runs.items():
        pairs = zip(repeats, runs[BARE], strict=True)
        ratio = median(run.epoch / plain.epoch for run, plain in pairs)
        print(row([name, *medians(repeats), f"{ratio:.3f}"]))
    print(f"\nTarget, in the steady state: at most {TARGET}")


def bare(job: Path, settings: list[str], home: str) -> TimedRun:
    began = time()
    words = ["--child", "--job", str(job), *assignments(settings)]
    lines = run_alone(python_module(MODULE, *words), home).splitlines()
    return timed(began, [json.loads(line) for line in lines])


def run_bare_loop(job: Path, settings: list[str]) -> None:
    """The learned arm in this process; prints a line for each epoch."""
    torch.set_num_threads(1)
    for epoch in bare_epochs(job, settings):
        facts = {"time": int(time() * 1000), "seconds": epoch.seconds}
        print(json.dumps(facts | {"train_loss": epoch.train_loss}), flush=True)


def bare_epochs(job: Path, settings: list[str]) -> Iterator[EpochResult]:
    experiment = experiment_for(job, settings)
    arm = experiment.learned()
    yield from arm.training.run(experiment.warm_epochs(arm))
    select(experiment, arm)
    yield from arm.training.run()


if __name__ == "__main__":
    main()
