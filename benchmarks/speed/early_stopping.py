"""Whether early stopping pays: TPE with ASHA beside random search without stopping.

    python -m benchmarks.speed.early_stopping --seeds 3

Half of the sensors are off. For each seed it prints the best error found and the training steps
that all trials took.
"""

from statistics import fmean
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks.support.commands import JOBS, assignments, dynst, environment, outcome
from benchmarks.support.options import parser_for

SWEEP = JOBS / "sweeps" / "search_benchmark.yaml"
RANDOM, ASHA = "random, no stopping", "TPE, ASHA"
SETTINGS = {
    RANDOM: ["searcher=random", "scheduler=none"],
    ASHA: ["searcher=tpe", "scheduler=asha"],
}


class Best(NamedTuple):
    """The best error of a sweep, and the steps that all its trials took."""

    error: float
    steps: float


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=40)
    options = parser.parse_args()
    found = {
        name: [sweep(settings, seed, options.trials) for seed in range(options.seeds)]
        for name, settings in SETTINGS.items()
    }
    for name, results in found.items():
        for seed, best in enumerate(results):
            print(
                f"{name:<22} seed {seed}: best validation MAE {best.error:.4g} "
                f"after {best.steps} steps"
            )
    random, asha = mean(found[RANDOM]), mean(found[ASHA])
    print(
        f"\nTPE with ASHA: {asha.error / random.error - 1:+.2%} in error, "
        f"{asha.steps / random.steps:.2f} of the steps"
    )


def sweep(settings: list[str], seed: int, trials: int) -> Best:
    words = assignments([*settings, f"seed={seed}", f"trials={trials}"])
    with TemporaryDirectory() as home:
        found = outcome(dynst("tune", str(SWEEP), *words), environment(home))["trials"]
    finished = [trial["objectives"]["mae_all"] for trial in found if trial["state"] == "finished"]
    return Best(min(finished), sum(trial["steps"] for trial in found))


def mean(results: list[Best]) -> Best:
    return Best(fmean(best.error for best in results), fmean(best.steps for best in results))


if __name__ == "__main__":
    main()
