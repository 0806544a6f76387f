"""What a choice of sensors must satisfy, as arrays over units: sensors that are on or off
together.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from dynst.sparsity.constraints.sensor_layout import Network
from dynst.sparsity.mask import num_active_at

__all__ = ["TOLERANCE", "ConstraintSpec", "make_constraint_spec", "pairs_within", "units_of"]

TOLERANCE = 1e-6  # of a sum of costs, that of the solver


@dataclass(frozen=True)
class ConstraintSpec:
    """``weight`` adds up to the ``limit`` of the final choice: numbers of sensors, where it must be
    met exactly, or costs in units of their mean.
    """

    unit: np.ndarray  # [S] int64, the unit of each sensor
    size: np.ndarray  # [U] sensors in each unit
    weight: np.ndarray  # [U]
    pinned: np.ndarray  # [U] bool
    excluded: np.ndarray  # [U] bool
    too_close: np.ndarray  # [P, 2] units that may not both be on at the end
    limit: float
    exact: bool
    final: float  # the sparsity at which the limit holds

    @property
    def allowed(self) -> np.ndarray:
        """``[S]`` bool: the sensors that may be on at all."""
        allowed: np.ndarray = ~self.excluded[self.unit]
        return allowed

    def limit_at(self, sparsity: float) -> float:
        """What may be on while sparsity is still below ``final``.

        A count is rounded to whole sensors.
        """
        if sparsity >= self.final:
            return self.limit
        total = float(self.weight.sum())
        return max(
            self.limit,
            total - int(sparsity * total + 0.5) if self.exact else (1 - sparsity) * total,
        )

    def fulfils(self, chosen: np.ndarray) -> bool:
        """Whether units ``chosen [U]`` could be the final choice."""
        total = self.weight[chosen].sum()
        fits = total == self.limit if self.exact else total <= self.limit + TOLERANCE
        return bool(fits) and not chosen[self.too_close].all(axis=1).any()


def make_constraint_spec(
    network: Network, final: float, budget: float | None, min_distance: float | None
) -> ConstraintSpec:
    """Members pin or exclude their whole group.

    ``final`` counts sensors, unless there is a budget.
    """
    sensors, unit = network.sensors, units_of(network)
    size = np.bincount(unit)
    close = np.empty((0, 2), np.int64)
    if min_distance is not None and network.points is not None:
        close = pairs_within(network.points, min_distance, unit)
    mean = float(sensors.cost.mean())
    return ConstraintSpec(
        unit=unit,
        size=size,
        weight=size.astype(float) if budget is None else np.bincount(unit, sensors.cost / mean),
        pinned=np.bincount(unit, sensors.pinned) > 0,
        excluded=np.bincount(unit, sensors.excluded) > 0,
        too_close=close,
        limit=num_active_at(final, len(unit)) if budget is None else budget / mean,
        exact=budget is None,
        final=final if budget is None else max(0.0, 1 - budget / float(sensors.cost.sum())),
    )


def units_of(network: Network) -> np.ndarray:
    """``[S]``: sensors of one group share a unit, a sensor without a group is its own.

    Numbered by their first sensor.
    """
    names = [
        ("group", group) if group else ("sensor", name)
        for name, group in zip(network.sensors.ids, network.sensors.group, strict=True)
    ]
    number: dict[tuple[str, str], int] = {}
    return np.array([number.setdefault(name, len(number)) for name in names])


def pairs_within(points: np.ndarray, distance: float, unit: np.ndarray) -> np.ndarray:
    """``[P, 2]`` pairs of units that hold sensors nearer to each other than ``distance``."""
    pairs = cKDTree(points).query_pairs(distance, output_type="ndarray")
    apart = np.linalg.norm(points[pairs[:, 0]] - points[pairs[:, 1]], axis=1)
    return np.unique(np.sort(unit[pairs[apart < distance]], axis=1), axis=0)
