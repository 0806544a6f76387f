"""Do outages, spikes and stuck readings in the windows of the search decide what it finds?

    python -m benchmarks.robustness.spoilt_blocks --job jobs/evidence/vlinder.yaml --seeds 0 1 2

For each seed one supernet is trained on the readings as they are. Then a tenth of the sensors is
spoilt, each in one block of time that the search looks at: it reads −1 throughout (an outage whose
marker was not named), far too much in a few steps, or its first reading again and again. Half of
the sensors are to be switched off.

The error is that of the search's end on the test part, with the supernet as it is, and the overlap
(Jaccard) is that with the end of the search on the readings as they were. Without the brake every
gain of the mean counts: no difference between blocks is asked for, and no block is Winsorised.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from benchmarks.support.experiments import experiment_for, trained
from benchmarks.support.options import add_job, parser_for
from benchmarks.support.tables import header, row
from dynst.data.series import Series
from dynst.data.windows import Windows
from dynst.experiment.experiment import Experiment
from dynst.experiment.protocol import model_errors
from dynst.experiment.supernet import Supernet
from dynst.models.forecaster import SparseForecaster
from dynst.selection import comparison, search
from dynst.selection.time_blocks import Block
from dynst.sparsity.diagnostics import jaccard

SPARSITY, SHARE, SPIKES = 0.5, 10, 0.05
KINDS = ("as they were", "outage", "spikes", "stuck")
COLUMNS = ("seed", "readings", "search", "error", "against", "overlap", "confirmed")


def main() -> None:
    parser = parser_for(__doc__)
    add_job(parser)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(header(COLUMNS, text=3))
    for seed in options.seeds:
        for cells in of_seed(experiment_for(options.job, [*options.set, f"seed={seed}"])):
            print(row(cells), flush=True)


def of_seed(experiment: Experiment) -> Iterator[list[str]]:
    supernet = Supernet(experiment)
    model = trained(supernet)
    for name, brake in (("as it is", True), ("without the brake", False)):
        first: tuple[Tensor, float] | None = None
        for kind in KINDS:
            with nullified(not brake):
                ended, taken = found(supernet, model, kind)
            error = model_errors(experiment, model, ended).mae()
            first = first or (ended, error)
            yield [
                str(experiment.config.seed),
                kind,
                name,
                f"{error:.4g}",
                f"{100 * (error / first[1] - 1):+.1f}%",
                f"{jaccard(ended, first[0]):.2f}",
                "yes" if taken else "no",
            ]


def found(supernet: Supernet, model: SparseForecaster, kind: str) -> tuple[Tensor, bool]:
    """Where the search ends on blocks that are spoilt, and whether it was confirmed."""
    experiment, config = supernet.experiment, supernet.experiment.config
    evaluator = supernet.evaluator(model)
    if kind != KINDS[0]:
        blocks = spoilt(evaluator.blocks, experiment, kind, config.seed)
        evaluator = evaluator.on(blocks)
    result = experiment.selector.search(evaluator, supernet.problem(SPARSITY))
    assert result.verdict is not None
    return result.verdict.searched, result.verdict.taken


def spoilt(blocks: tuple[Block, ...], experiment: Experiment, kind: str, seed: int) -> list[Block]:
    """The same blocks of a copy of the series."""
    chance = np.random.default_rng([seed, KINDS.index(kind)])
    series = experiment.dataset.train.series
    assert isinstance(series, Series)
    values, scaler = series.values.clone(), experiment.dataset.scaler
    count = max(1, experiment.num_sensors // SHARE)
    for sensor in chance.choice(experiment.num_sensors, count, replace=False):
        windows, index = blocks[chance.integers(len(blocks))]
        ahead = windows.starts[index] + windows.window
        rows = torch.arange(int(ahead.min()), int(ahead.max()) + windows.horizon)
        if kind == "outage":
            raw = torch.full((len(rows), *values.shape[1:]), -1.0)
            values[rows, sensor] = scaler.transform(raw, series.time[rows])[:, sensor]
        elif kind == "spikes":
            hit = rows[torch.from_numpy(chance.random(len(rows)) < SPIKES)]
            values[hit, sensor] += 20
        else:
            values[rows, sensor] = values[rows[0], sensor].clone()
    other = replace(series, values=values)
    copies: dict[int, Windows] = {}
    return [
        (copies.setdefault(id(windows), replace(windows, series=other)), index)
        for windows, index in blocks
    ]


@contextmanager
def nullified(wanted: bool) -> Iterator[None]:
    """Inside, every gain of the mean is followed."""
    kept = comparison.FEWEST, search.BRAKE
    if wanted:
        comparison.FEWEST, search.BRAKE = 10**9, 0.5
    try:
        yield
    finally:
        comparison.FEWEST, search.BRAKE = kept


if __name__ == "__main__":
    main()
