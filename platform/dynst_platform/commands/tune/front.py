"""Which trials no other one beats in every objective, how much of the objectives' space they cover,
and the one to choose.
"""

from collections.abc import Sequence

import moocore
import numpy as np

from dynst_platform.commands.tune.records import Record, finished_among
from dynst_platform.config.sweep import DIRECTIONS

__all__ = ["chosen_of", "front_of", "hypervolumes"]

# of the range of each objective, that the reference point of the hypervolume lies beyond the worst
BEYOND = 0.1


def front_of(records: Sequence[Record], objectives: Sequence[str]) -> list[Record]:
    """The finished trials that are best in something, by number; of equal ones the first."""
    finished = finished_among(records)
    if not finished:
        return []
    kept = moocore.is_nondominated(_to_minimise(finished, objectives), keep_weakly=False)
    return [record for record, keep in zip(finished, kept, strict=True) if keep]


def chosen_of(front: Sequence[Record], dense: float, within: float) -> Record | None:
    """The trial with most sensors off whose error is at most ``within`` (a share) over the dense
    reference's; where there is none, the one with the lowest error.
    """
    good = [record for record in front if record.objectives["mae_all"] <= (1 + within) * dense]
    if good:
        return max(
            good, key=lambda record: (record.objectives["sparsity"], -record.objectives["mae_all"])
        )
    return min(front, key=lambda record: record.objectives["mae_all"], default=None)


def hypervolumes(records: Sequence[Record], objectives: Sequence[str]) -> list[tuple[int, float]]:
    """By number of each finished trial, what it and those before it cover (Zitzler and Thiele
    1999): a share of the box between the best value of every objective and a point just beyond
    the worst of each.
    """
    finished = finished_among(records)
    if not finished:
        return []
    points = _to_minimise(finished, objectives)
    best, worst = points.min(0), points.max(0)
    extent = np.where(worst > best, worst - best, 1.0)
    scaled = (points - best) / extent  # the best is 0, the worst 1
    return [
        (
            record.number,
            float(moocore.hypervolume(scaled[: count + 1], ref=1 + BEYOND))
            / (1 + BEYOND) ** len(objectives),
        )
        for count, record in enumerate(finished)
    ]


def _to_minimise(records: Sequence[Record], objectives: Sequence[str]) -> np.ndarray:
    signs = np.array([1.0 if DIRECTIONS[name] == "minimize" else -1.0 for name in objectives])
    values = np.array([[record.objectives[name] for name in objectives] for record in records])
    found: np.ndarray = signs * values
    return found
