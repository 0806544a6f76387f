"""Whether anything is lost when a worker, a node and the driver of a training are killed.

    python -m benchmarks.robustness.training_kills --runs 10

Starts two Ray nodes on this machine and trains the job once undisturbed. It then trains it again as
often as ``--runs`` says. Each of these runs loses a worker, the raylet of the second node, and the
driver (SIGKILL), in random order and each after a random report. Another node takes the place of
the second one. The driver is resumed with ``dynst train --resume``.

Prints a line for each run: what was killed after which report, the seconds until the next new
report, and whether mask, weights and all series in MLflow equal those of the undisturbed run. The
same seed gives the same moments, so a series can be run in parts: ``--first 6 --runs 10``.
"""

import argparse
import json
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from mlflow.tracking import MlflowClient

from benchmarks.support.commands import QUICKSTART, assignments, dynst, outcome
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
from benchmarks.support.tables import header, row
from dynst.models.artifact import artifact_digest

SMALL = ["training.epochs=6", "training.steps_per_epoch=40", "sparsity.scheme=dynamic"]
KINDS = ("worker", "node", "driver")
SERIES = ("train/mae", "val/mae", "mask/sparsity", "mask/churn", "test/mae_all")
Plan = list[tuple[str, int]]  # what is killed after which report, in the order of time
Outcome = dict[str, Any]


@dataclass(frozen=True)
class Kill:
    """What was killed, after how many reports, and the seconds until there was one more."""

    kind: str
    after: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.kind} killed after report {self.after}, next one {self.seconds:.0f} s later"


def main() -> None:
    options = parsed()
    with TemporaryDirectory() as home, first_node(home, cpus=2) as nodes:
        nodes.add_second()
        cluster = [f"cluster.address={nodes.address}", f"cluster.num_workers={options.workers}"]
        start = [str(QUICKSTART), *assignments([*cluster, *SMALL])]
        began = time.perf_counter()
        undisturbed = outcome(dynst("train", *start), nodes.environment, quiet=True)
        total = len(reports(Path(undisturbed["artifacts"]["folder"])))
        print(f"undisturbed: {time.perf_counter() - began:.0f} s, {total} reports", flush=True)
        draws = random.Random(options.seed)
        plans = [planned(draws, options.kinds, total) for _ in range(options.runs)]
        found: list[Kill] = []
        differing = 0
        for number in range(options.first, options.runs + 1):
            kills, ending, same = disturbed(start, nodes, undisturbed, plans[number - 1])
            found, differing = found + kills, differing + (not same)
            print(f"{number}: {'; '.join(map(str, kills))}; {ending}", flush=True)
    summarise(found)
    print(f"runs that ended otherwise: {differing} of {options.runs - options.first + 1}")
    sys.exit(min(differing, 1))


def parsed() -> argparse.Namespace:
    parser = parser_for(__doc__)
    parser.add_argument("--runs", type=int, default=2, help="number of the last run")
    parser.add_argument("--first", type=int, default=1, help="number of the first run that is made")
    parser.add_argument(
        "--kinds", nargs="+", choices=KINDS, default=KINDS, help="what is killed in each run"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--workers", type=int, default=2)
    return parser.parse_args()


def planned(draws: random.Random, kinds: Sequence[str], total: int) -> Plan:
    """Something is left to do after the last kill."""
    moments = sorted(draws.sample(range(1, total - 1), len(kinds)))
    return list(zip(draws.sample(list(kinds), len(kinds)), moments, strict=True))


def disturbed(
    start: list[str], nodes: Nodes, undisturbed: Outcome, plan: Plan
) -> tuple[list[Kill], str, bool]:
    """The kills of one run, how it ended, and whether that is as the undisturbed one did."""
    nodes.ensure_second()
    began = time.perf_counter()
    kills: list[Kill] = []
    try:
        found = outcome_in_spite_of(plan, start, nodes, kills)
    except (Failed, subprocess.TimeoutExpired) as error:
        return kills, f"FAILED: {error}", False
    wrong = differences(undisturbed, found)
    ending = f"DIFFERENT: {', '.join(wrong)}" if wrong else "mask, weights and figures the same"
    return kills, f"whole run {time.perf_counter() - began:.0f} s: {ending}", not wrong


def outcome_in_spite_of(plan: Plan, start: list[str], nodes: Nodes, kills: list[Kill]) -> Outcome:
    """Of a run in which that is killed; each kill is added to the list."""
    known = run_folders(nodes.environment)
    process = start_training(start, nodes.environment)
    try:
        folder = wait_for(lambda: next(iter(run_folders(nodes.environment) - known), None))
        for kind, after in plan:
            wait_for_report(folder, after)
            seen, killed = len(reports(folder)), time.perf_counter()
            process = kill(kind, nodes, process, folder)
            wait_for_report(folder, seen + 1, process)
            kills.append(Kill(kind, seen, time.perf_counter() - killed))
        printed, _ = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    if process.returncode:
        last = Path(nodes.environment["DYNST_HOME"], "stderr.txt").read_text().splitlines()[-2:]
        raise Failed(f"the run ended with exit code {process.returncode}: {' '.join(last)}")
    if not printed.startswith("{"):
        raise Failed(f"standard output must be JSON alone, but begins with: {printed[:300]}")
    found: Outcome = json.loads(printed)
    return found


def wait_for_report(
    folder: Path, number: int, process: "subprocess.Popen[str] | None" = None
) -> None:
    """Or for the end of a process."""
    wait_for(
        lambda: (
            len(reports(folder)) >= number or (process is not None and process.poll() is not None)
        )
    )


def kill(
    kind: str, nodes: Nodes, driver: "subprocess.Popen[str]", folder: Path
) -> "subprocess.Popen[str]":
    """Returns the driver that goes on, which is another one where the driver was killed."""
    if kind == "driver":
        driver.kill()
        driver.wait()
        return start_training(["--resume", str(folder)], nodes.environment)
    (nodes.worker() if kind == "worker" else nodes.raylet()).kill()
    if kind == "node":
        nodes.add_second()
    return driver


def summarise(kills: list[Kill]) -> None:
    print(header(["killed", "times", "next new report after, median and longest"]))
    for kind in KINDS:
        seconds = [kill.seconds for kill in kills if kill.kind == kind]
        if seconds:
            times = f"{median(seconds):.0f} s, {max(seconds):.0f} s"
            print(row([kind, str(len(seconds)), times]))


def differences(undisturbed: Outcome, found: Outcome) -> list[str]:
    """Names of what is not the same."""
    one, other = (Path(run["artifacts"]["folder"]) / "models" for run in (undisturbed, found))
    results = [name for name in ("sensors", "metrics") if undisturbed[name] != found[name]]
    weights = [
        f"model of {arm}"
        for arm in sorted(path.name for path in one.iterdir())
        if artifact_digest(one / arm) != artifact_digest(other / arm)
    ]
    same_series = histories(undisturbed) == histories(found)
    return results + weights + ([] if same_series else ["series in MLflow"])


def histories(outcome: Outcome) -> dict[str, list[tuple[int, float]]]:
    """Every step of every arm, as often as MLflow has it."""
    client = MlflowClient(outcome["artifacts"]["tracking_uri"])
    runs = {arm: found["run_id"] for arm, found in outcome["references"].items()}
    return {
        f"{arm} {name}": [
            (metric.step, metric.value) for metric in client.get_metric_history(run_id, name)
        ]
        for arm, run_id in (runs | {"dynst": outcome["run_id"]}).items()
        for name in SERIES
    }


if __name__ == "__main__":
    main()
