"""The use case behind ``dynst compare``: the trainings of an experiment side by side, with the
front and the spread over seeds.
"""

from dataclasses import dataclass, field
from typing import Any, TypedDict, cast

import moocore
import numpy as np
import pandas as pd

from dynst.errors import ConfigError
from dynst_platform.config.locations import tracking_uri
from dynst_platform.log import quiet_libraries
from dynst_platform.model_registry.policy import Candidate, candidates_of, shortfalls
from dynst_platform.model_registry.runs import Training, trainings_of
from dynst_platform.tracking.clients import reader_of

__all__ = ["COLUMNS", "Compared", "TrainingRow", "compare", "shortened"]


class TrainingRow(TypedDict):
    """One training, None where a figure is unknown.

    Keys:
        over_dense: its error against dense, as a fraction.
        seeds, seeds_over_dense, seeds_deviation: of the trainings that differ in the seed alone.
    """

    name: str
    kind: str
    status: str
    sparsity: float | None
    mae_all: float | None
    over_dense: float | None
    mae_active: float | None
    mae_inactive: float | None
    cost: float | None
    speed_up: float | None
    front: bool
    promotable: bool
    seeds: int | None
    seeds_over_dense: float | None
    seeds_deviation: float | None
    started: str
    run_id: str


COLUMNS = tuple(TrainingRow.__annotations__)


@dataclass(frozen=True)
class Compared:
    """Plain data for the screen, for ``--format json`` and for tests."""

    experiment: str
    rows: list[TrainingRow]
    varied: dict[str, dict[str, str]] = field(
        default_factory=dict
    )  # by run, the settings in which the trainings differ


def compare(experiment: str, condition: str | None = None, sort: str | None = None) -> Compared:
    """Rows that satisfy ``condition``, for instance ``sparsity >= 0.4 and kind == 'trial'``, sorted
    by a column, ``-`` reverses it.

    Raises:
        ConfigError: no such experiment, a condition that cannot be read, or an unknown column.
        TrackingError: the tracking store cannot be reached.
    """
    quiet_libraries()
    uri = tracking_uri()
    trainings = trainings_of(reader_of(uri), uri, experiment)
    if not trainings:
        raise ConfigError(
            f"experiment '{experiment}' has no training yet; start one with dynst train or dynst "
            f"tune"
        )
    groups = {
        run: candidate for candidate in candidates_of(trainings, {}) for run in candidate.runs
    }
    front = _front(trainings)
    table = pd.DataFrame(
        [_row(training, groups.get(training.run_id), front) for training in trainings],
        columns=COLUMNS,
    )
    table = _sorted(_filtered(table, condition), sort)
    rows = [
        {str(key): None if _unknown(value) else value for key, value in row.items()}
        for row in table.to_dict("records")
    ]
    return Compared(experiment, cast(list[TrainingRow], rows), _varied(trainings))


def shortened(setting: str) -> str:
    """MLflow keeps parameters as text, with all their digits."""
    try:
        return f"{float(setting):.3g}"
    except ValueError:
        return setting


def _row(training: Training, group: Candidate | None, front: set[str]) -> TrainingRow:
    return {
        "name": training.name,
        "kind": training.kind,
        "status": training.status,
        "sparsity": training.figure("mask/final_sparsity"),
        "mae_all": training.mae_all,
        "over_dense": training.over_dense,
        "mae_active": training.figure("test/mae_active"),
        "mae_inactive": training.figure("test/mae_inactive"),
        "cost": training.figure("mask/cost"),
        "speed_up": training.figure("efficiency/speed_up"),
        "front": training.run_id in front,
        "promotable": group is not None and not shortfalls(group),
        "seeds": group.seeds if group else None,
        "seeds_over_dense": group.over_dense if group else None,
        "seeds_deviation": group.deviation if group else None,
        "started": training.started,
        "run_id": training.run_id,
    }


def _front(trainings: list[Training]) -> set[str]:
    """Sparse trainings that no other one beats in both error and share of sensors off."""
    known = [
        each
        for each in trainings
        if each.is_candidate or (each.kind == "trial" and each.mae_all is not None)
    ]
    if not known:
        return set()
    points = np.array(
        [[each.mae_all, -each.metrics.get("mask/final_sparsity", 0.0)] for each in known],
        dtype=float,
    )
    return {
        each.run_id
        for each, keep in zip(known, moocore.is_nondominated(points), strict=True)
        if keep
    }


def _filtered(table: pd.DataFrame, condition: str | None) -> pd.DataFrame:
    if condition is None:
        return table
    try:
        return table.query(condition, engine="python")
    except Exception as error:  # whatever pandas makes of a user's words
        raise ConfigError(
            f"--filter must be a condition over {', '.join(COLUMNS)}, for instance 'sparsity >= "
            f"0.4', but got '{condition}' ({' '.join(str(error).split())})"
        ) from error


def _sorted(table: pd.DataFrame, sort: str | None) -> pd.DataFrame:
    column = (sort or "mae_all").removeprefix("-")
    if column not in COLUMNS:
        raise ConfigError(
            f"--sort must be one of {', '.join(COLUMNS)}, with - before it for the largest first, "
            f"but got '{column}'"
        )
    return table.sort_values(
        column, ascending=not (sort or "").startswith("-"), kind="stable", na_position="last"
    )


def _varied(trainings: list[Training]) -> dict[str, dict[str, str]]:
    keys = {key for training in trainings for key in training.settings}
    different = sorted(
        key for key in keys if len({training.settings.get(key) for training in trainings}) > 1
    )
    return {
        training.run_id: {
            key: training.settings[key] for key in different if key in training.settings
        }
        for training in trainings
    }


def _unknown(value: Any) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value))
