"""Whether anything is lost when a worker, a node and the driver of a training are killed.

    python -m benchmarks.robustness.training_kills --runs 10

Starts two Ray nodes on this machine and trains the job once undisturbed. It then trains it again as
often as ``--runs`` says. Each of these runs loses a worker, the raylet of the second node, and the
driver (SIGKILL), in random order and each after a random report. Another node takes the place of
the second one. The driver is resumed with ``dynst train --resume``.

Prints a line for each run: what was killed after which report, the seconds until the next new
report, and whether mask, weights and all series in MLflow equal those of the undisturbed run. The
same seed gives the same moments, so a series can be run in pieces: ``--first 6 --runs 10``.
"""

import argparse
import json
import random
import signal
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

from benchmarks.support.ray_nodes import (
    PATIENCE,
    Failed,
    Nodes,
    first_node,
    folders,
    reports,
    started,
    train,
    wait_for,
)
from benchmarks.support.timed_runs import JOB, words
from dynst.models.artifact import artifact_digest

SMALL = ["training.epochs=6", "training.steps_per_epoch=40", "sparsity.scheme=dynamic"]
KINDS = ("worker", "node", "driver")
SERIES = ("train/mae", "val/mae", "mask/sparsity", "mask/churn", "test/mae_all")


@dataclass(frozen=True)
class Kill:
    """What was killed, after how many reports, and the seconds until there was one more."""

    kind: str
    after: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.kind} killed after report {self.after}, next one {self.seconds:.0f} s later"


def main() -> None:
    options = asked()
    with TemporaryDirectory() as home, first_node(home, cpus=2) as nodes:
        nodes.add_second()
        settings = [
            "cluster.address=" + nodes.address,
            f"cluster.num_workers={options.workers}",
            *SMALL,
        ]
        start = [str(JOB), *words(settings)]
        began = time.perf_counter()
        whole = finish(start, nodes.environment)
        total = len(reports(Path(whole["artifacts"]["folder"])))
        print(f"undisturbed: {time.perf_counter() - began:.0f} s, {total} reports", flush=True)
        drawn = random.Random(options.seed)
        plans = [planned(drawn, options.kinds, total) for _ in range(options.runs)]
        found: list[Kill] = []
        differing = 0
        for number in range(options.first, options.runs + 1):
            kills, said, same = point(start, nodes, whole, plans[number - 1])
            found, differing = found + kills, differing + (not same)
            print(f"{number}: {'; '.join(map(str, kills))}; {said}", flush=True)
    summarise(found)
    print(f"runs that ended otherwise: {differing} of {options.runs - options.first + 1}")
    sys.exit(min(differing, 1))


def asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2, help="number of the last run")
    parser.add_argument("--first", type=int, default=1, help="number of the first run that is made")
    parser.add_argument(
        "--kinds", nargs="+", choices=KINDS, default=KINDS, help="what is killed in each run"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--workers", type=int, default=2)
    return parser.parse_args()


def planned(drawn: random.Random, kinds: Sequence[str], total: int) -> list[tuple[str, int]]:
    """What is killed after which report, in the order of time.

    Something is left to do after the last.
    """
    moments = sorted(drawn.sample(range(1, total - 1), len(kinds)))
    return list(zip(drawn.sample(list(kinds), len(kinds)), moments, strict=True))


def point(
    start: list[str], nodes: Nodes, whole: dict[str, Any], plan: list[tuple[str, int]]
) -> tuple[list[Kill], str, bool]:
    """The kills of one run, what became of it in words, and whether it ended as the undisturbed
    one.
    """
    nodes.mend()
    began = time.perf_counter()
    kills: list[Kill] = []
    try:
        outcome = disturbed(start, nodes, plan, kills)
    except (Failed, subprocess.TimeoutExpired) as error:
        return kills, f"FAILED: {error}", False
    wrong = differences(whole, outcome)
    ended = f"DIFFERENT: {', '.join(wrong)}" if wrong else "mask, weights and figures the same"
    return kills, f"whole run {time.perf_counter() - began:.0f} s: {ended}", not wrong


def disturbed(
    start: list[str], nodes: Nodes, plan: list[tuple[str, int]], kills: list[Kill]
) -> dict[str, Any]:
    """What the run gave in spite of the kills, which are added to the list."""
    known = folders(nodes.environment)
    process = started(start, nodes.environment)
    try:
        folder = wait_for(lambda: next(iter(folders(nodes.environment) - known), None))
        for kind, after in plan:
            wait_for(lambda after=after: len(reports(folder)) >= after)  # type: ignore[misc]
            seen, killed = len(reports(folder)), time.perf_counter()
            process = struck(kind, nodes, process, folder)
            wait_for(
                lambda process=process, seen=seen: (
                    process.poll() is not None or len(reports(folder)) > seen
                )
            )  # type: ignore[misc]
            kills.append(Kill(kind, seen, time.perf_counter() - killed))
        said, _ = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    if process.returncode:
        last = Path(nodes.environment["DYNST_HOME"], "stderr.txt").read_text().splitlines()[-2:]
        raise Failed(f"the run ended with exit code {process.returncode}: {' '.join(last)}")
    if not said.startswith("{"):
        raise Failed(f"standard output must be JSON alone, but begins with: {said[:300]}")
    outcome: dict[str, Any] = json.loads(said)
    return outcome


def struck(
    kind: str, nodes: Nodes, process: "subprocess.Popen[str]", folder: Path
) -> "subprocess.Popen[str]":
    """Kill one of these; returns the driver that goes on, another one where it was the driver."""
    if kind == "driver":
        process.send_signal(signal.SIGKILL)
        process.wait()
        return started(["--resume", str(folder)], nodes.environment)
    (nodes.worker() if kind == "worker" else nodes.raylet()).kill()
    if kind == "node":
        nodes.add_second()
    return process


def summarise(kills: list[Kill]) -> None:
    print("| killed | times | next new report after, median and longest |")
    print("|---|---:|---:|")
    for kind in KINDS:
        seconds = [kill.seconds for kill in kills if kill.kind == kind]
        if seconds:
            print(f"| {kind} | {len(seconds)} | {median(seconds):.0f} s, {max(seconds):.0f} s |")


def differences(whole: dict[str, Any], outcome: dict[str, Any]) -> list[str]:
    """What is not the same."""
    one, other = (Path(found["artifacts"]["folder"]) for found in (whole, outcome))
    arms = sorted(path.name for path in (one / "models").iterdir())
    weights = [
        f"model of {arm}"
        for arm in arms
        if artifact_digest(one / "models" / arm) != artifact_digest(other / "models" / arm)
    ]
    series = [] if histories(whole) == histories(outcome) else ["series in MLflow"]
    return (
        [name for name in ("sensors", "metrics") if whole[name] != outcome[name]] + weights + series
    )


def histories(outcome: dict[str, Any]) -> dict[str, list[tuple[int, float]]]:
    """Every step of every arm, as often as MLflow has it."""
    client = MlflowClient(outcome["artifacts"]["tracking_uri"])
    runs = {arm: found["run_id"] for arm, found in outcome["references"].items()} | {
        "dynst": outcome["run_id"]
    }
    return {
        f"{arm} {name}": [
            (metric.step, metric.value) for metric in client.get_metric_history(run_id, name)
        ]
        for arm, run_id in runs.items()
        for name in SERIES
    }


def finish(words: list[str], environment: dict[str, str]) -> dict[str, Any]:
    done = subprocess.run(
        train(words),
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    outcome: dict[str, Any] = json.loads(done.stdout)
    return outcome


if __name__ == "__main__":
    main()
