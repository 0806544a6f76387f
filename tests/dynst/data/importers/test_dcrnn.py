"""Windows of a DCRNN folder unrolled again: the overlap is known, not searched for."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dynst.data.importers.import_store import import_store
from dynst.data.store import open_store
from dynst.errors import DataError

PARTS = ("train", "val", "test")


def write(
    folder: Path, series: np.ndarray, bounds: tuple[int, int], sizes: tuple[int, int]
) -> None:
    """Windows of ``series [N, S]`` of both sizes, split where DCRNN splits them."""
    past, ahead = sizes
    windows = np.lib.stride_tricks.sliding_window_view(series, past + ahead, 0)
    windows = np.moveaxis(windows, -1, 1)[..., None]
    folder.mkdir(exist_ok=True)
    for part, own in zip(PARTS, np.split(windows, bounds), strict=True):
        np.savez(folder / f"{part}.npz", x=own[:, :past], y=own[:, past:])


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), past=st.integers(1, 6), ahead=st.integers(1, 6), zeros=st.booleans())
def test_the_series_comes_back_whatever_repeats_in_it(
    tmp_path_factory: pytest.TempPathFactory,
    data: st.DataObject,
    past: int,
    ahead: int,
    zeros: bool,
) -> None:
    """Also where all sensors are out over a border, so that any overlap would fit."""
    folder = tmp_path_factory.mktemp("dcrnn")
    steps = data.draw(st.integers(past + ahead + 2, 60))
    count = steps - past - ahead + 1
    first = data.draw(st.integers(1, count - 2))
    second = data.draw(st.integers(first + 1, count - 1))
    series = np.random.default_rng(steps).random((steps, 2)).astype(np.float32)
    if zeros:
        series[max(0, first - 4) : second + past + ahead + 4] = 0
    write(folder / "in", series, (first, second), (past, ahead))
    import_store(folder / "in", folder / "store")
    np.testing.assert_array_equal(open_store(folder / "store").readings.values[..., 0], series)


def parts_apart(folder: Path) -> np.ndarray:
    """A series that was split before its windows were cut."""
    series = np.random.default_rng(0).random((60, 2)).astype(np.float32)
    folder.mkdir()
    for part, own in zip(PARTS, np.split(series, [30, 40]), strict=True):
        windows = np.moveaxis(np.lib.stride_tricks.sliding_window_view(own, 6, 0), -1, 1)[..., None]
        np.savez(folder / f"{part}.npz", x=windows[:, :3], y=windows[:, 3:])
    return series


def test_parts_that_share_no_steps_follow_each_other_and_it_is_said(tmp_path: Path) -> None:
    series = parts_apart(tmp_path / "in")
    report = import_store(tmp_path / "in", tmp_path / "store")
    found = open_store(tmp_path / "store").readings.values[..., 0]
    np.testing.assert_array_equal(found, series)
    assert any("share no steps" in text for text in report.assumed)


@pytest.mark.parametrize("change", ["shuffled", "thinned", "y apart"])
def test_windows_that_do_not_follow_each_other_are_refused(tmp_path: Path, change: str) -> None:
    series = np.random.default_rng(0).random((60, 2)).astype(np.float32)
    write(tmp_path / "in", series, (30, 40), (3, 3))
    with np.load(tmp_path / "in" / "train.npz") as archive:
        x, y = archive["x"], archive["y"]
    if change == "shuffled":
        x, y = x[::-1], y[::-1]
    elif change == "thinned":
        x, y = x[::2], y[::2]
    else:
        x, y = x[:-1], y[1:]
    np.savez(tmp_path / "in" / "train.npz", x=x, y=y)
    with pytest.raises(DataError, match="shuffled or thinned"):
        import_store(tmp_path / "in", tmp_path / "store")


def test_one_part_of_another_series_is_refused(tmp_path: Path) -> None:
    series = np.random.default_rng(0).random((60, 2)).astype(np.float32)
    write(tmp_path / "in", series, (30, 40), (3, 3))
    write(tmp_path / "other", series + 1, (30, 40), (3, 3))
    (tmp_path / "other" / "test.npz").replace(tmp_path / "in" / "test.npz")
    with pytest.raises(DataError, match="only some of them overlap"):
        import_store(tmp_path / "in", tmp_path / "store")
