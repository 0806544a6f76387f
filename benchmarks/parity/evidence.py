"""Markdown tables for docs/evidence.md, from the latest curve of each evidence job.

python -m benchmarks.parity.evidence runs
"""

from pathlib import Path

import pandas as pd

from benchmarks.support.options import parser_for
from benchmarks.support.tables import header, row
from dynst_platform.commands.curve.summary import STAGES
from dynst_platform.studies.references import REFERENCES

SIGNIFICANT = 0.05


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("home", type=Path, help="folder that holds evidence-*/curve-*")
    for job in sorted(parser.parse_args().home.glob("evidence-*")):
        curves = sorted(job.glob("curve-*"))
        if curves:
            print_job(job.name, curves[-1])


def print_job(name: str, folder: Path) -> None:
    points, rows = pd.read_csv(folder / "curve.csv"), pd.read_parquet(folder / "rows.parquet")
    references = ", ".join(
        f"{reference.replace('_', ' ')} {rows.loc[rows.stage == reference, 'mae_all'].mean():.4g}"
        for reference in REFERENCES
        if (rows.stage == reference).any()
    )
    print(f"\n### {name.removeprefix('evidence-')}\n")
    print(f"Seeds: {rows.seed.nunique()}. Reading every sensor: {references}. {cost(rows)}\n")
    for stage in STAGES:
        of_stage = points[points.stage == stage]
        if len(of_stage):
            print_stage(stage, of_stage)


def print_stage(stage: str, points: pd.DataFrame) -> None:
    sparsities = sorted(points.sparsity.unique())
    columns = [stage, *(f"{sparsity:.0%} off" for sparsity in sparsities)]
    print(header(columns, text=len(columns)))
    for choice in sorted(points.choice.unique(), key=lambda name: (name != "dynst", name)):
        of_choice = points[points.choice == choice].set_index("sparsity")
        title = "**DynST**" if choice == "dynst" else choice.replace("_", " ")
        cells = [
            cell(of_choice.loc[sparsity]) if sparsity in of_choice.index else ""
            for sparsity in sparsities
        ]
        print(row([title, *cells]))
    print()


def cell(point: pd.Series) -> str:
    star = ""
    if point.p_value < SIGNIFICANT:
        star = "*" if point.dynst_gain > 0 else "°"
    spread = "" if pd.isna(point.spread) else f" ± {point.spread:.2g}"
    return f"{point.mae_all:.4g}{spread} ({point.over_dense:+.1%}){star}"


def cost(rows: pd.DataFrame) -> str:
    """What a training and a point took; on shared cores only the ratios have a meaning."""
    seconds = {
        stage: rows.loc[rows.stage == stage, "seconds"].mean() for stage in ("dense", "shared")
    }
    tuned = rows.loc[rows.stage == STAGES[1], "tuning_seconds"].mean()
    search = rows.loc[(rows.stage == STAGES[0]) & (rows.choice == "dynst"), "choice_seconds"].mean()
    return (
        f"Of the dense training's time: shared network {seconds['shared'] / seconds['dense']:.2f}, "
        f"a search {search / seconds['dense']:.2f}, a fine-tuning {tuned / seconds['dense']:.2f}."
    )


if __name__ == "__main__":
    main()
