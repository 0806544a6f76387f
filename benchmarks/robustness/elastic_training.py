"""Whether an elastic training equals that of a single worker.

    python -m benchmarks.robustness.elastic_training

Starts a Ray node of one core and trains one arm there with one worker. It then trains it again with
``cluster.num_workers=[1,2]``. After a few epochs a second node of one core joins. It is killed some
epochs after the training has started to use it.

Prints the seconds until the first epoch with the new number of workers, and the differences of
masks and errors from those of the single worker. Both train on the same batches. The sums of two
workers differ in their last bits, and a training carries such differences on. Therefore the first
epochs are the ones that tell.

Ends with exit code 1 where an epoch before the change differs at all, or one of the first two after
it differs by more than float tolerance.
"""

import argparse
import json
import sys
import time
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.support.ray_nodes import (
    PATIENCE,
    Failed,
    Nodes,
    first_node,
    folders,
    reports,
    started,
    wait_for,
)
from benchmarks.support.timed_runs import JOB, ONE_ARM, words

EPOCHS_BETWEEN = 4
TOLERANCE = 1e-4  # relative, in the first two epochs after the number of workers has changed
COMPARED = ("train_loss", "val_mae")
Reports = list[dict[str, Any]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=120)
    options = parser.parse_args()
    with TemporaryDirectory() as home, first_node(home, cpus=1) as nodes:
        settings = [*ONE_ARM, f"training.epochs={options.epochs}", "training.steps_per_epoch=20"]
        settings += ["cluster.address=" + nodes.address]
        alone = trained(nodes, [*settings, "cluster.num_workers=1"], resized=False)
        both = trained(nodes, [*settings, "cluster.num_workers=[1,2]"], resized=True)
    show(alone, both)
    before, after = around_the_change(alone, both)
    sys.exit(before > 0 or after > TOLERANCE)


def show(alone: Reports, both: Reports) -> None:
    before, after = around_the_change(alone, both)
    updates = [one == two for one, two in zip(masks(alone), masks(both), strict=True)]
    print(f"workers of the epochs: {in_a_row(both)}")
    print(
        f"relative difference of {' and '.join(COMPARED)}: {before:.1e} before the change, "
        f"{after:.1e} in two epochs after it"
    )
    print(
        f"in all epochs: {max(differences(alone, both)):.1e}; masks the same after {sum(updates)} "
        f"of {len(updates)} updates"
    )
    ends = (report["metrics"]["test/mae_all"] for report in (alone[-1], both[-1]))
    print(
        "MAE on the test part, one worker and workers that came and went: "
        + ", ".join(f"{error:.4g}" for error in ends)
    )


def around_the_change(alone: Reports, both: Reports) -> tuple[float, float]:
    change = next(number for number, report in enumerate(both) if report["workers"] == 2)
    found = differences(alone, both)
    return max(found[:change]), max(found[change : change + 2])


def differences(alone: Reports, both: Reports) -> list[float]:
    """The largest of each epoch, relative."""
    epochs = [(one, two) for one, two in zip(alone, both, strict=True) if one["kind"] == "epoch"]
    return [max(abs(two[key] / one[key] - 1) for key in COMPARED) for one, two in epochs]


def trained(nodes: Nodes, settings: list[str], resized: bool) -> Reports:
    """Its reports; ``resized`` adds a node meanwhile and kills it again."""
    known = folders(nodes.environment)
    process = started([str(JOB), *words(settings)], nodes.environment)
    try:
        folder = wait_for(lambda: next(iter(folders(nodes.environment) - known), None))
        if resized:
            come_and_go(nodes, folder)
        said, _ = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    if process.returncode:
        raise Failed(Path(nodes.environment["DYNST_HOME"], "stderr.txt").read_text())
    assert json.loads(said)["queued"] == 0
    return reports(folder)


def come_and_go(nodes: Nodes, folder: Path) -> None:
    wait_for(lambda: len(reports(folder)) >= EPOCHS_BETWEEN)
    began = time.monotonic()
    nodes.add_second()
    wait_for(lambda: workers(folder) == 2)
    print(
        f"a second node joined: first epoch of two workers after {time.monotonic() - began:.0f} s",
        flush=True,
    )
    there = len(reports(folder))
    wait_for(lambda: len(reports(folder)) >= there + EPOCHS_BETWEEN)
    began = time.monotonic()
    nodes.raylet().kill()
    wait_for(lambda: workers(folder) == 1)
    print(
        f"it was killed: first epoch of one worker after {time.monotonic() - began:.0f} s",
        flush=True,
    )


def workers(folder: Path) -> int:
    """Of the last epoch."""
    return int(reports(folder)[-1].get("workers", 0))


def masks(told: Reports) -> list[list[bool]]:
    return [update["active"] for report in told for update in report.get("updates", ())] + [
        told[-1]["active"]
    ]


def in_a_row(told: Reports) -> str:
    counts = [report["workers"] for report in told if report["kind"] == "epoch"]
    return ", then ".join(
        f"{len(list(epochs))} with {number}" for number, epochs in groupby(counts)
    )


if __name__ == "__main__":
    main()
