"""Importance mixed with topology: sensors that stand alone are worth more."""

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from dynst.sparsity.criteria.protocol import Criterion

__all__ = ["Coverage", "isolation"]


class Coverage(Criterion):
    """Adds ``weight · spread(inner scores) · isolation`` to another criterion's scores, for active
    and inactive sensors alike.

    At weight 1 a sensor of average isolation gains one standard deviation of the scores. Isolation
    follows the mask: where a sensor goes, its neighbours are worth more from the next decision on.
    """

    def __init__(self, inner: Criterion, points: np.ndarray, weight: float) -> None:
        self.inner, self.points, self.weight = inner, points, weight
        self.needs_probes = inner.needs_probes

    def gates(self, active: Tensor) -> Tensor:
        return self.inner.gates(active)

    def observe(self, gate_gradient: Tensor, active: Tensor) -> None:
        self.inner.observe(gate_gradient, active)

    def begin_update(self) -> None:
        self.inner.begin_update()

    def scores(self, active: Tensor) -> Tensor:
        scores = self.inner.scores(active)
        return scores + self.weight * scores.std(correction=0) * isolation(self.points, active)

    def state_dict(self) -> dict[str, Tensor]:
        return self.inner.state_dict()

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.inner.load_state_dict(state)


def isolation(points: np.ndarray, active: Tensor) -> Tensor:
    """Distance of each of ``points [S, D]`` to the nearest *other* active one, ``[S]`` float64,
    mean 1.

    An only active sensor, which has no other, is as isolated as the remotest of the rest.
    """
    on = active.numpy()
    if len(points) < 2 or not on.any():
        return torch.ones(len(points), dtype=torch.float64)
    nearest = cKDTree(points[on]).query(points, k=2)[0]  # an active sensor's own nearest is itself
    distance = np.where(on, nearest[:, 1], nearest[:, 0])
    distance[np.isinf(distance)] = distance[np.isfinite(distance)].max()
    mean = distance.mean()
    return torch.from_numpy(distance / mean if mean > 0 else np.ones_like(distance))
