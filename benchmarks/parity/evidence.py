"""Markdown tables for docs/evidence.md, from the latest curve of each evidence job.

python -m benchmarks.parity.evidence runs
"""

from pathlib import Path
from statistics import fmean

import pandas as pd
from scipy.stats import spearmanr

from benchmarks.support.options import parser_for
from benchmarks.support.tables import header, row
from dynst.evaluation.ridge import RIDGE
from dynst.experiment.supernet import LEARNED
from dynst_platform.commands.curve.summary import STAGES
from dynst_platform.studies.references import REFERENCES

SIGNIFICANT = 0.05
TITLES = {LEARNED: "**DynST**", RIDGE: "ridge on DynST's sensors"}


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("home", type=Path, help="folder that holds evidence-*/curve-*")
    for job in sorted(parser.parse_args().home.glob("evidence-*")):
        curves = sorted(path.parent for path in job.glob("curve-*/curve.csv"))
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
    print(f"Seeds: {rows.seed.nunique()}. References: {references}. {cost(rows)}\n")
    for stage in STAGES:
        of_stage = points[points.stage == stage]
        if len(of_stage):
            print_stage(stage, of_stage)
    learned = points[points.choice == LEARNED]
    print(f"{against_rule(learned)}\n\n{stability(learned)}\n\n{agreement_of_stages(rows)}")


def print_stage(stage: str, points: pd.DataFrame) -> None:
    sparsities = sorted(points.sparsity.unique())
    columns = [stage, *(f"{sparsity:.0%} off" for sparsity in sparsities)]
    print(header(columns, text=len(columns)))
    for choice in sorted(points.choice.unique(), key=lambda name: (name != LEARNED, name)):
        of_choice = points[points.choice == choice].set_index("sparsity")
        title = TITLES.get(choice, choice.replace("_", " "))
        cells = [
            cell(of_choice.loc[sparsity]) if sparsity in of_choice.index else ""
            for sparsity in sparsities
        ]
        print(row([title, *cells]))
    print()


def against_rule(learned: pd.DataFrame) -> str:
    """What the choice that was taken costs more than the best rule's, and how sure that is."""
    lines = [header(("over the best rule", "mean", "95 % bounds", "worst seed", "search taken"))]
    for point in learned.sort_values(["stage", "sparsity"]).itertuples():
        lines.append(
            row(
                [
                    f"{point.sparsity:.0%} off, {point.stage}",
                    f"{point.over_rule:+.1%}",
                    f"{point.over_rule_lower:+.1%} to {point.over_rule_upper:+.1%}",
                    f"{point.over_rule_worst:+.1%}",
                    f"{point.search_taken:.0%}",
                ]
            )
        )
    return "\n".join(lines)


def stability(learned: pd.DataFrame) -> str:
    """How far the choices of the seeds agree."""
    as_it_is = learned[learned.stage == STAGES[0]].sort_values("sparsity")
    found = (
        f"{point.overlap:.2f} at {point.sparsity:.0%} off ({point.overlap_by_chance:.2f} by chance)"
        for point in as_it_is.itertuples()
    )
    return f"Overlap of the seeds' choices (Jaccard): {', '.join(found)}."


def agreement_of_stages(rows: pd.DataFrame) -> str:
    """Rank correlation over the choices of a seed and sparsity: of what the search sees with what
    fine-tuning gives.
    """
    keys = ["seed", "sparsity", "choice", "number"]
    seen, tuned = (
        rows[(rows.stage == stage) & (rows.choice != RIDGE)].set_index(keys) for stage in STAGES
    )
    both = seen.join(tuned.mae_all.rename("tuned"), how="inner").reset_index()
    groups = [group for _, group in both.groupby(["seed", "sparsity"])]
    figures = {
        name: fmean(spearmanr(group[name], group.tuned).statistic for group in groups)
        for name in ("search_loss", "mae_all")
    }
    return (
        f"Rank correlation with the fine-tuned errors, over {min(map(len, groups))} choices of a "
        f"seed: {figures['search_loss']:.2f} of the search's errors, {figures['mae_all']:.2f} of "
        f"the test errors as it is."
    )


def cell(point: pd.Series) -> str:
    star = ""
    if point.p_holm < SIGNIFICANT:
        star = "*" if point.dynst_gain > 0 else "°"
    spread = "" if pd.isna(point.spread) else f" ± {point.spread:.2g}"
    return f"{point.mae_all:.4g}{spread} ({point.over_dense:+.1%}){star}"


def cost(rows: pd.DataFrame) -> str:
    """What a training and a point took; on shared cores only the ratios have a meaning."""
    seconds = {
        stage: rows.loc[rows.stage == stage, "seconds"].mean()
        for stage in ("dense", "shared", "complete")
    }
    tuned = rows.loc[rows.stage == STAGES[1], "tuning_seconds"].mean()
    search = rows.loc[(rows.stage == STAGES[0]) & (rows.choice == LEARNED), "choice_seconds"].mean()
    figures = {
        "the network that decides": seconds["shared"],
        "the one whose errors count": seconds["complete"],
        "a search": search,
        "a fine-tuning": tuned,
    }
    parts = (f"{name} {value / seconds['dense']:.2f}" for name, value in figures.items())
    return f"Of the dense training's time: {', '.join(parts)}."


if __name__ == "__main__":
    main()
