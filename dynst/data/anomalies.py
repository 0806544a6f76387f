"""Anomalies: how far locations were from their seasonal profile in the training part, and which of
them were so together.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from dynst.data.scaler import SeasonalScaler
from dynst.data.windows import Windows
from dynst.random_streams import seeded

__all__ = ["Anomalies", "anomalies", "leading_modes"]

MOST_STEPS, MOST_READINGS = 4_096, 2**26  # evenly spread, are enough for a spread or a correlation
TINY = 1e-3  # a fraction of its spread that the modes leave of a location only by rounding
MORE = 16  # modes than asked for, which make those asked for exact


@dataclass(frozen=True)
class Anomalies:
    """Readings minus the seasonal profile, of the first target.

    Evenly spaced rows of those that the training windows read.
    """

    cells: Tensor  # [N, S, P] scaled, 0 where unobserved; P > 1 for the cells of a patch
    observed: Tensor  # [N, S, P] bool
    scale: Tensor  # [S, P], from scaled to the channel's unit

    def by_location(self) -> Tensor:
        """``[N, S]``, the mean over the cells of each."""
        return self.cells.sum(-1) / self.observed.sum(-1).clamp(min=1)

    def spread(self) -> Tensor:
        """``[S]`` in the channel's unit; 0 for a sensor that never varies."""
        return (self.cells * self.scale).std(0, correction=0).mean(-1)


def anomalies(train: Windows, scaler: SeasonalScaler) -> Anomalies:
    measured = scaler.quantity[train.targets]
    cells = train.targets[measured == measured[0]]
    series, first, last = (
        train.series,
        int(train.starts[0]),
        int(train.starts[-1]) + train.window + train.horizon,
    )
    steps = min(MOST_STEPS, last - first, max(2, MOST_READINGS // scaler.scale.numel()))
    rows = torch.linspace(first, last - 1, steps).long()
    return Anomalies(*series.at(rows, cells), scaler.scale[:, cells])


def leading_modes(anomaly: Tensor, size: int) -> Tensor:
    """Where each location stands among the leading singular modes: the dot product of two is near
    their correlation.

    Args:
        anomaly: ``[N, S]``, scaled.

    Returns:
        ``[S, size]`` of length 1; 0 for a location that never varies, and in modes that the data do
        not have.
    """
    centred = anomaly - anomaly.mean(0)
    alike = centred / centred.norm(dim=0).clamp(min=1e-6)
    most = min(alike.shape)
    with seeded(0):
        _, strength, modes = torch.svd_lowrank(alike, min(size + MORE, most), niter=4)
    coordinates = (modes * strength)[:, :size]  # [S, ≤ size]
    length = coordinates.norm(dim=1, keepdim=True)
    return torch.nn.functional.pad(
        coordinates / length.where(length > TINY, torch.inf), (0, size - coordinates.shape[1])
    )
