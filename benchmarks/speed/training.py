"""What a whole sparse training costs, relative to a dense one with as many steps.

    python -m benchmarks.speed.training

Both arms of a job train in one process on one thread, an epoch each in turn. Times are processor
seconds. Those of the sparse arm include the warm-up, the probes, the search and every validation.

Products are multiply-adds, counted twice, of the training steps and the probes. Counting is slow,
so it is done in every nineteenth batch. The time of that batch is left out on both sides.

Target with half of the sensors off: at most 0.75 of the dense training.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from time import process_time
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from dynst.experiment.arms import Arm
from dynst.experiment.experiment import Experiment
from dynst.experiment.protocol import select
from dynst.sparsity.scheme import StepSensors
from dynst_platform.config.experiment import experiment_of
from dynst_platform.config.files import load_job
from dynst_platform.config.stores import store_for

JOB = Path(__file__).parents[2] / "jobs" / "quickstart.yaml"
# a step in so many has its products counted; a prime, so that probes are met as often as they come
COUNTED = 19


@dataclass
class Spent:
    """By one arm, in seconds of the processor; ``probes`` and ``search`` are parts of ``whole``."""

    whole: float = 0.0
    probes: float = 0.0
    search: float = 0.0
    steps: int = 0
    probe_steps: int = 0
    products: float = 0.0

    def watch(self, arm: Arm) -> None:
        """From now on, gradients of that arm's batches are told apart: those of probes, and all
        others.
        """
        measure = arm.training._gradients.measure

        def watched(index: torch.Tensor, sensors: StepSensors, *rest: Any) -> Any:
            self.steps += 1
            if self.steps % COUNTED == 1:
                with FlopCounterMode(display=False) as counter:
                    taken, out = timed(lambda: measure(index, sensors, *rest))
                self.products += COUNTED * counter.get_total_flops()
                self.whole -= taken
                return out
            taken, out = timed(lambda: measure(index, sensors, *rest))
            if sensors.gates is not None:
                self.probe_steps, self.probes = self.probe_steps + 1, self.probes + taken
            return out

        arm.training._gradients.measure = watched  # type: ignore[method-assign]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--job", type=Path, default=JOB)
    parser.add_argument("--backbones", nargs="+", default=["morph_graph", "graph_wavenet", "stid"])
    parser.add_argument("--schemes", nargs="+", default=["judged", "dynamic"])
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="of the job"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(
        "| backbone | scheme | time, DynST / dense | products | probes, of its time | of its "
        "steps | search, of its time |"
    )
    print("|---|---|" + "---:|" * 5)
    for backbone in options.backbones:
        for scheme in options.schemes:
            settings = [
                f"model.backbone={backbone}",
                f"sparsity.scheme={scheme}",
                "sparsity.final=0.5",
                *options.set,
            ]
            print(row(f"`{backbone}` | {scheme}", options.job, settings), flush=True)


def row(title: str, job: Path, settings: list[str]) -> str:
    arms, dense, ours = arms_of(job, settings), Spent(), Spent()
    dense.watch(arms.dense)
    ours.watch(arms.learned)
    for _ in zip_longest(
        epochs(arms.dense.training.run(), dense), epochs(arms.learned_epochs(ours), ours)
    ):
        pass
    return (
        f"| {title} | {ours.whole / dense.whole:.2f} | {ours.products / dense.products:.2f} | "
        f"{ours.probes / ours.whole:.0%} "
        f"| {ours.probe_steps / ours.steps:.0%} | {ours.search / ours.whole:.0%} |"
    )


@dataclass(frozen=True)
class Arms:
    experiment: Experiment
    dense: Arm
    learned: Arm

    def learned_epochs(self, spent: Spent) -> Iterator[object]:
        yield from self.learned.training.run(self.experiment.warm_epochs(self.learned))
        spent.search, _ = timed(lambda: select(self.experiment, self.learned))
        yield from self.learned.training.run()


def arms_of(path: Path, settings: list[str]) -> Arms:
    job = load_job(path, settings)
    store = store_for(job)
    experiment = experiment_of(job, store.path)
    return Arms(experiment, experiment.dense(), experiment.learned())


def epochs(reports: Iterator[object], spent: Spent) -> Iterator[None]:
    """Each one timed; what lies between two of them is the other arm's."""
    while True:
        taken, report = timed(lambda: next(reports, None))
        spent.whole += taken
        if report is None:
            return
        yield None


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    started = process_time()
    out = call()
    return process_time() - started, out


if __name__ == "__main__":
    main()
