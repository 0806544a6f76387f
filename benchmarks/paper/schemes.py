"""Schemes × sparsity × backbones: errors and measured speed.

    python -m benchmarks.paper.schemes --set data.store=stores/german-stations german_stations
    python -m benchmarks.paper.schemes --set data.store=stores/nyc-taxi nyc_taxi

Two graph backbones on weather stations, two grid backbones on taxi pickups. Rows are kept in
``benchmarks/paper/rows`` and are not trained again.
"""

from collections.abc import Iterator
from typing import Any

from benchmarks.paper.trainings import ROWS, Cell, averaged, horizon_of, measured
from benchmarks.support.options import add_settings, parser_for
from benchmarks.support.rows import RowFile
from benchmarks.support.tables import header, row

BACKBONES = {
    "german_stations": ("morph_graph", "stgcn"),
    "nyc_taxi": ("patch_transformer", "unet"),
}
EPOCHS = {"german_stations": 12, "nyc_taxi": 20}
SCHEMES = ("random", "one_shot", "iterative", "dynamic", "searched")
SPARSITIES = (0.3, 0.4, 0.5, 0.6)
SEEDS = (0, 1)
COLUMNS = ("backbone", "scheme", "0 %", *(f"{sparsity:.0%} off" for sparsity in SPARSITIES))
SPEED = ("backbone", *(f"{sparsity:.0%} off" for sparsity in SPARSITIES), "products, 50 % off")


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("job", choices=list(BACKBONES))
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    add_settings(parser, "of the job, for instance another store")
    options = parser.parse_args()
    file = RowFile(ROWS / f"schemes-{options.job}.jsonl")
    rows = measured(cells(options.job, options.seeds), file, options.set)
    points = list(averaged(rows, "backbone", "scheme", "sparsity"))
    for figure in ("mae", "rmse"):
        print(f"\n{figure.upper()}, {len(options.seeds)} seeds\n\n{header(COLUMNS, text=2)}")
        for line in errors(points, figure):
            print(row(line))
    print(f"\nSpeed of 64 forecasts against every sensor on\n\n{header(SPEED)}")
    for line in speeds(points):
        print(row(line))


def cells(job: str, seeds: list[int]) -> Iterator[Cell]:
    horizon = horizon_of(job)
    for backbone in BACKBONES[job]:
        for seed in seeds:
            yield Cell(job, backbone, horizon, "dense", 0.0, seed, EPOCHS[job])
        for scheme in SCHEMES:
            for sparsity in SPARSITIES:
                for seed in seeds:
                    yield Cell(job, backbone, horizon, scheme, sparsity, seed, EPOCHS[job])


def errors(points: list[dict[str, Any]], figure: str) -> Iterator[list[str]]:
    by_place = {(each["backbone"], each["scheme"], each["sparsity"]): each for each in points}
    for backbone in dict.fromkeys(each["backbone"] for each in points):
        dense = by_place[backbone, "dense", 0.0][figure]
        for scheme in SCHEMES:
            found = [by_place[backbone, scheme, sparsity][figure] for sparsity in SPARSITIES]
            costs = [f"{error:.4g} ({error / dense - 1:+.1%})" for error in found]
            yield [f"`{backbone}`", scheme, f"{dense:.4g}", *costs]


def speeds(points: list[dict[str, Any]]) -> Iterator[list[str]]:
    """Of the searched scheme; the number of sensors decides, not which."""
    for backbone in dict.fromkeys(each["backbone"] for each in points):
        found = [
            each for each in points if (each["backbone"], each["scheme"]) == (backbone, "searched")
        ]
        ratios = [f"{each['dense_ms'] / each['compact_ms']:.2f} ×" for each in found]
        half = next(each for each in found if each["sparsity"] == 0.5)
        yield [f"`{backbone}`", *ratios, f"{half['flops_ratio']:.2f} ×"]


if __name__ == "__main__":
    main()
