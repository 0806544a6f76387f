"""What a search gains that follows every gain, or only those that beat the noise between blocks.

    python -m benchmarks.accuracy.brake --job jobs/evidence/vlinder.yaml --seeds 0 1 2

For each seed a network decides that was trained without the blocks of time, and errors on the test
part are those of another one that was trained on everything. In the table they are relative to
those of the best rule, averaged over sparsities and seeds: where the search ends, and what is
taken after the confirmation.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from statistics import fmean
from time import perf_counter
from unittest.mock import patch

import torch

from benchmarks.support.experiments import experiment_for, trained
from benchmarks.support.options import add_job, parser_for
from benchmarks.support.tables import header, row
from dynst.experiment.protocol import model_errors
from dynst.experiment.supernet import Supernet
from dynst.selection import search
from dynst.selection.subset_evaluator import key_of

SPARSITIES = (0.3, 0.5, 0.6, 0.8)
BRAKES = (0.5, 0.6, 0.9, 0.99)  # confidence; at 0.5 every gain is followed
ROUNDS = (12, 40)
COLUMNS = ("brake", "rounds", "end of the search", "taken", "the worst taken", "seconds a search")


@dataclass(frozen=True)
class Search:
    """Relative to the best rule's error; seconds that it took."""

    end: float
    taken: float
    seconds: float


def main() -> None:
    parser = parser_for(__doc__)
    add_job(parser)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[tuple[float, int], list[Search]] = {}
    for seed in options.seeds:
        supernet = Supernet(experiment_for(options.job, [*options.set, f"seed={seed}"]))
        for key, result in searches(supernet):
            found.setdefault(key, []).append(result)
    print(header(COLUMNS))
    for (brake, rounds), results in found.items():
        figures = (
            fmean(each.end for each in results),
            fmean(each.taken for each in results),
            max(each.taken for each in results),
        )
        seconds = fmean(each.seconds for each in results)
        shown = (f"{figure:+.2%}" for figure in figures)
        print(row([f"{brake:.0%}", str(rounds), *shown, f"{seconds:.1f}"]))


def searches(supernet: Supernet) -> Iterator[tuple[tuple[float, int], Search]]:
    experiment = supernet.experiment
    evaluator, complete = supernet.evaluator(trained(supernet)), trained(supernet, withhold=False)
    errors: dict[bytes, float] = {}

    def error(active: torch.Tensor) -> float:
        key = key_of(active)
        if key not in errors:
            errors[key] = model_errors(experiment, complete, active).mae()
        return errors[key]

    for brake in BRAKES:
        for rounds in ROUNDS:
            config = experiment.config.search.model_copy(update={"rounds": rounds})
            for sparsity in SPARSITIES:
                problem = replace(supernet.problem(sparsity), config=config)
                started = perf_counter()
                with patch.object(search, "BRAKE", brake):
                    result = experiment.selector.search(evaluator, problem)
                seconds, verdict = perf_counter() - started, result.verdict
                assert verdict is not None
                rule = error(verdict.ruled)
                end, taken = (error(each) / rule - 1 for each in (verdict.searched, result.active))
                yield (brake, rounds), Search(end, taken, seconds)


if __name__ == "__main__":
    main()
