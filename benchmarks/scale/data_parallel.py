"""Whether two workers train what one does, in half of the time.

    python -m benchmarks.scale.data_parallel

The same job with the same global batch runs on one and on two Ray workers, one thread each. The
runs take turns, and figures are medians. An epoch is the steady state, after the first one. Nothing
can be gained where the machine has fewer cores than the workers and their driver need.

Ends with exit code 1 where loss or error of the first epoch differ by more than float tolerance.
"""

import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.support.timed_runs import ONE_ARM, TimedRun, medians, options_for, train

LARGE = [
    "training.batch_size=512",
    "training.steps_per_epoch=24",
    "model.hidden=64",
]  # a step that is worth sharing
WORKERS = (1, 2)
TOLERANCE = 1e-4  # relative
COMPARED = ("train_loss", "val_mae")


def main() -> None:
    options = options_for(__doc__)
    settings = [*ONE_ARM, *LARGE, f"training.epochs={options.epochs}", *options.set]
    runs = measured(options.job, settings, options.repeats)
    show(runs)
    by_epoch = [max(pair) for pair in differences(runs)]
    first, every = f"{by_epoch[0]:.1e} in the first epoch", f"{max(by_epoch):.1e} in all"
    print(f"\nLargest relative difference of {' and '.join(COMPARED)}: {first}, {every}")
    sys.exit(by_epoch[0] > TOLERANCE)


def measured(job: Path, settings: list[str], repeats: int) -> dict[int, list[TimedRun]]:
    runs: dict[int, list[TimedRun]] = {workers: [] for workers in WORKERS}
    with TemporaryDirectory() as home:
        for _ in range(repeats):
            for workers in WORKERS:
                runs[workers].append(
                    train(job, [*settings, f"cluster.num_workers={workers}"], ["--offline"], home)
                )
    return runs


def show(runs: dict[int, list[TimedRun]]) -> None:
    alone = median(run.epoch for run in runs[1])
    print(
        "| workers | start-up, s | an epoch, s | after the last epoch, s | whole run, s | ideal "
        "epoch, s | speed-up |"
    )
    print("|---|" + "---:|" * 6)
    for workers, repeats in runs.items():
        speed_up = median(one.epoch / run.epoch for one, run in zip(runs[1], repeats, strict=True))
        print(f"| {workers} | {medians(repeats)} | {alone / workers:.3g} | {speed_up:.2f} × |")


def differences(runs: dict[int, list[TimedRun]]) -> list[list[float]]:
    """Of two workers from one, for each epoch, relative."""
    one, two = (runs[workers][0].epochs for workers in WORKERS)
    return [[abs(b[key] / a[key] - 1) for key in COMPARED] for a, b in zip(one, two, strict=True)]


if __name__ == "__main__":
    main()
