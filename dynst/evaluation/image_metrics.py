"""Forecasts compared as images of the grid: structural similarity and peak signal-to-noise
ratio.
"""

from dataclasses import dataclass
from math import inf, log10, nan

import numpy as np
import torch
from torch import Tensor

from dynst.data.manifest import Patching
from dynst.data.patches import to_frames
from dynst.data.store import Readings
from dynst.data.windows import Windows
from dynst.devices import CPU, device_of, to_cpu, to_device
from dynst.distributed.world import World
from dynst.models.forecaster import SparseForecaster

__all__ = ["FrameScores", "evaluate_frames", "value_ranges"]

SIGMA, RADIUS = 1.5, 5  # the Gaussian window of Wang et al. 2004, 11 × 11 cells
CELLS_AT_ONCE = 2**20  # of forecasts; similarity needs some twenty copies


@dataclass(frozen=True)
class FrameScores:
    """Sums over the observed cells of frames; those of several ranks add up.

    In both forecast and truth a missing cell holds the mean of the true frame; neither measure
    counts it.
    """

    similarity: Tensor
    squared: Tensor
    count: Tensor

    @classmethod
    def zeros(cls, device: torch.device = CPU) -> "FrameScores":
        return cls(*(torch.zeros((), dtype=torch.float64, device=device) for _ in range(3)))

    def add(self, forecast: Tensor, truth: Tensor, observed: Tensor) -> None:
        """Add frames ``[N, C, H, W]`` in units of the range of each channel."""
        known = torch.where(observed, truth.double(), 0)
        mean = known.sum((-2, -1), keepdim=True) / observed.sum((-2, -1), keepdim=True).clamp(min=1)
        forecast, truth = (
            torch.where(observed, values.double(), mean) for values in (forecast, truth)
        )
        self.similarity.add_((similarity(forecast, truth) * observed).sum())
        self.squared.add_((forecast - truth).square().sum())
        self.count.add_(observed.sum())

    @property
    def ssim(self) -> float:
        """The mean over all cells; NaN for a grid narrower than three cells."""
        return float(self.similarity / self.count)

    @property
    def psnr(self) -> float:
        """Decibels, from the mean squared error of all cells; infinite where there is none."""
        error = float(self.squared / self.count)
        return -10 * log10(error) if error > 0 else inf if error == 0 else nan


def similarity(forecast: Tensor, truth: Tensor) -> Tensor:
    """The index of every cell ``[N, C, H, W]``, in the usual Gaussian window, or one that a small
    grid still holds.
    """
    from torchmetrics.functional.image import (  # noqa: PLC0415 (heavy, and for grids alone)
        structural_similarity_index_measure,
    )

    radius = min(RADIUS, (min(truth.shape[-2:]) - 1) // 2)
    if radius == 0:
        return torch.full_like(truth, nan)
    sigma = SIGMA * radius / RADIUS
    _, image = structural_similarity_index_measure(
        forecast, truth, sigma=sigma, data_range=1.0, reduction="none", return_full_image=True
    )
    return image


@torch.no_grad()
def evaluate_frames(
    model: SparseForecaster,
    windows: Windows,
    active: Tensor,
    layout: Patching,
    ranges: Tensor,
    world: World | None = None,
) -> FrameScores:
    """Scores of the forecasts of all cells when only ``active`` (bool ``[S]``) sensors are read.

    Ranks share the windows.

    Every horizon step of every window is a frame in raw units, and ``ranges`` are those of
    ``value_ranges``.
    """
    windows, world = windows.on(device_of(model)), world or World()
    scores, was_training = FrameScores.zeros(windows.device), model.training
    model.eval()
    sensors, targets = active.nonzero().squeeze(1), to_device(windows.targets, windows.device)
    unit = to_device(ranges, windows.device)[:, None, None]
    size = max(
        1, min(256, CELLS_AT_ONCE // (layout.grid.height * layout.grid.width * windows.horizon))
    )
    for index in world.shard(torch.arange(len(windows))).split(size):
        if not len(index):  # more ranks than windows
            continue
        batch = windows.batch(index, sensors)
        scaled = model(batch.inputs())
        forecast, truth = (
            model.scaler.restore(values, windows.target_times(index), targets)
            for values in (scaled, batch.target)
        )
        observed = _pictures(batch.target_observed, layout)
        scores.add(_pictures(forecast, layout) / unit, _pictures(truth, layout) / unit, observed)
    for part in (scores.similarity, scores.squared, scores.count):
        world.all_reduce(part)
    model.train(was_training)
    return FrameScores(**to_cpu(vars(scores)))


def value_ranges(readings: Readings, rows: slice, layout: Patching, targets: Tensor) -> Tensor:
    """Largest minus smallest observed reading in ``rows``, of each quantity that the channels
    ``targets`` hold.
    """
    count = len(layout.channels)
    quantities = dict.fromkeys((targets % count).tolist())
    return torch.tensor(
        [_range(readings, rows, slice(quantity, None, count)) for quantity in quantities]
    )


def _range(readings: Readings, rows: slice, channels: slice) -> float:
    values, observed = readings.values[rows, :, channels], readings.observed[rows, :, channels]
    low, high = (
        np.min(values, where=observed, initial=np.inf),
        np.max(values, where=observed, initial=-np.inf),
    )
    return float(high - low) if high > low else 1.0


def _pictures(values: Tensor, layout: Patching) -> Tensor:
    """``[B, H, S, rows · columns · C]`` to frames ``[B · H, C, height, width]``."""
    return to_frames(values, layout, fill=0).movedim(-1, -3).flatten(0, 1)
