"""What the shared warm-up of a sweep saves.

    python -m benchmarks.speed.warm_up

Runs one trial of the quickstart sweep with the searched scheme: alone, and after a warm-up that is
already there. Prints both times, and what follows for the whole sweep.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import torch

from benchmarks.support.commands import JOBS
from benchmarks.support.options import parser_for
from dynst_platform.commands.tune.trial import Trial
from dynst_platform.commands.tune.trial_driver import jobs_of
from dynst_platform.config.files import load_sweep
from dynst_platform.config.stores import sweep_store_for

SWEEP = JOBS / "sweeps" / "quickstart.yaml"


def main() -> None:
    parser_for(__doc__).parse_args()
    torch.set_num_threads(1)
    sweep = load_sweep(SWEEP)
    store = str(sweep_store_for(sweep).path)
    jobs = jobs_of(sweep, {"sparsity.final": 0.4, "sparsity.scheme": "searched"})
    with TemporaryDirectory() as scratch:
        warm_ups, model = Path(scratch) / "warm_ups", Path(scratch) / "model"

        def seconds(shared: Path | None) -> float:
            began = perf_counter()
            trial = Trial(jobs, store, shared)
            for _ in trial.epochs():
                pass
            trial.result(model)
            return perf_counter() - began

        seconds(warm_ups)  # makes the warm-up, and opens the store
        after, alone = seconds(warm_ups), seconds(None)
    report(alone, after, sweep.trials)


def report(alone: float, after: float, trials: int) -> None:
    sweep = (alone - after) + trials * after
    print(
        f"a trial: {alone:.1f} s alone, {after:.1f} s after the shared warm-up "
        f"({after / alone:.2f})"
    )
    print(
        f"{trials} trials and one warm-up: {sweep / (trials * alone):.2f} of the time of {trials} "
        "trials alone"
    )


if __name__ == "__main__":
    main()
