"""Whether anything is lost when the driver of a sweep is killed.

    python -m benchmarks.robustness.sweep_kills --kills 10

Runs a random search twice: once undisturbed, and once with a driver that is killed (SIGKILL) at
random moments and resumed each time. Compares the ends.

A moment lies within ``--longest`` seconds of the start of the process. Choose ``--trials`` so that
every kill finds work to disturb.
"""

import json
import random
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mlflow.tracking import MlflowClient

from benchmarks.support.commands import JOBS, assignments, dynst, environment, outcome
from benchmarks.support.options import parser_for

SWEEP = JOBS / "sweeps" / "search_benchmark.yaml"


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--longest", type=float, default=30, help="seconds until a kill")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options = parser.parse_args()
    settings = ["searcher=random", "seed=0", f"trials={options.trials}"]
    start = [str(SWEEP), *assignments(settings)]
    with TemporaryDirectory() as home:
        began = time.perf_counter()
        undisturbed = finish(start, home)
        print(f"undisturbed: {time.perf_counter() - began:.0f} s", flush=True)
    draws = random.Random(options.seed)
    moments = [draws.uniform(1, options.longest) for _ in range(options.kills)]
    report(undisturbed, disturbed(start, moments))


def disturbed(start: list[str], moments: list[float]) -> dict[str, Any]:
    """The outcome of a sweep whose driver is killed after each of these seconds."""
    words = start
    with TemporaryDirectory() as home:
        for number, seconds in enumerate(moments, start=1):
            state = kill(words, home, seconds)
            print(f"kill {number}, after {seconds:.0f} s: {state}", flush=True)
            run = run_of(home)
            words = ["--resume", run] if run else start
        return finish(words, home)


def finish(words: list[str], home: str) -> dict[str, Any]:
    return outcome(dynst("tune", *words), environment(home), quiet=True)


def kill(words: list[str], home: str, seconds: float) -> str:
    """What the records of the trials say at that moment."""
    process = subprocess.Popen(
        dynst("tune", *words),
        env=environment(home),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    records = sorted(Path(home).rglob("trials/*.json"))
    states = [json.loads(path.read_text())["state"] for path in records]
    ended = "by itself" if process.returncode == 0 else "by the signal"
    finished, running = states.count("finished"), states.count("running")
    return f"ended {ended}, {finished} trials finished, {running} running"


def run_of(home: str) -> str | None:
    """The sweep's run in MLflow, where there is one already."""
    if not (Path(home) / "mlflow.db").exists():
        return None
    client = MlflowClient(f"sqlite:///{home}/mlflow.db")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    sweeps = [
        run.info.run_id
        for run in client.search_runs(experiments)
        if run.data.tags.get("dynst.kind") == "sweep"
    ]
    return sweeps[0] if sweeps else None


def report(undisturbed: dict[str, Any], found: dict[str, Any]) -> None:
    """Ends the process with exit code 1 where they differ."""
    before, after = figures(undisturbed), figures(found)
    for name in before:
        print(f"{name}: {'the same' if before[name] == after[name] else 'DIFFERENT'}")
    print(f"attempts of each trial: {[trial['attempts'] for trial in found['trials']]}")
    if before != after:
        sys.exit(1)


def figures(sweep: dict[str, Any]) -> dict[str, Any]:
    """What must be the same."""
    trials = sweep["trials"]
    best = min(trials, key=error)
    return {
        "trials": [(trial["number"], trial["overrides"]) for trial in trials],
        "errors": [error(trial) for trial in trials],
        "best": (best["number"], error(best)),
    }


def error(trial: dict[str, Any]) -> float:
    value: float = trial["objectives"]["mae_all"]
    return value


if __name__ == "__main__":
    main()
