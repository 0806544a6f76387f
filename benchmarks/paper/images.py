"""Structural similarity and signal-to-noise ratio of forecast frames against sparsity.

    python -m benchmarks.paper.images sea_level_pressure
    python -m benchmarks.paper.images nyc_taxi

*Speed* is the time of 64 forecasts with every sensor on over that with those that are kept, and
*products* the same ratio of multiplications. Rows are kept in ``benchmarks/paper/rows`` and are not
trained again.
"""

from collections.abc import Iterator
from typing import Any

from benchmarks.paper.trainings import ROWS, Cell, averaged, horizon_of, measured
from benchmarks.support.options import add_settings, parser_for
from benchmarks.support.rows import RowFile
from benchmarks.support.tables import header, row

EPOCHS = {"sea_level_pressure": 10, "nyc_taxi": 20}
BACKBONE = "morph_graph"
SPARSITIES = (0.3, 0.4, 0.5, 0.6, 0.8)
SEEDS = (0, 1)
COLUMNS = ("off", "SSIM", "PSNR (dB)", "MAE", "RMSE", "speed", "products")


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("job", choices=list(EPOCHS))
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    add_settings(parser, "of the job, for instance another store")
    options = parser.parse_args()
    file = RowFile(ROWS / f"images-{options.job}.jsonl")
    rows = measured(cells(options.job, options.seeds), file, options.set)
    print(f"{len(options.seeds)} seeds\n\n{header(COLUMNS)}")
    for line in table(list(averaged(rows, "sparsity"))):
        print(row(line))


def cells(job: str, seeds: list[int]) -> Iterator[Cell]:
    for sparsity in (0.0, *SPARSITIES):
        scheme = "searched" if sparsity else "dense"
        for seed in seeds:
            yield Cell(job, BACKBONE, horizon_of(job), scheme, sparsity, seed, EPOCHS[job])


def table(points: list[dict[str, Any]]) -> Iterator[list[str]]:
    for each in points:
        figures = (f"{each[name]:.4g}" for name in ("psnr", "mae", "rmse"))
        speed = f"{each['dense_ms'] / each['compact_ms']:.2f} ×"
        products = f"{each['flops_ratio']:.2f} ×"
        yield [f"{each['sparsity']:.0%}", f"{each['ssim']:.4f}", *figures, speed, products]


if __name__ == "__main__":
    main()
