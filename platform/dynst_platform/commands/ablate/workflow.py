"""The use case behind ``dynst ablate``: schemes, criteria, sparsities and seeds crossed.

A tidy table, a figure, an MLflow run.
"""

from dataclasses import dataclass
from typing import Any

from dynst.data.store import SensorStore
from dynst_platform.commands.ablate.plot import draw_ablation
from dynst_platform.commands.ablate.summary import ablation_summary
from dynst_platform.commands.ablate.tasks import ablation_tasks
from dynst_platform.config.files import dump_spec
from dynst_platform.config.job import JobSpec
from dynst_platform.config.stores import first_unit
from dynst_platform.csv_files import write_csv
from dynst_platform.plots.figures import drawn
from dynst_platform.studies.study import OnTask, StudyOutcome, outcome_facts, plain_rows, study_run

__all__ = ["AblationOutcome", "ablate"]


@dataclass(frozen=True, kw_only=True)
class AblationOutcome(StudyOutcome):
    variants: list[dict[str, Any]]  # one for each scheme, criterion and sparsity, over seeds


def ablate(job: JobSpec, store: SensorStore, on_task: OnTask) -> AblationOutcome:
    """Train every variant that no earlier call has trained.

    Raises:
        RunError: a task or the tracking store failed; what was finished stays.
    """
    with study_run("ablation", job, store, ablation_tasks(job, store), on_task) as (
        tracker,
        folder,
        table,
    ):
        variants = ablation_summary(table, store.sensors.ids)
        table.to_parquet(folder / "ablation.parquet")
        write_csv(folder / "variants.csv", variants)
        (folder / "job.yaml").write_text(dump_spec(job), encoding="utf-8")
        picture, unit = folder / "ablation.png", first_unit(job, store)
        title = f"{store.manifest.name}: {len(store.sensors)} sensors"
        drawn(picture, lambda: draw_ablation(picture, table, title, unit))
        series = [
            (
                round(100 * row["sparsity"]),
                {f"ablation/{row['scheme']}/{row['criterion']}/mae_all": row["mae_all"]},
            )
            for row in variants.to_dict("records")
        ]
        tracker.finish_study("ablation", series, folder)
    return AblationOutcome(
        **outcome_facts("ablation", job, store, tracker, table, folder),
        variants=plain_rows(variants),
    )
