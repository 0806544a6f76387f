"""What a whole sparse training costs, relative to a dense one with as many steps.

    python -m benchmarks.speed.training

Both arms of a job train in one process on one thread, an epoch each in turn. Times are processor
seconds. Those of the sparse arm include the warm-up, the probes, the search and every validation.

Products are multiply-adds, counted twice, of the training steps and the probes. Counting is slow,
so it is done in every nineteenth batch. The time of that batch is left out on both sides.

Target with half of the sensors off: at most 0.75 of the dense training.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from time import process_time

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.support.experiments import experiment_for
from benchmarks.support.options import add_job, parser_for
from benchmarks.support.stopwatch import of_processor, processor_time
from benchmarks.support.tables import header, row
from dynst.experiment.arms import Arm
from dynst.experiment.experiment import Experiment
from dynst.experiment.protocol import select
from dynst.sparsity.scheme import StepSensors

COUNTED = 19  # one batch in so many has its products counted; prime, so that it meets probes too
COLUMNS = (
    "backbone",
    "scheme",
    "time, DynST / dense",
    "products",
    "probes, of its time",
    "of its steps",
    "search, of its time",
)


@dataclass
class Cost:
    """Of one arm, in seconds of the processor; ``probes`` and ``search`` are parts of ``whole``."""

    whole: float = 0.0
    probes: float = 0.0
    search: float = 0.0
    batches: int = 0
    probe_batches: int = 0
    products: float = 0.0

    @contextmanager
    def of_batch(self, sensors: StepSensors) -> Iterator[None]:
        """Measures one batch; for ``Training.batch_context``."""
        counted = self.batches % COUNTED == 0
        self.batches += 1
        began = process_time()
        with FlopCounterMode(display=False) if counted else nullcontext() as counter:
            yield
        seconds = process_time() - began
        if counter is not None:
            self.products += COUNTED * counter.get_total_flops()
            self.whole -= seconds
        elif sensors.gates is not None:
            self.probe_batches += 1
            self.probes += seconds


def main() -> None:
    parser = parser_for(__doc__)
    add_job(parser)
    parser.add_argument("--backbones", nargs="+", default=["morph_graph", "graph_wavenet", "stid"])
    parser.add_argument("--schemes", nargs="+", default=["searched", "dynamic"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(header(COLUMNS, text=2))
    for backbone in options.backbones:
        for scheme in options.schemes:
            settings = [f"model.backbone={backbone}", f"sparsity.scheme={scheme}"]
            settings += ["sparsity.final=0.5", *options.set]
            figures = compared(options.job, settings)
            print(row([f"`{backbone}`", scheme, *figures]), flush=True)


def compared(job: Path, settings: list[str]) -> list[str]:
    """The figures of a sparse training beside those of a dense one, an epoch each in turn."""
    experiment, dense, sparse = experiment_for(job, settings), Cost(), Cost()
    dense_arm, sparse_arm = experiment.dense(), experiment.learned()
    dense_arm.training.batch_context = dense.of_batch
    sparse_arm.training.batch_context = sparse.of_batch
    sparse_epochs = searched_epochs(experiment, sparse_arm, sparse)
    for _ in zip_longest(
        timed_epochs(dense_arm.training.run(), dense), timed_epochs(sparse_epochs, sparse)
    ):
        pass
    return [
        f"{sparse.whole / dense.whole:.2f}",
        f"{sparse.products / dense.products:.2f}",
        f"{sparse.probes / sparse.whole:.0%}",
        f"{sparse.probe_batches / sparse.batches:.0%}",
        f"{sparse.search / sparse.whole:.0%}",
    ]


def searched_epochs(experiment: Experiment, arm: Arm, cost: Cost) -> Iterator[object]:
    """Warm up, select and train to the end."""
    yield from arm.training.run(experiment.warm_epochs(arm))
    cost.search = of_processor(lambda: select(experiment, arm))
    yield from arm.training.run()


def timed_epochs(epochs: Iterator[object], cost: Cost) -> Iterator[None]:
    """Adds the time of each epoch; between two of them the other arm trains."""
    while True:
        seconds, report = processor_time(lambda: next(epochs, None))
        cost.whole += seconds
        if report is None:
            return
        yield None


if __name__ == "__main__":
    main()
