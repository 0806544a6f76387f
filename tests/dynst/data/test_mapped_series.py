"""A series that stays in its file gives the batches of one in memory, and reads no more than it is
asked for.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dynst.data.mapped_series import MappedSeries
from dynst.data.scaler import SEASONS, SeasonalScaler, fit_scaler
from dynst.data.series import make_series
from dynst.data.store import Readings
from dynst.data.windows import split_windows
from dynst.training.sampler import epoch_batches
from dynst.training.step_shares import StepShares
from tests.dynst.data.test_windows import FIELDS, random_readings


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("season", ["none", "day"])
def test_a_mapped_series_gives_the_same_batches(season: str, missing: float, channels: int) -> None:
    readings = random_readings(0, 160, 5, channels, missing, gap=True)
    for part in vars(readings).values():
        part.flags.writeable = False  # as those of a store
    step = replace(SEASONS[season], step=600) if season == "day" else SEASONS[season]
    scaler = fit_scaler(readings, step, slice(0, 90))
    targets = [channels - 1, 0] if channels > 1 else [0]
    resident, mapped = (
        split_windows(series, slice(0, 160), 4, 3, targets)
        for series in (make_series(readings, scaler), MappedSeries(readings, scaler))
    )
    index, rows = torch.tensor([7, 0, 33, 32]), torch.tensor([[3, 159], [0, 41]])
    for locations in (None, torch.tensor([1, 4])):
        for sensors in (torch.arange(5), torch.tensor([4, 1]), torch.tensor([], dtype=torch.long)):
            batches = [each.batch(index, sensors, locations) for each in (mapped, resident)]
            for name in FIELDS:
                found, expected = (getattr(batch, name) for batch in batches)
                torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
        counts = [each.num_observed(index, locations) for each in (mapped, resident)]
        assert torch.equal(*counts)
    picked = [each.series.at(rows, each.targets) for each in (mapped, resident)]
    for found, expected in zip(*picked, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


class Noting(np.ndarray):
    """Notes which of its rows were read."""

    rows: set[int]

    def __getitem__(self, key: object) -> np.ndarray:
        self.rows.update(range(*key.indices(len(self))) if isinstance(key, slice) else key.tolist())
        return np.asarray(self)[key]


def noting(values: np.ndarray) -> Noting:
    seen = values.view(Noting)
    seen.rows = set()
    return seen


def test_a_worker_reads_its_own_stretch_of_time_alone() -> None:
    plain, stretches = random_readings(0, 200, 4, 1, 0.1), []
    for rank in range(2):
        values, observed = noting(plain.values), noting(plain.observed)
        series = MappedSeries(
            Readings(plain.time, values, observed), SeasonalScaler(SEASONS["none"], 4, 1)
        )
        assert not values.rows, "nothing is read before a batch is asked for"
        windows = split_windows(series, slice(0, 200), 4, 3, [0])
        shares = StepShares(2, (rank,))
        for (index,) in epoch_batches(len(windows), 10, 7, 0, shares, "time"):
            windows.batch(index, torch.tensor([0, 2]))
        assert values.rows == observed.rows
        stretches.append(values.rows)
    first, second = stretches
    assert len(first & second) == 6, "what a window at the border has of both"
    assert first | second == set(range(200))


def test_it_has_no_room_on_a_device() -> None:
    readings = random_readings(0, 20, 4, 1, 0.0)
    series = MappedSeries(readings, SeasonalScaler(SEASONS["none"], 4, 1))
    assert series.on(torch.device("meta")) is series
    assert (series.num_bytes, series.num_sensors) == (0, 4)
