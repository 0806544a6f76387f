"""Whether anything is lost when the driver of a sweep is killed.

    python -m benchmarks.robustness.sweep_kills --kills 10

Runs a random search twice: once undisturbed, and once with a driver that is killed (SIGKILL) at
random moments and resumed each time. Compares the ends.

A moment lies within ``--longest`` seconds of the start of the process. Choose ``--trials`` so that
every kill finds work to disturb.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mlflow.tracking import MlflowClient

from benchmarks.speed.early_stopping import SWEEP, environment

SEARCH = ["searcher=random", "seed=0"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--longest", type=float, default=30, help="seconds")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    arguments = parser.parse_args()
    start = [
        str(SWEEP),
        *(part for word in [*SEARCH, f"trials={arguments.trials}"] for part in ("--set", word)),
    ]
    with TemporaryDirectory() as home:
        began = time.perf_counter()
        whole = finish(start, home)
        seconds = time.perf_counter() - began
    print(f"undisturbed: {seconds:.0f} s", flush=True)
    with TemporaryDirectory() as home:
        moments = random.Random(arguments.seed)
        words = start
        for number in range(arguments.kills):
            after = moments.uniform(1, arguments.longest)
            said = kill(words, home, after)
            print(f"killed {number + 1} after {after:.0f} s: {said}", flush=True)
            words = ["--resume", run_of(home)] if run_of(home) else start
        found = finish(words, home)
    report(whole, found)


def tune(words: list[str]) -> list[str]:
    return [sys.executable, "-m", "dynst_platform.main", "tune", *words, "--format", "json"]


def finish(words: list[str], home: str) -> dict[str, Any]:
    done = subprocess.run(
        tune(words),
        env=environment(home),
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    outcome: dict[str, Any] = json.loads(done.stdout)
    return outcome


def kill(words: list[str], home: str, after: float) -> str:
    """What the records of the trials say at that moment."""
    process = subprocess.Popen(
        tune(words), env=environment(home), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
    states = [
        json.loads(path.read_text())["state"] for path in sorted(Path(home).rglob("trials/*.json"))
    ]
    ended = "by itself" if process.returncode == 0 else "by the signal"
    return (
        f"ended {ended}, {states.count('finished')} trials finished, {states.count('running')} "
        f"running"
    )


def run_of(home: str) -> str | None:
    if not (Path(home) / "mlflow.db").exists():
        return None
    client = MlflowClient(f"sqlite:///{home}/mlflow.db")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    runs = [
        run.info.run_id
        for run in client.search_runs(experiments)
        if run.data.tags.get("dynst.kind") == "sweep"
    ]
    return runs[0] if runs else None


def report(whole: dict[str, Any], found: dict[str, Any]) -> None:
    same = {
        "trials": [[trial["number"], trial["overrides"]] for trial in found["trials"]]
        == [[trial["number"], trial["overrides"]] for trial in whole["trials"]],
        "errors": [error(trial) for trial in found["trials"]]
        == [error(trial) for trial in whole["trials"]],
        "best": best(found) == best(whole),
    }
    for name, equal in same.items():
        print(f"{name}: {'the same' if equal else 'DIFFERENT'}")
    print(f"attempts of each trial: {[trial['attempts'] for trial in found['trials']]}")
    if not all(same.values()):
        sys.exit(1)


def error(trial: dict[str, Any]) -> float:
    value: float = trial["objectives"]["mae_all"]
    return value


def best(outcome: dict[str, Any]) -> tuple[int, float]:
    trial = min(outcome["trials"], key=error)
    return trial["number"], error(trial)


if __name__ == "__main__":
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    main()
