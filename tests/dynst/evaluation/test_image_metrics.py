"""Forecasts as images: the measures are torchmetrics' own, and missing cells stay out of them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torchmetrics.functional.image import (
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)

from dynst.data.patches import patched_store
from dynst.data.store import SensorStore
from dynst.distributed.world import World
from dynst.evaluation import image_metrics as frames
from dynst.evaluation.evaluate import forecast_windows
from dynst.evaluation.image_metrics import FrameScores, evaluate_frames, value_ranges
from dynst.experiment.dataset import Dataset, make_dataset, plan_dataset
from dynst.models.factory import ModelConfig, build_forecaster
from dynst.models.forecaster import SparseForecaster
from tests.conftest import write_grid

MODEL = ModelConfig(
    backbone={"name": "patch_transformer", "options": {"blocks": 1}},
    window=3,
    horizon=2,
    hidden=16,
    embedding=4,
)


def scored(forecast: Tensor, truth: Tensor, observed: Tensor | None = None) -> FrameScores:
    scores = FrameScores.zeros()
    scores.add(
        forecast, truth, torch.ones_like(truth, dtype=torch.bool) if observed is None else observed
    )
    return scores


def pictures(height: int, width: int, channels: int = 1) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    truth = torch.rand(6, channels, height, width, generator=generator).double()
    return truth + 0.1 * torch.randn(truth.shape, generator=generator).double(), truth


@pytest.mark.parametrize("shape", [(17, 33), (11, 11)])
def test_full_frames_score_as_torchmetrics_does_with_its_own_window(shape: tuple[int, int]) -> None:
    forecast, truth = pictures(*shape, channels=2)
    scores = scored(forecast, truth)
    assert scores.ssim == pytest.approx(
        float(structural_similarity_index_measure(forecast, truth, data_range=1.0))
    )
    assert scores.psnr == pytest.approx(
        float(peak_signal_noise_ratio(forecast, truth, data_range=1.0))
    )


def test_batches_add_up() -> None:
    forecast, truth = pictures(12, 12)
    scores = FrameScores.zeros()
    for rows in (slice(0, 1), slice(1, 6)):
        scores.add(forecast[rows], truth[rows], torch.ones_like(truth[rows], dtype=torch.bool))
    whole = scored(forecast, truth)
    assert (scores.ssim, scores.psnr) == (pytest.approx(whole.ssim), pytest.approx(whole.psnr))


@pytest.mark.parametrize("shape", [(10, 20), (3, 3), (4, 30)])
def test_the_window_shrinks_to_small_grids(shape: tuple[int, int]) -> None:
    forecast, truth = pictures(*shape)
    assert 0 < scored(forecast, truth).ssim < 1
    assert scored(truth, truth).ssim == pytest.approx(1)


def test_a_strip_has_no_similarity_but_a_noise_ratio() -> None:
    forecast, truth = pictures(2, 30)
    scores = scored(forecast, truth)
    assert np.isnan(scores.ssim)
    assert scores.psnr > 10
    assert scored(truth, truth).psnr == np.inf


def test_missing_cells_change_no_score() -> None:
    forecast, truth = pictures(12, 16)
    observed = torch.ones_like(truth, dtype=torch.bool)
    observed[..., :5] = False
    wild = torch.where(observed, 0.0, 1e6)
    scores, other = (
        scored(forecast, truth, observed),
        scored(forecast + wild, truth - wild, observed),
    )
    assert (other.ssim, other.psnr) == (scores.ssim, scores.psnr)
    assert scores.ssim == pytest.approx(
        scored(forecast, truth).ssim, abs=0.05
    )  # equal missing cells do not lift it
    part = peak_signal_noise_ratio(forecast[..., 5:], truth[..., 5:], data_range=1.0)
    assert scores.psnr == pytest.approx(float(part))  # not diluted by cells that nobody measures


@pytest.fixture(params=[None, (3, 4)], ids=["cells", "patches"])
def grid(request: pytest.FixtureRequest, tmp_path: Path) -> SensorStore:
    cells = write_grid(tmp_path / "cells", 7, 11, channels=2, blank=[(0, 0)])
    return (
        cells if request.param is None else patched_store(cells, request.param, tmp_path / "cache")
    )


def prepare(store: SensorStore) -> tuple[SparseForecaster, Dataset, Tensor]:
    plan = plan_dataset(store, MODEL, targets=["c1", "c0"])
    dataset, layout = make_dataset(store, MODEL, plan), store.manifest.layout
    assert layout is not None
    model = build_forecaster(
        MODEL, dataset.scaler, store.edges, targets=plan.channels.tolist(), seed=0
    )
    return model, dataset, value_ranges(store.readings, plan.train, layout, plan.channels)


def test_a_models_frames_are_put_together_over_all_its_windows(
    grid: SensorStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against the cells themselves, one frame at a time; and batches and ranks do not matter."""
    (model, dataset, ranges), layout = prepare(grid), grid.manifest.layout
    assert layout is not None
    everyone = torch.ones(len(grid.sensors), dtype=torch.bool)
    scores = evaluate_frames(model, dataset.test, everyone, layout, ranges)
    index = torch.arange(len(dataset.test))
    raw = forecast_windows(model, dataset.test, index, torch.arange(len(everyone))).detach()
    # [B · H, C, 7, 11]
    forecast = frames.to_frames(raw, layout).movedim(-1, -3).flatten(0, 1) / ranges[:, None, None]
    first = dataset.test.starts[:, None] + torch.arange(3, 5)
    cells = write_grid(tmp_path / "again", 7, 11, channels=2, blank=[(0, 0)]).readings
    channels = [1, 0]
    truth, observed = (
        torch.from_numpy(np.array(part))[first][..., channels]
        .unflatten(2, (7, 11))
        .movedim(-1, -3)
        .flatten(0, 1)
        for part in (cells.values, cells.observed)
    )
    direct = scored(forecast, truth / ranges[:, None, None], observed)
    assert (scores.ssim, scores.psnr) == (pytest.approx(direct.ssim), pytest.approx(direct.psnr))
    monkeypatch.setattr(frames, "CELLS_AT_ONCE", 1)
    again = evaluate_frames(model, dataset.test, everyone, layout, ranges)
    assert (again.ssim, again.psnr) == (pytest.approx(scores.ssim), pytest.approx(scores.psnr))
    shares = [
        evaluate_frames(model, dataset.test, everyone, layout, ranges, _Rank(rank))
        for rank in (0, 1)
    ]
    total = sum(share.squared for share in shares)
    torch.testing.assert_close(total, scores.squared)


class _Rank(World):
    """One of two ranks, not joined."""

    def __init__(self, rank: int) -> None:
        super().__init__(rank, 2)

    def all_reduce(self, value: Tensor) -> Tensor:
        return value


def test_ranges_are_of_the_training_part_and_of_what_was_observed(grid: SensorStore) -> None:
    layout = grid.manifest.layout
    assert layout is not None
    plan = plan_dataset(grid, MODEL, targets=["c1", "c0"])
    readings, count = grid.readings, 2
    expected = []
    for quantity in (1, 0):
        values, observed = (
            part[plan.train, :, quantity::count] for part in (readings.values, readings.observed)
        )
        expected.append(values[observed].max() - values[observed].min())
    ranges = value_ranges(readings, plan.train, layout, plan.channels)
    assert ranges.tolist() == pytest.approx(expected)
    assert (ranges < 50).all()  # a placeholder 0 of a missing reading would make them larger
    assert ranges.dtype.is_floating_point
