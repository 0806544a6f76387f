"""Patches of a grid as sensors, and the way back to frames."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dynst.data.decisions import replace_decisions
from dynst.data.describe import describe_store
from dynst.data.manifest import Channel, Grid, Patching
from dynst.data.patches import cells_of, patch_channels, patched_store, to_frames, to_patches
from dynst.data.sensor_table import Sensors
from dynst.data.series import make_series
from dynst.data.store import SensorStore
from dynst.errors import ConfigError, DataError
from dynst.experiment.dataset import make_dataset, plan_dataset
from dynst.models.factory import ModelConfig
from tests.conftest import write_grid, write_network


def whole(height: int, width: int, rows: int, columns: int, channels: int = 1) -> Patching:
    names = tuple(Channel(name=f"c{index}") for index in range(channels))
    patching = Patching(
        grid=Grid(height=height, width=width),
        rows=rows,
        columns=columns,
        channels=names,
        places=(0,),
    )
    return patching.model_copy(
        update={"places": tuple(range(patching.lattice.height * patching.lattice.width))}
    )


@pytest.fixture
def cells(tmp_path: Path) -> SensorStore:
    """5 × 7 cells of two channels.

    No cell of the first 2 × 3 patch is ever observed, nor is cell (2, 6).
    """
    return write_grid(
        tmp_path / "cells",
        5,
        7,
        channels=2,
        blank=[(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 6)],
    )


SIDES = st.integers(1, 9)


@given(SIDES, SIDES, SIDES, SIDES, st.integers(1, 3), st.lists(st.integers(1, 3), max_size=2))
def test_frames_come_back_from_their_patches(
    height: int, width: int, rows: int, columns: int, channels: int, batch: list[int]
) -> None:
    patching = whole(height, width, min(rows, height), min(columns, width), channels)
    frames = torch.randn(*batch, height, width, channels)
    morphed = to_patches(frames.flatten(-3, -2), patching, fill=torch.inf)
    assert morphed.isinf().sum() == morphed.numel() - frames.numel()
    assert torch.equal(to_frames(morphed, patching), frames)


def test_which_cells_a_patch_holds() -> None:
    """A 3 × 5 grid in 2 × 2 patches, by hand."""
    assert cells_of(whole(3, 5, 2, 2)).tolist() == [
        [0, 1, 5, 6],
        [2, 3, 7, 8],
        [4, -1, 9, -1],
        [10, 11, -1, -1],
        [12, 13, -1, -1],
        [14, -1, -1, -1],
    ]


def test_a_cell_of_no_patch_is_filled() -> None:
    patching = whole(2, 4, 2, 2).model_copy(update={"places": (1,)})
    frame = to_frames(torch.arange(4.0)[None], patching, fill=-1)[..., 0]
    assert frame.tolist() == [[-1, -1, 0, 1], [-1, -1, 2, 3]]


def test_channels_of_a_patch_say_their_cell_and_quantity() -> None:
    assert [channel.name for channel in patch_channels(whole(4, 4, 1, 2, channels=2))] == [
        "c0[0,0]",
        "c1[0,0]",
        "c0[0,1]",
        "c1[0,1]",
    ]
    assert [channel.name for channel in patch_channels(whole(4, 4, 1, 1))] == ["c0"]


def test_patches_without_any_reading_are_no_sensors(cells: SensorStore, tmp_path: Path) -> None:
    store = patched_store(cells, (2, 3), tmp_path / "cache")
    assert store.sensors.ids == ("r0c1", "r0c2", "r1c0", "r1c1", "r1c2", "r2c0", "r2c1", "r2c2")
    assert store.manifest.patching is not None
    assert store.manifest.patching.places == (1, 2, 3, 4, 5, 6, 7, 8)
    assert (store.manifest.grid, len(store.channel_names)) == (None, 12)


def test_readings_and_masks_are_those_of_the_cells(cells: SensorStore, tmp_path: Path) -> None:
    store = patched_store(cells, (2, 3), tmp_path / "cache")
    patching = store.manifest.patching
    assert patching is not None
    for name in ("values", "observed"):
        original = torch.from_numpy(np.array(getattr(cells.readings, name))).unflatten(1, (5, 7))
        back = to_frames(
            torch.from_numpy(np.array(getattr(store.readings, name))), patching, fill=0
        )
        assert torch.equal(back, original)
    assert (
        store.readings.observed.sum() == cells.readings.observed.sum()
    )  # padding is never observed
    assert np.array_equal(store.readings.time, cells.readings.time)


def test_a_patched_store_describes_itself(cells: SensorStore, tmp_path: Path) -> None:
    facts = describe_store(patched_store(cells, (2, 3), tmp_path / "cache"))
    assert facts["grid"] == "5 rows × 7 columns in patches of 2 × 3 cells, 8 of 9 with data"


def test_edges_join_the_eight_neighbours_that_are_sensors(
    cells: SensorStore, tmp_path: Path
) -> None:
    store = patched_store(cells, (2, 3), tmp_path / "cache")
    ids, edges = store.sensors.ids, store.edges
    heard_by = {
        ids[source]
        for source, target in zip(edges.source, edges.target, strict=True)
        if ids[target] == "r1c1"
    }
    assert heard_by == set(ids) - {"r1c1"}
    weight = dict(
        zip(
            zip(edges.source.tolist(), edges.target.tolist(), strict=True),
            edges.weight.tolist(),
            strict=True,
        )
    )
    assert (
        weight[ids.index("r1c0"), ids.index("r1c1")],
        weight[ids.index("r0c1"), ids.index("r1c0")],
    ) == (1.0, 0.5)


def test_costs_constraints_groups_and_places(tmp_path: Path) -> None:
    """2 × 3 cells in 2 × 2 patches: cells 0, 1, 3, 4 and cells 2, 5; cell 1 is never observed."""
    sensors = Sensors(
        ids=tuple("abcdef"),
        positions=np.array([[0, 0], [1, 0], [2, 0], [0, 1], [1, 1], [2, 1]], float),
        cost=np.array([1.0, 2, 4, 8, 16, 32]),
        group=("sea", "land", "sea", "sea", "sea", "coast"),
        pinned=np.array([False, True, False, False, True, False]),
        excluded=np.array([False, False, True, False, False, True]),
    )
    cells = write_grid(tmp_path / "cells", 2, 3, blank=[(0, 1)], sensors=sensors)
    of = patched_store(cells, (2, 2), tmp_path / "cache").sensors
    assert of.cost.tolist() == [25, 36]
    assert of.group == ("sea", "")
    assert of.pinned.tolist() == [True, False]
    assert of.excluded.tolist() == [False, True]
    assert of.positions is not None
    assert of.positions.tolist() == [[0.5, 0.5], [2, 0.5]]


def test_positions_do_not_jump_at_the_date_line(tmp_path: Path) -> None:
    sensors = Sensors(("a", "b"), np.array([[179.0, 10], [-179, 20]]))
    cells = write_grid(tmp_path / "cells", 1, 2, sensors=sensors, positions="lonlat")
    of = patched_store(cells, (1, 2), tmp_path / "cache").sensors
    assert of.positions is not None
    assert of.positions.tolist() == [[-180, 15]]


def test_patches_of_one_cell_leave_out_cells_without_data(
    cells: SensorStore, tmp_path: Path
) -> None:
    store = patched_store(cells, (1, 1), tmp_path / "cache")
    assert len(store.sensors) == 35 - 7
    assert store.channel_names == cells.channel_names


def test_a_store_is_derived_once_and_again_after_its_cells_changed(
    cells: SensorStore, tmp_path: Path
) -> None:
    first = patched_store(cells, (2, 3), tmp_path / "cache")
    written = (first.path / "readings.arrow").stat().st_mtime_ns
    again = patched_store(cells, (2, 3), tmp_path / "cache")
    assert (again.path, (again.path / "readings.arrow").stat().st_mtime_ns) == (first.path, written)
    other = write_grid(tmp_path / "other", 5, 7, channels=2, seed=1)
    paths = {
        first.path,
        patched_store(cells, (3, 2), tmp_path / "cache").path,
        patched_store(other, (2, 3), tmp_path / "cache").path,
    }
    assert len(paths) == 3
    priced = Sensors(cells.sensors.ids, cells.sensors.positions, cost=np.full(35, 2.0))
    again = patched_store(replace_decisions(cells.path, priced), (2, 3), tmp_path / "cache")
    assert again.path not in paths
    assert again.manifest.digest == first.manifest.digest
    assert again.sensors.cost.sum() == 2 * first.sensors.cost.sum()


def test_several_at_once_agree(cells: SensorStore, tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: patched_store(cells, (2, 2), tmp_path / "cache"), range(8)))
    assert len({store.path for store in found}) == 1
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [found[0].path.name]


def test_a_place_that_cannot_be_written_is_said_in_a_sentence(
    cells: SensorStore, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        patched_store(cells, (2, 2), tmp_path / "file")


@pytest.mark.parametrize(
    ("size", "text"),
    [((6, 1), "at most the grid's 5 × 7 cells, but got 6 × 1"), ((1, 8), "but got 1 × 8")],
)
def test_a_patch_larger_than_the_grid_is_refused(
    cells: SensorStore, tmp_path: Path, size: tuple[int, int], text: str
) -> None:
    with pytest.raises(ConfigError, match=text):
        patched_store(cells, size, tmp_path / "cache")


def test_a_network_without_a_grid_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"data\.patch must be left out for a network without a grid"
    ):
        patched_store(write_network(tmp_path / "network"), (2, 2), tmp_path / "cache")


def test_targets_are_named_by_what_a_cell_measures(cells: SensorStore, tmp_path: Path) -> None:
    store, model = (
        patched_store(cells, (2, 2), tmp_path / "cache"),
        ModelConfig(window=2, horizon=1),
    )
    assert plan_dataset(store, model).channels.tolist() == [0, 2, 4, 6]
    assert plan_dataset(store, model, targets=["c1"]).channels.tolist() == [1, 3, 5, 7]
    assert plan_dataset(store, model, targets=["c1", "c0"]).channels.tolist() == [
        1,
        0,
        3,
        2,
        5,
        4,
        7,
        6,
    ]
    with pytest.raises(ConfigError, match=r"channels of the store \(c0, c1\), but got 'c2'"):
        plan_dataset(store, model, targets=["c2"])


def test_patches_hold_the_scaled_series_of_their_cells(cells: SensorStore, tmp_path: Path) -> None:
    """The scaler sees every cell of a patch on its own."""
    model = ModelConfig(window=2, horizon=1)
    store = patched_store(cells, (2, 2), tmp_path / "cache")
    assert store.manifest.patching is not None
    scaler = make_dataset(store, model).scaler
    back = to_frames(make_series(store.readings, scaler).values, store.manifest.patching)
    own = make_series(cells.readings, make_dataset(cells, model).scaler).values.unflatten(1, (5, 7))
    seen = torch.from_numpy(np.array(cells.readings.observed)).unflatten(1, (5, 7))
    torch.testing.assert_close(back[seen], own[seen])
