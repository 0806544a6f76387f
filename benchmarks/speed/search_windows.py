"""What the searched scheme saves by evaluating candidates on few windows.

    python -m benchmarks.speed.search_windows --job jobs/evidence/auckland.yaml

For each seed one network is warmed up. It then evaluates three searches, which differ in the
windows that proposals and eliminations see: every one, the product's own choice, and every eighth.

Time is that of the processor on one thread, divided by the time of the first search. The loss and
the test error are those of the choice that was found, with the network as it is.
"""

import argparse
from pathlib import Path
from time import process_time

import torch

from benchmarks.speed.training import JOB, arms_of
from dynst.evaluation.evaluate import evaluate
from dynst.experiment import protocol
from dynst.selection import search

WAYS = {
    "every window": (1, 1),
    "as it is": (search.PROPOSAL_STRIDE, search.ELIMINATION_STRIDE),
    "every eighth": (8, 8),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--job", type=Path, default=JOB)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="of the job"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(
        "| seed | proposals and elimination on | time | judge's loss | test error | same choice "
        "as the first |"
    )
    print("|---|---|---:|---:|---:|---|")
    for seed in options.seeds:
        settings = ["sparsity.final=0.5", "sparsity.scheme=judged", *options.set, f"seed={seed}"]
        for row in rows(options.job, settings):
            print(f"| {seed} | {row} |", flush=True)


def rows(job: Path, settings: list[str]) -> list[str]:
    arms = arms_of(job, settings)
    experiment, training = arms.experiment, arms.learned.training
    for _ in training.run(experiment.warm_epochs(arms.learned)):
        pass
    experiment.ranked("variance")  # what all searches know is made before the first
    found: list[str] = []
    first: tuple[float, torch.Tensor] | None = None
    for way, (few, fewer) in WAYS.items():
        search.PROPOSAL_STRIDE, search.ELIMINATION_STRIDE = few, fewer
        began = process_time()
        _, choice = protocol.search(experiment, arms.learned)
        seconds = process_time() - began
        first = first or (seconds, choice.active)
        error = evaluate(
            training.model,
            experiment.dataset.test,
            choice.active,
            training.world,
            training.windows_at_once,
        ).mae()
        same = "yes" if torch.equal(choice.active, first[1]) else "no"
        found.append(f"{way} | {seconds / first[0]:.2f} | {choice.loss:.4f} | {error:.4f} | {same}")
    return found


if __name__ == "__main__":
    main()
