"""Sparsity × horizon: what switching off costs a short and a long forecast.

    python -m benchmarks.paper.horizons

Auckland's counters, hourly, from a day of readings; up to four days ahead. Rows are kept in
``benchmarks/paper/rows`` and are not trained again.
"""

from collections.abc import Iterator
from typing import Any

from benchmarks.paper.trainings import ROWS, Cell, averaged, measured
from benchmarks.support.options import add_settings, parser_for
from benchmarks.support.rows import RowFile
from benchmarks.support.tables import header, row

JOB, BACKBONE, EPOCHS = "auckland", "morph_graph", 12
HORIZONS = (3, 12, 48, 96)
SPARSITIES = (0.3, 0.5, 0.6)
SCHEMES = ("random", "searched")
SEEDS = (0, 1, 2)
COLUMNS = ("steps ahead", "choice", "0 %", *(f"{sparsity:.0%} off" for sparsity in SPARSITIES))


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    add_settings(parser, "of the job")
    options = parser.parse_args()
    rows = measured(cells(options.seeds), RowFile(ROWS / "horizons.jsonl"), options.set)
    print(f"MAE, {len(options.seeds)} seeds\n\n{header(COLUMNS, text=2)}")
    for line in table(list(averaged(rows, "horizon", "scheme", "sparsity"))):
        print(row(line))


def cells(seeds: list[int]) -> Iterator[Cell]:
    for horizon in HORIZONS:
        for seed in seeds:
            yield Cell(JOB, BACKBONE, horizon, "dense", 0.0, seed, EPOCHS)
        for scheme in SCHEMES:
            for sparsity in SPARSITIES:
                for seed in seeds:
                    yield Cell(JOB, BACKBONE, horizon, scheme, sparsity, seed, EPOCHS)


def table(points: list[dict[str, Any]]) -> Iterator[list[str]]:
    by_place = {(each["horizon"], each["scheme"], each["sparsity"]): each["mae"] for each in points}
    for horizon in HORIZONS:
        dense = by_place[horizon, "dense", 0.0]
        for scheme in SCHEMES:
            found = [by_place[horizon, scheme, sparsity] for sparsity in SPARSITIES]
            costs = [f"{error:.4g} ({error / dense - 1:+.1%})" for error in found]
            yield [str(horizon), scheme, f"{dense:.4g}", *costs]


if __name__ == "__main__":
    main()
