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

from benchmarks.support.tables import header, row
from benchmarks.support.timed_runs import ONE_ARM, TimedRun, medians, options_for, train

LARGE = [  # a step that is worth sharing
    "training.batch_size=512",
    "training.steps_per_epoch=24",
    "model.hidden=64",
]
WORKERS = (1, 2)
TOLERANCE = 1e-4  # relative
COMPARED = ("train_loss", "val_mae")
COLUMNS = (
    "workers",
    "start-up, s",
    "an epoch, s",
    "between epochs, s",
    "after the last epoch, s",
    "whole run, s",
    "ideal epoch, s",
    "speed-up",
)


def main() -> None:
    options = options_for(__doc__)
    settings = [*ONE_ARM, *LARGE, f"training.epochs={options.epochs}", *options.set]
    runs = measured(options.job, settings, options.repeats)
    show(runs)
    by_epoch = differences(runs)
    print(
        f"\nLargest relative difference of {' and '.join(COMPARED)}: "
        f"{by_epoch[0]:.1e} in the first epoch, {max(by_epoch):.1e} in all"
    )
    sys.exit(by_epoch[0] > TOLERANCE)


def measured(job: Path, settings: list[str], repeats: int) -> dict[int, list[TimedRun]]:
    runs: dict[int, list[TimedRun]] = {workers: [] for workers in WORKERS}
    with TemporaryDirectory() as home:
        for _ in range(repeats):
            for workers in WORKERS:
                own = [*settings, f"cluster.num_workers={workers}"]
                runs[workers].append(train(job, own, ["--offline"], home))
    return runs


def show(runs: dict[int, list[TimedRun]]) -> None:
    alone = median(run.epoch for run in runs[1])
    print(header(COLUMNS))
    for workers, repeats in runs.items():
        speed_up = median(one.epoch / run.epoch for one, run in zip(runs[1], repeats, strict=True))
        figures = [*medians(repeats), f"{alone / workers:.3g}", f"{speed_up:.2f} ×"]
        print(row([str(workers), *figures]))


def differences(runs: dict[int, list[TimedRun]]) -> list[float]:
    """Of two workers from one: the largest of each epoch, relative."""
    one, two = (runs[workers][0].epochs for workers in WORKERS)
    pairs = zip(one, two, strict=True)
    return [max(abs(b[key] / a[key] - 1) for key in COMPARED) for a, b in pairs]


if __name__ == "__main__":
    main()
