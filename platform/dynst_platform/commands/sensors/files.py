"""A plan as a file: CSV for a table, GeoJSON for a map program, HTML for people."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dynst.errors import ConfigError
from dynst.storage.files import written_whole
from dynst_platform.commands.sensors.workflow import Plan
from dynst_platform.csv_files import write_csv
from dynst_platform.plots.html_report import Section, command_line, picture_of, write_html
from dynst_platform.plots.masks import draw_mask

__all__ = ["check_form", "write_plan"]


def check_form(path: Path) -> None:
    """Raises ConfigError for a name that ends like no form, before anything is computed."""
    if path.suffix not in WRITERS:
        raise ConfigError(f"--out must end with {', '.join(WRITERS)}, but got '{path.name}'")


def write_plan(path: Path, plan: Plan) -> None:
    """Raises ConfigError for GeoJSON where sensors have no longitudes and latitudes."""
    check_form(path)
    WRITERS[path.suffix](path, plan)


def _csv(path: Path, plan: Plan) -> None:
    write_csv(path, plan.sensors)


def _geojson(path: Path, plan: Plan) -> None:
    if plan.store.manifest.positions != "lonlat" or "x" not in plan.sensors:
        raise ConfigError(
            f"GeoJSON needs longitudes and latitudes, but {plan.store.manifest.name} has none; "
            f"write .csv or .html"
        )
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [float(row["x"]), float(row["y"])]},
            "properties": {
                key: None if pd.isna(value) else value
                for key, value in row.items()
                if key not in ("x", "y")
            },
        }
        for row in plan.sensors.astype(object).to_dict("records")
    ]
    collection = json.dumps({"type": "FeatureCollection", "features": features}, indent=1)
    with written_whole(path) as draft:
        draft.write_text(collection, encoding="utf-8")


def _html(path: Path, plan: Plan) -> None:
    on = plan.sensors["on"]
    unit = f" {plan.unit}".rstrip()
    sentences = [
        f"{on.sum()} of {len(on)} sensors stay on.",
        f"What they cost falls from {plan.cost_before:g} to {plan.cost:g}.",
        f"Mean absolute error over all locations {plan.mae_all:.4g}{unit}, where sensors stay on "
        f"{plan.mae_active:.4g}{unit}"
        + (
            "."
            if plan.mae_inactive is None
            else f", where they are off {plan.mae_inactive:.4g}{unit}."
        ),
    ]
    columns = ("sensor", "importance", "cost", "mae", "mae_all_if_lost")
    rest = ("sensor", "cost", "mae")
    kept = plan.sensors[on].sort_values("importance", ascending=False)
    off = plan.sensors[~on].sort_values("mae", ascending=False)
    how = "" if plan.exact_losses else " To first order: the network is too large to try each."
    sections = [
        Section("Plan", " ".join(sentences), picture=_map(plan)),
        Section(
            "Keep",
            f"mae_all_if_lost: the error over all locations if this sensor fails.{how}",
            columns,
            _rows(kept, columns),
        ),
        Section(
            "Switch off",
            "mae: how well the location is forecast without its own sensor.",
            rest,
            _rows(off, rest),
        ),
        Section(
            "Command", commands=[command_line("dynst", "sensors", plan.model, "--out", path.name)]
        ),
    ]
    write_html(path, f"DynST plan: {plan.store.manifest.name}", sections)


def _rows(sensors: pd.DataFrame, columns: Sequence[str]) -> list[list[Any]]:
    rows: list[list[Any]] = sensors[list(columns)].to_numpy().tolist()
    return rows


def _map(plan: Plan) -> bytes | str:
    active = plan.sensors["on"].to_numpy(bool)
    importance = plan.sensors["importance"].to_numpy(np.float64)
    title = f"{plan.store.manifest.name}: {active.sum()} of {len(active)} sensors kept"
    return picture_of(lambda path: draw_mask(path, plan.store, active, importance, title))


WRITERS: dict[str, Callable[[Path, Plan], None]] = {
    ".csv": _csv,
    ".geojson": _geojson,
    ".html": _html,
}
