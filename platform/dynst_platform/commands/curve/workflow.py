"""The use case behind ``dynst curve``: one supernet for each seed, every choice evaluated on it.

A table, a figure, an MLflow run.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from dynst.data.store import SensorStore
from dynst.notices import notice
from dynst_platform.commands.curve.plot import draw_curve
from dynst_platform.commands.curve.stability import stability_tables
from dynst_platform.commands.curve.summary import (
    BY_LOCATION,
    STAGES,
    locations,
    simpler_locations,
    summary,
)
from dynst_platform.commands.curve.tasks import curve_tasks
from dynst_platform.config.files import dump_spec
from dynst_platform.config.job import JobSpec
from dynst_platform.config.stores import first_unit
from dynst_platform.csv_files import write_csv
from dynst_platform.plots.figures import drawn
from dynst_platform.studies.study import OnTask, StudyOutcome, outcome_facts, plain_rows, study_run

__all__ = ["CurveOutcome", "curve"]


@dataclass(frozen=True, kw_only=True)
class CurveOutcome(StudyOutcome):
    """Beside what every study gives.

    Args:
        points: one for each stage, sparsity and choice, over seeds.
        simpler: for each sparsity, of how many locations a forecaster without a network has the
            smaller error.
    """

    points: list[dict[str, Any]]
    simpler: list[dict[str, Any]]


def curve(job: JobSpec, store: SensorStore, on_task: OnTask) -> CurveOutcome:
    """Draw the job's sparsity–error curve.

    Tasks that an earlier call finished are taken as they are.

    Raises:
        RunError: a task or the tracking store failed; what was finished stays.
    """
    if job.search.seeds > 1:
        notice(
            "search.seeds is for trainings: a curve votes over curve.seeds; name more of them there"
        )
    with study_run("curve", job, store, curve_tasks(job, store), on_task) as (
        tracker,
        folder,
        table,
    ):
        points = summary(table, store.sensors.ids)
        by_location = locations(table, store.sensors.ids)
        table = table.drop(columns=BY_LOCATION)
        _write(folder, table, points, job, store)
        write_csv(folder / "locations.csv", by_location)
        tracker.finish_study("curve", _series(points), folder)
    return CurveOutcome(
        **outcome_facts("curve", job, store, tracker, table, folder),
        points=plain_rows(points),
        simpler=plain_rows(simpler_locations(by_location)),
    )


def _write(
    folder: Path, table: pd.DataFrame, points: pd.DataFrame, job: JobSpec, store: SensorStore
) -> None:
    table.to_parquet(folder / "rows.parquet")
    write_csv(folder / "rows.csv", table)
    write_csv(folder / "curve.csv", points)
    if (found := stability_tables(table, store)) is not None:
        write_csv(folder / "stability.csv", found.sensors)
        write_csv(folder / "exchangeable.csv", found.pairs)
    (folder / "job.yaml").write_text(dump_spec(job), encoding="utf-8")
    picture, unit = folder / "curve.png", first_unit(job, store)
    title = f"{store.manifest.name}: {len(store.sensors)} sensors"
    drawn(picture, lambda: draw_curve(picture, table, title, unit))


def _series(points: pd.DataFrame) -> list[tuple[int, dict[str, float]]]:
    """For MLflow's charts: the share of sensors off in percent takes the place of the step."""
    return [
        (
            round(100 * point["sparsity"]),
            {f"curve/{point['choice']}/{_short(point['stage'])}_mae_all": point["mae_all"]},
        )
        for point in points.to_dict("records")
    ]


def _short(stage: str) -> str:
    return "shared" if stage == STAGES[0] else "tuned"
