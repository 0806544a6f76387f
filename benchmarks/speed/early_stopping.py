"""Whether early stopping pays: TPE with ASHA beside random search without stopping.

    python -m benchmarks.speed.early_stopping --seeds 3

Half of the sensors are off. For each seed it prints the best error found and the training steps
that all trials took.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any

SWEEP = Path(__file__).parents[2] / "jobs" / "sweeps" / "search_benchmark.yaml"
WAYS = {
    "random, no stopping": {"searcher": "random", "scheduler": "none"},
    "TPE, ASHA": {"searcher": "tpe", "scheduler": "asha"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=40)
    arguments = parser.parse_args()
    found = {
        way: [sweep(settings, seed, arguments.trials) for seed in range(arguments.seeds)]
        for way, settings in WAYS.items()
    }
    for way, results in found.items():
        for seed, (error, steps) in enumerate(results):
            print(f"{way:<22} seed {seed}: best validation MAE {error:.4g} after {steps} steps")
    (plain_error, plain_steps), (error, steps) = (means(found[way]) for way in WAYS)
    print(
        f"\nTPE with ASHA: {error / plain_error - 1:+.2%} in error, {steps / plain_steps:.2f} of "
        f"the steps"
    )


def sweep(settings: dict[str, str], seed: int, trials: int) -> tuple[float, int]:
    """The best error of a sweep, and the steps that all its trials took."""
    with TemporaryDirectory() as home:
        words = [
            f"{key}={value}"
            for key, value in (settings | {"seed": str(seed), "trials": str(trials)}).items()
        ]
        command = [
            sys.executable,
            "-m",
            "dynst_platform.main",
            "tune",
            str(SWEEP),
            "--format",
            "json",
        ]
        command += [part for word in words for part in ("--set", word)]
        done = subprocess.run(
            command, env=environment(home), check=True, stdout=subprocess.PIPE, text=True
        )
    outcome: dict[str, Any] = json.loads(done.stdout)
    finished = [
        trial["objectives"]["mae_all"]
        for trial in outcome["trials"]
        if trial["state"] == "finished"
    ]
    return min(finished), sum(trial["steps"] for trial in outcome["trials"])


def environment(home: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"} | {
        "DYNST_HOME": home
    }


def means(results: list[tuple[float, int]]) -> tuple[float, float]:
    return fmean(error for error, _ in results), fmean(steps for _, steps in results)


if __name__ == "__main__":
    main()
