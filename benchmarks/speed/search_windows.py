"""What the searched scheme saves by evaluating candidates on few windows.

    python -m benchmarks.speed.search_windows --job jobs/evidence/auckland.yaml

For each seed one network is warmed up. It then evaluates three searches, which differ in the
windows that proposals and eliminations see: every one, the product's own choice, and every eighth.

Time is that of the processor on one thread, divided by the time of the first search. The loss and
the test error are those of the choice that was found, with the network as it is.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.support.experiments import experiment_for, warm_up
from benchmarks.support.options import add_job, parser_for
from benchmarks.support.stopwatch import processor_time
from benchmarks.support.tables import header, row
from dynst.evaluation.evaluate import evaluate
from dynst.experiment.arms import Arm
from dynst.experiment.experiment import Experiment
from dynst.selection.comparison import Comparison
from dynst.selection.search import ELIMINATION_STRIDE, PROPOSAL_STRIDE, SelectionResult
from dynst.selection.subset_evaluator import SubsetEvaluator
from dynst.selection.time_blocks import Block

STRIDES = {  # of proposals and of elimination
    "every window": (1, 1),
    "as it is": (PROPOSAL_STRIDE, ELIMINATION_STRIDE),
    "every eighth": (8, 8),
}
COLUMNS = (
    "seed",
    "proposals and elimination on",
    "time",
    "loss",
    "test error",
    "same choice as the first",
)


class Strided(SubsetEvaluator):
    """Evaluates as ``inner`` does, on other windows where the search asks for few.

    Args:
        strides: by the strides that the search asks for.
    """

    def __init__(self, inner: SubsetEvaluator, strides: dict[int, int]) -> None:
        self.inner, self.strides = inner, strides

    def on(self, blocks: Sequence[Block]) -> SubsetEvaluator:
        return Strided(self.inner.on(blocks), self.strides)

    def every(self, step: int) -> SubsetEvaluator:
        return self.inner.every(self.strides.get(step, self.strides[PROPOSAL_STRIDE]))

    @property
    def num_windows(self) -> int:
        return self.inner.num_windows

    def losses(self, choices: Sequence[Tensor]) -> Tensor:
        return self.inner.losses(choices)

    def compare(self, first: Tensor, second: Tensor) -> Comparison:
        return self.inner.compare(first, second)

    def importance(self, active: Tensor) -> Tensor:
        return self.inner.importance(active)


def main() -> None:
    parser = parser_for(__doc__)
    add_job(parser)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(header(COLUMNS, text=2))
    for seed in options.seeds:
        settings = ["sparsity.final=0.5", "sparsity.scheme=searched", *options.set, f"seed={seed}"]
        for cells in compared(options.job, settings):
            print(row([str(seed), *cells]), flush=True)


def compared(job: Path, settings: list[str]) -> Iterator[list[str]]:
    """The cells of each search by the same network."""
    experiment = experiment_for(job, settings)
    arm = experiment.learned()
    warm_up(experiment, arm)
    experiment.ranked("variance")  # what all searches share is made before the first
    first: tuple[float, SelectionResult] | None = None
    for name, strides in STRIDES.items():
        seconds, found = processor_time(partial(search, experiment, arm, *strides))
        first = first or (seconds, found)
        same = "yes" if torch.equal(found.active, first[1].active) else "no"
        error = test_error(experiment, arm, found.active)
        yield [name, f"{seconds / first[0]:.2f}", f"{found.loss:.4f}", f"{error:.4f}", same]


def search(
    experiment: Experiment, arm: Arm, proposal_stride: int, elimination_stride: int
) -> SelectionResult:
    config = experiment.config
    evaluator = experiment.selector.evaluator(arm.training.model, config.search, experiment.world)
    strides = {PROPOSAL_STRIDE: proposal_stride, ELIMINATION_STRIDE: elimination_stride}
    return experiment.selector.search(Strided(evaluator, strides), experiment.search_problem)


def test_error(experiment: Experiment, arm: Arm, active: Tensor) -> float:
    training, test = arm.training, experiment.dataset.test
    return evaluate(training.model, test, active, training.world).mae()


if __name__ == "__main__":
    main()
