"""The use case behind ``dynst curve``: one network for each seed, every choice judged on it, a table, a picture, an MLflow run."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from dynst.data.store import SensorStore
from dynst_platform.curve_cells import curve_cells
from dynst_platform.curve_pictures import draw_curve
from dynst_platform.curve_tables import STAGES, reference_errors, summary, tidy
from dynst_platform.home import artifact_root, home, tracking_uri
from dynst_platform.jobfile import dump_job
from dynst_platform.quiet import quiet_libraries
from dynst_platform.spec import JobSpec
from dynst_platform.stores import target_units
from dynst_platform.study import Cell, Product, run_cells
from dynst_platform.tracking import Tracker

__all__ = ["CurveOutcome", "OnCell", "curve"]

OnCell = Callable[[str, int, int], None]  # name of the piece that is done, how many are, of how many


@dataclass(frozen=True)
class CurveOutcome:
    """What a curve gave: plain data for the screen, for ``--format json`` and for tests."""

    run_id: str
    experiment: str
    num_sensors: int
    unit: str
    references: dict[str, float]
    points: list[dict[str, Any]]  # one for each stage, sparsity and choice, over seeds
    artifacts: dict[str, str]
    attribution: str = ""


def curve(job: JobSpec, store: SensorStore, on_cell: OnCell) -> CurveOutcome:
    """Draw the job's sparsity–error curve; pieces that an earlier call finished are taken as they are.

    Raises:
        RunError: a piece or the tracking store failed; what was finished stays.
    """
    quiet_libraries()
    cells = curve_cells(job, store)
    tracker = Tracker(tracking_uri(), artifact_root(), job, store)
    run_id = tracker.start("curve", "curve")
    rows: list[dict[str, Any]] = []
    done: list[str] = []

    def on_done(cell: Cell, product: Product) -> None:
        rows.extend(product.rows)
        done.append(cell.name)
        on_cell(cell.name, len(done), len(cells))

    try:
        run_cells(cells, home() / job.name / "pieces", job.cluster.num_workers, on_done)
    except BaseException as error:
        tracker.close("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED", str(error))
        raise
    table = tidy(rows, store.sensors.ids)
    folder = home() / job.name / f"curve-{tracker.job_id}"
    points = summary(table)
    _write(folder, table, points, job, store)
    tracker.finish_study("curve", _series(points), folder)
    return CurveOutcome(
        run_id=run_id,
        experiment=job.name,
        num_sensors=len(store.sensors),
        unit=_unit(job, store),
        references=reference_errors(table),
        points=_plain(points),
        artifacts={"folder": str(folder), "picture": str(folder / "curve.png"), "tracking_uri": tracker.uri},
        attribution=store.manifest.attribution,
    )


def _write(folder: Path, table: pd.DataFrame, points: pd.DataFrame, job: JobSpec, store: SensorStore) -> None:
    folder.mkdir(parents=True)
    table.to_parquet(folder / "rows.parquet")
    table.to_csv(folder / "rows.csv", index=False)
    points.to_csv(folder / "curve.csv", index=False)
    (folder / "job.yaml").write_text(dump_job(job), encoding="utf-8")
    draw_curve(folder / "curve.png", table, f"{store.manifest.name}: {len(store.sensors)} sensors", _unit(job, store))


def _series(points: pd.DataFrame) -> list[tuple[int, dict[str, float]]]:
    """For MLflow's charts: the share of sensors off in percent takes the place of the step."""
    return [
        (round(100 * point["sparsity"]), {f"curve/{point['choice']}/{_short(point['stage'])}_mae_all": point["mae_all"]})
        for point in points.to_dict("records")
    ]


def _plain(points: pd.DataFrame) -> list[dict[str, Any]]:
    """JSON has no NaN: what is unknown is None."""
    known = points.astype(object).where(points.notna(), None)
    return [dict(zip(known.columns, line, strict=True)) for line in known.itertuples(index=False)]


def _short(stage: str) -> str:
    return "shared" if stage == STAGES[0] else "tuned"


def _unit(job: JobSpec, store: SensorStore) -> str:
    return next(iter(target_units(job, store).values()))
