from pathlib import Path

import numpy as np
import pytest

from dynst.data.store import SensorStore, open_store
from dynst.data.synthetic import Field, write_synthetic_field
from dynst.errors import DataError

DAYS = 40


def written(path: Path, **settings: object) -> SensorStore:
    write_synthetic_field(path, 100, 24 * DAYS, **settings)  # type: ignore[arg-type]
    return open_store(path)


@pytest.fixture(scope="module", params=["graph", "grid"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> SensorStore:
    return written(tmp_path_factory.mktemp("synthetic") / "store", kind=request.param)


def series(store: SensorStore) -> np.ndarray:
    """``[N, S]``, NaN where nothing was observed."""
    return np.where(store.readings.observed, store.readings.values, np.nan)[..., 0]


def test_same_seed_same_store_whatever_the_blocks(tmp_path: Path) -> None:
    digests = {
        written(tmp_path / str(size), block_steps=size).manifest.digest for size in (7, 100, 10_000)
    }
    assert len(digests) == 1


def test_another_seed_is_another_network(tmp_path: Path) -> None:
    one, other = (written(tmp_path / str(seed), seed=seed) for seed in (1, 2))
    assert not np.array_equal(one.sensors.positions, other.sensors.positions)
    assert not np.array_equal(one.readings.values, other.readings.values)


def test_it_says_what_it_measures_and_where(store: SensorStore) -> None:
    assert store.manifest.positions == "plane"
    assert [(channel.name, channel.unit) for channel in store.manifest.channels] == [
        ("fine_dust", "µg/m³")
    ]
    assert store.manifest.num_steps == 24 * DAYS


def test_every_day_has_the_same_shape(store: SensorStore) -> None:
    network = np.nanmean(series(store), axis=1)
    hours = network.reshape(DAYS, 24).mean(0)
    assert 5 < hours.max() - hours.min() < 50
    assert hours[6] > hours[18]


def test_without_a_cycle_there_is_none(tmp_path: Path) -> None:
    flat = np.nanmean(series(written(tmp_path / "flat", field=Field(cycle=0))), axis=1).reshape(
        DAYS, 24
    )
    waved = np.nanmean(series(written(tmp_path / "waved")), axis=1).reshape(DAYS, 24)
    assert np.ptp(flat.mean(0)) < 0.3 * np.ptp(waved.mean(0))


def test_sensors_fail_for_a_while(store: SensorStore) -> None:
    out = ~store.readings.observed[..., 0]
    assert 0.01 < out.mean() < 0.04
    begins = (out[1:] & ~out[:-1]).sum()
    assert 6 < out[1:].sum() / begins < 24  # steps in a row; chance alone would give one


def test_neighbours_tell_more_of_each_other_than_far_sensors(store: SensorStore) -> None:
    values = series(store)
    left = values - np.nanmean(values, axis=1, keepdims=True)
    alike = np.ma.corrcoef(np.ma.masked_invalid(left), rowvar=False).filled(0)
    near = alike[store.edges.source, store.edges.target].mean()
    assert near > np.median(alike) + 0.3


def test_a_grid_is_as_square_as_it_can_be(tmp_path: Path) -> None:
    write_synthetic_field(tmp_path / "grid", 12, 3, kind="grid")
    store = open_store(tmp_path / "grid")
    assert store.sensors.positions is not None
    assert [len(np.unique(axis)) for axis in store.sensors.positions.T] == [4, 3]
    assert store.manifest.num_edges == 2 * (3 * 3 + 2 * 4 + 2 * 6)


def test_too_small_a_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at least 4 sensors, but got 3"):
        write_synthetic_field(tmp_path / "s", 3, 10)
