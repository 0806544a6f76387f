"""What the training part says of locations: how far they depart from their season.

Also which of them depart together.
"""

import pytest
import torch

from dynst.data.anomalies import anomalies, leading_modes
from dynst.data.scaler import SEASONS, SeasonalScaler
from dynst.data.series import Series
from dynst.data.windows import Windows

N, S = 60, 6


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def windows(values: torch.Tensor, observed: torch.Tensor, targets: list[int], rows: int) -> Windows:
    series = Series(
        torch.arange(len(values)), values * observed, observed, torch.zeros(len(values), 6)
    )
    return Windows(series, torch.arange(rows - 4), 3, 2, torch.tensor(targets))


def test_only_rows_of_the_training_windows_count() -> None:
    values = noise(N, S, 1)
    train = windows(values, torch.ones_like(values, dtype=torch.bool), [0], rows=40)
    later = values.clone()
    later[40:] = 1e6
    found = anomalies(
        windows(later, train.series.observed, [0], rows=40), SeasonalScaler(SEASONS["none"], S, 1)
    )
    assert torch.equal(found.by_location(), values[:40, :, 0])


def test_a_patch_departs_as_the_mean_of_its_observed_cells() -> None:
    """By hand: two cells of one quantity; the second is missing in the first row."""
    values = torch.tensor([[[2.0, 9.0]], [[1.0, 3.0]], [[0.0, 0.0]], [[0.0, 0.0]], [[0.0, 0.0]]])
    observed = torch.ones_like(values, dtype=torch.bool)
    observed[0, 0, 1] = False
    scaler = SeasonalScaler(SEASONS["none"], 1, 2)
    scaler.quantity.zero_()
    assert anomalies(windows(values, observed, [0, 1], rows=5), scaler).by_location()[
        :2, 0
    ].tolist() == [2.0, 2.0]


def test_the_spread_is_in_the_unit_of_the_channel() -> None:
    values = noise(N, S, 1)
    scaler = SeasonalScaler(SEASONS["none"], S, 1)
    scaler.scale.copy_(torch.arange(S)[:, None] * 1.0)
    found = anomalies(
        windows(values, torch.ones_like(values, dtype=torch.bool), [0], rows=N), scaler
    )
    assert found.spread().tolist() == pytest.approx(
        (values[:, :, 0].std(0, correction=0) * torch.arange(S)).tolist(), rel=1e-5
    )


def test_products_of_modes_are_correlations() -> None:
    anomaly = noise(500, 2) @ noise(2, S, seed=1)  # two modes explain everything
    coordinates = leading_modes(anomaly, 4)
    assert coordinates.shape == (S, 4)
    torch.testing.assert_close(
        coordinates @ coordinates.T, torch.corrcoef(anomaly.T), rtol=0, atol=1e-4
    )


def test_modes_do_not_depend_on_chance() -> None:
    anomaly = noise(50, S)
    torch.manual_seed(1)
    one = leading_modes(anomaly, 3)
    torch.manual_seed(2)
    assert torch.equal(one, leading_modes(anomaly, 3))


def test_a_location_that_never_varies_stands_nowhere() -> None:
    anomaly = noise(50, S)
    anomaly[:, 2] = 7.0
    coordinates = leading_modes(anomaly, 3)
    assert coordinates.isfinite().all()
    assert (coordinates[2] == 0).all()
    torch.testing.assert_close(coordinates.norm(dim=1)[torch.arange(S) != 2], torch.ones(S - 1))


@pytest.mark.parametrize("size", [1, 3, 40])
@pytest.mark.parametrize("steps", [2, 50])
def test_any_number_of_modes_may_be_asked_for(size: int, steps: int) -> None:
    assert leading_modes(noise(steps, S), size).shape == (S, size)
