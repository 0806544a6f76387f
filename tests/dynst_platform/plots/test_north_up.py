"""Figures of grids have north at the top and east to the right, in whichever order cells come."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure

from dynst.data.lattice import cell_ids, cell_positions
from dynst.data.patches import patched_store
from dynst.data.sensor_table import Sensors
from dynst.data.store import SensorStore
from dynst_platform.plots import stores
from dynst_platform.plots.grid_view import GridView, grid_view
from dynst_platform.plots.masks import draw_mask, draw_store
from tests.conftest import write_grid

WEST_EAST = np.array([350.0, 355.0, 0.0, 5.0])


def cells(
    folder: Path, lats: np.ndarray, lons: np.ndarray, *, turned: bool = False, bend: float = 0
) -> SensorStore:
    """A grid of latitudes by longitudes, or of longitudes by latitudes."""
    lat, lon = np.meshgrid(lats, lons, indexing="ij")
    lat = lat + bend * np.arange(lat.shape[1])
    lon = (lon + 180) % 360 - 180
    pair = np.stack([lon, lat], axis=-1)
    pair = pair.swapaxes(0, 1) if turned else pair
    height, width = pair.shape[:2]
    sensors = Sensors(cell_ids(height, width), pair.reshape(-1, 2))
    return write_grid(
        folder / "store", height, width, num_steps=30, sensors=sensors, positions="lonlat"
    )


def view_of(store: SensorStore) -> GridView:
    assert store.manifest.layout is not None
    return grid_view(store, store.manifest.layout)


def on_page(axes: Any, mesh: QuadMesh) -> np.ndarray:
    """``[H · W, 2]``: where the middle of each cell is on the page, upwards and to the right."""
    corners = np.asarray(mesh.get_coordinates())
    middle = (corners[1:, 1:] + corners[1:, :-1] + corners[:-1, 1:] + corners[:-1, :-1]) / 4
    return np.asarray(axes.transData.transform(middle.reshape(-1, 2)))


def check_north_up(store: SensorStore, axes: Any, mesh: QuadMesh) -> None:
    """East on the page is east on earth, and so is north."""
    assert store.sensors.positions is not None
    page, earth = on_page(axes, mesh), store.sensors.positions.copy()
    earth[:, 0] = (earth[:, 0] - WEST_EAST[0] + 360) % 360  # degrees east of the western edge
    for axis in (0, 1):
        order = np.sign(np.subtract.outer(earth[:, axis], earth[:, axis]).round(6))
        drawn = np.sign(np.subtract.outer(page[:, axis], page[:, axis]).round(3))
        np.testing.assert_array_equal(drawn, order)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Every figure that is written."""
    figures: list[Figure] = []
    write = Figure.savefig

    def keep(figure: Figure, *args: Any, **options: Any) -> None:
        figures.append(figure)
        write(figure, *args, **options)

    monkeypatch.setattr(Figure, "savefig", keep)
    return figures


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("lons", [WEST_EAST, WEST_EAST[::-1]], ids=["east", "west"])
@pytest.mark.parametrize("lats", [[50.0, 52, 54], [54.0, 52, 50], [50.0, 51, 54]])
def test_store_and_mask_are_north_up(
    tmp_path: Path, drawn: list[Figure], lats: list[float], lons: np.ndarray, turned: bool
) -> None:
    store = cells(tmp_path, np.array(lats), lons, turned=turned)
    draw_store(tmp_path / "store.png", store)
    importance = np.arange(12.0)
    draw_mask(tmp_path / "mask.png", store, np.ones(12, bool), importance, "mask")
    for figure, values in zip(drawn, (stores._means(store), importance), strict=True):
        axes = figure.axes[0]
        mesh = next(part for part in axes.collections if isinstance(part, QuadMesh))
        check_north_up(store, axes, mesh)
        np.testing.assert_array_equal(np.asarray(mesh.get_array()).ravel(), values)
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("longitude", "latitude")


def test_a_bent_grid_is_drawn_where_it_lies(tmp_path: Path, drawn: list[Figure]) -> None:
    store = cells(tmp_path, np.array([50.0, 52, 54]), np.array([4.0, 5, 6]), bend=0.3)
    draw_store(tmp_path / "store.png", store)
    axes = drawn[0].axes[0]
    mesh = next(part for part in axes.collections if isinstance(part, QuadMesh))
    middle = axes.transData.inverted().transform(on_page(axes, mesh))
    np.testing.assert_allclose(middle, store.sensors.positions, atol=1e-6)


@given(
    lats=st.lists(st.integers(-89, 89), min_size=2, max_size=5, unique=True),
    west=st.integers(-180, 179),
    step=st.integers(1, 60),
    count=st.integers(2, 6),
    turned=st.booleans(),
    west_first=st.booleans(),
    up=st.booleans(),
)
@example(  # degrees that count the cells
    lats=[0, 1], west=0, step=1, count=2, turned=False, west_first=True, up=True
)
def test_the_middle_of_a_cell_is_its_place(
    tmp_path_factory: pytest.TempPathFactory,
    lats: list[int],
    west: int,
    step: int,
    count: int,
    turned: bool,
    west_first: bool,
    up: bool,
) -> None:
    """In degrees, whatever the order; north of a cell is never drawn below it."""
    lons = west + step * np.arange(count)
    store = cells(
        tmp_path_factory.mktemp("view"),
        np.array(sorted(lats, reverse=not up), float),
        lons if west_first else lons[::-1],
        turned=turned,
    )
    view = view_of(store)
    assert view.in_degrees
    assert view.y_limits[0] < view.y_limits[1]
    assert view.x_limits[0] < view.x_limits[1]
    positions = store.sensors.positions
    assert positions is not None
    low = np.minimum(view.corners[1:, 1:], view.corners[:-1, :-1]).reshape(-1, 2)
    high = np.maximum(view.corners[1:, 1:], view.corners[:-1, :-1]).reshape(-1, 2)
    turns = np.round((low[:, 0] - positions[:, 0]) / 360)
    for shift in (turns, turns + 1):
        x = positions[:, 0] + 360 * shift
        inside = (low[:, 0] <= x) & (x <= high[:, 0])
        if inside.any():
            break
    assert inside.all()
    assert ((low[:, 1] <= positions[:, 1]) & (positions[:, 1] <= high[:, 1])).all()


def test_patches_lie_where_their_cells_do(tmp_path: Path) -> None:
    store = cells(tmp_path, np.array([50.0, 52, 54, 56, 58]), WEST_EAST, turned=True)
    patches = patched_store(store, (2, 2), tmp_path)
    assert patches.manifest.layout is not None
    np.testing.assert_allclose(
        grid_view(patches, patches.manifest.layout).corners, view_of(store).corners
    )


def test_unsorted_longitudes_are_counted_but_north_up(tmp_path: Path) -> None:
    store = cells(tmp_path, np.array([50.0, 52, 54]), np.array([4.0, 40.0, 20.0]))
    view = view_of(store)
    assert not view.in_degrees
    assert view.y_limits == (-0.5, 2.5)


def test_rows_of_an_image_are_counted_from_the_top(tmp_path: Path) -> None:
    store = write_grid(tmp_path / "store", 3, 4, num_steps=30)
    assert store.sensors.positions is not None
    np.testing.assert_array_equal(store.sensors.positions, cell_positions(3, 4))
    view = view_of(store)
    assert (view.names, view.y_limits) == (("column", "row"), (2.5, -0.5))


def test_a_grid_as_thin_as_a_line_is_drawn(tmp_path: Path, drawn: list[Figure]) -> None:
    store = cells(tmp_path, np.array([50.0]), np.arange(0.0, 60))
    draw_mask(tmp_path / "mask.png", store, np.ones(60, bool), np.ones(60), "thin")
    low, high = drawn[0].axes[0].get_ylim()
    assert high - low == pytest.approx(1)
