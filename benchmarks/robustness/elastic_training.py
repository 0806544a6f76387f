"""Whether an elastic training equals that of a single worker.

    python -m benchmarks.robustness.elastic_training

Starts a Ray node of one core and trains one arm there with one worker. It then trains it again with
``cluster.num_workers=[1,2]``. After a few epochs a second node of one core joins. It is killed some
epochs after the training has started to use it.

Prints the seconds until the first epoch with the new number of workers, and the differences of
masks and errors from those of the single worker. Both train on the same batches. The sums of two
workers differ in their last bits, and a training carries such differences on. Therefore the
first epochs decide.

Ends with exit code 1 where an epoch before the change differs at all, or one of the first two after
it differs by more than float tolerance.
"""

import json
import sys
import time
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.support.commands import QUICKSTART, assignments
from benchmarks.support.options import parser_for
from benchmarks.support.ray_nodes import (
    PATIENCE,
    Failed,
    Nodes,
    first_node,
    reports,
    run_folders,
    start_training,
    wait_for,
)
from benchmarks.support.timed_runs import ONE_ARM

EPOCHS_BETWEEN = 4
TOLERANCE = 1e-4  # relative, in the first two epochs after the number of workers has changed
COMPARED = ("train_loss", "val_mae")
Reports = list[dict[str, Any]]


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--epochs", type=int, default=120)
    options = parser.parse_args()
    with TemporaryDirectory() as home, first_node(home, cpus=1) as nodes:
        settings = [*ONE_ARM, f"training.epochs={options.epochs}", "training.steps_per_epoch=20"]
        settings += [f"cluster.address={nodes.address}"]
        alone = trained(nodes, [*settings, "cluster.num_workers=1"], resized=False)
        elastic = trained(nodes, [*settings, "cluster.num_workers=[1,2]"], resized=True)
    show(alone, elastic)
    before, after = around_the_change(alone, elastic)
    sys.exit(before > 0 or after > TOLERANCE)


def show(alone: Reports, elastic: Reports) -> None:
    before, after = around_the_change(alone, elastic)
    same = [one == two for one, two in zip(masks(alone), masks(elastic), strict=True)]
    errors = [f"{run[-1]['metrics']['test/mae_all']:.4g}" for run in (alone, elastic)]
    print(f"workers of the epochs: {runs_of_workers(elastic)}")
    print(
        f"relative difference of {' and '.join(COMPARED)}: {before:.1e} before the change, "
        f"{after:.1e} in two epochs after it"
    )
    print(
        f"in all epochs: {max(differences(alone, elastic)):.1e}; masks the same after {sum(same)} "
        f"of {len(same)} updates"
    )
    print(f"MAE on the test part, one worker and elastic: {', '.join(errors)}")


def around_the_change(alone: Reports, elastic: Reports) -> tuple[float, float]:
    """The largest differences before it, and in two epochs after it."""
    change = next(number for number, report in enumerate(elastic) if report["workers"] == 2)
    found = differences(alone, elastic)
    return max(found[:change]), max(found[change : change + 2])


def differences(alone: Reports, elastic: Reports) -> list[float]:
    """The largest of each epoch, relative."""
    epochs = [(one, two) for one, two in zip(alone, elastic, strict=True) if one["kind"] == "epoch"]
    return [max(abs(two[key] / one[key] - 1) for key in COMPARED) for one, two in epochs]


def trained(nodes: Nodes, settings: list[str], resized: bool) -> Reports:
    """Its reports; ``resized`` adds a node meanwhile and kills it again."""
    known = run_folders(nodes.environment)
    process = start_training([str(QUICKSTART), *assignments(settings)], nodes.environment)
    try:
        folder = wait_for(lambda: next(iter(run_folders(nodes.environment) - known), None))
        if resized:
            add_and_kill_node(nodes, folder)
        printed, _ = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    if process.returncode:
        raise Failed(Path(nodes.environment["DYNST_HOME"], "stderr.txt").read_text())
    assert json.loads(printed)["queued"] == 0
    return reports(folder)


def add_and_kill_node(nodes: Nodes, folder: Path) -> None:
    wait_for(lambda: len(reports(folder)) >= EPOCHS_BETWEEN)
    began = time.monotonic()
    nodes.add_second()
    wait_for(lambda: workers(folder) == 2)
    seconds = time.monotonic() - began
    print(f"a second node joined: first epoch of two workers after {seconds:.0f} s", flush=True)
    there = len(reports(folder))
    wait_for(lambda: len(reports(folder)) >= there + EPOCHS_BETWEEN)
    began = time.monotonic()
    nodes.raylet().kill()
    wait_for(lambda: workers(folder) == 1)
    seconds = time.monotonic() - began
    print(f"it was killed: first epoch of one worker after {seconds:.0f} s", flush=True)


def workers(folder: Path) -> int:
    """Of the last epoch."""
    return int(reports(folder)[-1].get("workers", 0))


def masks(run: Reports) -> list[list[bool]]:
    """After each update, and at the end."""
    updates = [update["active"] for report in run for update in report.get("updates", ())]
    return [*updates, run[-1]["active"]]


def runs_of_workers(run: Reports) -> str:
    counts = [report["workers"] for report in run if report["kind"] == "epoch"]
    return ", then ".join(
        f"{len(list(epochs))} with {number}" for number, epochs in groupby(counts)
    )


if __name__ == "__main__":
    main()
