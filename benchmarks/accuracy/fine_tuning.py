"""What the rate and the length of fine-tuning are worth, beside a training from the first step.

    python -m benchmarks.accuracy.fine_tuning --job jobs/evidence/vlinder.yaml --rows tuning.jsonl

Half of the sensors are off, by random choices, which are the same for all ways. Errors are mean
absolute errors over ALL locations, of the best epoch on validation. Rows are kept as they are made;
one that is there is not made again.

The table has means over seeds and draws, and beside the test error the difference to the job's own
way, paired by seed and draw.
"""

from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from statistics import mean, stdev
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from benchmarks.support.experiments import experiment_for, trained
from benchmarks.support.options import add_job, parser_for
from benchmarks.support.rows import RowFile
from benchmarks.support.tables import header, row
from dynst.evaluation.evaluate import evaluate
from dynst.experiment.supernet import FINE_TUNING_RATE, Supernet
from dynst.models.forecaster import SparseForecaster
from dynst.sparsity.scheme import fixed_scheme
from dynst.training.trainer import Training
from dynst_platform.config.files import load_job

SPARSITY = 0.5
OURS, SCRATCH = (FINE_TUNING_RATE, 1), (0.0, 1)
WAYS = (OURS, (FINE_TUNING_RATE, 3), (1.0, 1), (1.0, 3), (2.0, 3), SCRATCH)


@dataclass(frozen=True)
class Way:
    """One network, fine-tuned or, at rate 0, trained from its first step."""

    job: str
    seed: int
    draw: int
    rate: float  # of the job's learning rate
    times: int  # the job's epochs of fine-tuning


@dataclass(frozen=True)
class Found:
    validation: float
    test: float
    seconds: float


class Seed:
    """A supernet, trained when it is first asked for."""

    def __init__(self, job: Path, settings: list[str], seed: int) -> None:
        self.supernet = Supernet(experiment_for(job, [*settings, f"seed={seed}"]))
        self.epochs = load_job(job, settings).curve.fine_tune_epochs

    @cached_property
    def network(self) -> SparseForecaster:
        return trained(self.supernet, withhold=False).eval()

    def measure(self, way: Way) -> Found:
        supernet = self.supernet
        evaluator = supernet.evaluator(self.network)
        active = supernet.ranked("random", way.draw, evaluator, SPARSITY).active
        started = perf_counter()
        training = self.training(active, way)
        for _ in training.run():
            pass
        seconds, data = perf_counter() - started, supernet.experiment.dataset
        network = training.model.eval()
        validation, test = (evaluate(network, part, active).mae() for part in (data.val, data.test))
        return Found(validation, test, seconds)

    def training(self, active: Tensor, way: Way) -> Training:
        recipe, experiment = self.supernet.experiment.config.training, self.supernet.experiment
        epochs = way.times * self.epochs + (0 if way.rate else recipe.epochs)
        rate = recipe.learning_rate * (way.rate or 1)
        changes = {"epochs": epochs, "learning_rate": rate}
        training = experiment.training(fixed_scheme(active), recipe.model_copy(update=changes))
        if way.rate:
            training.model.load_state_dict(self.network.state_dict())
        return training


def main() -> None:
    parser = parser_for(__doc__)
    add_job(parser)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--draws", type=int, default=2)
    parser.add_argument("--rows", type=Path, default=Path("tuning.jsonl"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    file = RowFile(options.rows)
    groups: dict[tuple[float, int], list[dict[str, Any]]] = {way: [] for way in WAYS}
    for number in options.seeds:
        seed = Seed(options.job, options.set, number)
        for draw in range(options.draws):
            for rate, times in WAYS:
                way = Way(options.job.stem, number, draw, rate, times)
                groups[rate, times].append(file.row(way, partial(seed.measure, way)))
    print(header(["way", "networks", "validation", "test", "", "seconds"]))
    for name, rows in groups.items():
        print(row(cells(name, rows, groups[OURS])))


def cells(
    way: tuple[float, int], rows: list[dict[str, Any]], ours: list[dict[str, Any]]
) -> list[str]:
    rate, times = way
    paired = [100 * (own["test"] / our["test"] - 1) for own, our in zip(rows, ours, strict=True)]
    spread = f" ± {stdev(paired):.1f}" if len(paired) > 1 else ""
    return [
        f"{rate:g} × rate, {times} × epochs" if rate else "from the first step",
        str(len(rows)),
        *(f"{mean(each[part] for each in rows):.4g}" for part in ("validation", "test")),
        f"{mean(paired):+.1f}{spread} %",
        f"{mean(each['seconds'] for each in rows):.0f}",
    ]


if __name__ == "__main__":
    main()
