"""The panels of a store's figure lie beside each other, and dates are those of its clock."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import num2date
from matplotlib.figure import Figure

from dynst.data.clock import COUNTED, Clock
from dynst.data.edges import Edges
from dynst.data.manifest import Channel, Grid
from dynst.data.sensor_table import Sensors
from dynst.data.store import SensorStore, open_store
from dynst.data.writer import Origin, StoreWriter
from dynst_platform.plots.stores import draw_store

START = 1_704_067_200  # 2024-01-01


def network(
    path: Path, count: int, time: np.ndarray, clock: Clock, name: str = "s{}"
) -> SensorStore:
    rng = np.random.default_rng(count)
    positions = rng.uniform((6, 47), (15, 55), (count, 2))
    sensors = Sensors(tuple(name.format(number) for number in range(count)), positions)
    origin = Origin("a network", positions="lonlat", clock=clock)
    with StoreWriter(path, origin, [Channel(name="t")], sensors, Edges.none()) as store:
        store.append(time, rng.normal(size=(len(time), count, 1)))
    return open_store(path)


def figure_of(store: SensorStore, path: Path, monkeypatch: pytest.MonkeyPatch) -> Figure:
    figures: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: figures.append(figure))
    draw_store(path, store)
    figure = figures[0]
    FigureCanvasAgg(figure).draw()
    return figure


@pytest.mark.parametrize("count", [7, 200, 10_000])
def test_panels_lie_beside_each_other(
    tmp_path: Path, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "a station of a very long name, number {}"
    time = START + 900 * np.arange(60)
    store = network(tmp_path / "store", count, time, Clock(zone="UTC"), name)
    figure = figure_of(store, tmp_path / "a.png", monkeypatch)
    boxes = [axes.get_tightbbox() for axes in figure.axes]
    page = figure.bbox
    for one, box in enumerate(boxes):
        assert box is not None
        assert box.x0 >= page.x0 - 1
        assert box.x1 <= page.x1 + 1
        for other in boxes[one + 1 :]:
            assert other is not None
            apart = box.x1 <= other.x0 + 1 or other.x1 <= box.x0 + 1
            assert apart or box.y1 <= other.y0 + 1 or other.y1 <= box.y0 + 1


@pytest.mark.parametrize(
    ("step", "steps"),
    [
        (60, 90),
        (900, 200),
        (900, 2000),
        (1260, 2000),
        (3600, 1500),
        (86_400, 900),
        (7 * 86_400, 300),
    ],
)
@pytest.mark.parametrize("start", [0, 19 * 86_400, 50 * 86_400])
def test_dates_do_not_overlap(
    tmp_path: Path, step: int, steps: int, start: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = START + start + step * np.arange(steps)
    store = network(tmp_path / "store", 3, time, Clock(zone="UTC"))
    figure = figure_of(store, tmp_path / "a.png", monkeypatch)
    for axes in figure.axes[1:3]:
        labels = [label for label in axes.get_xticklabels() if label.get_text()]
        boxes = [label.get_window_extent() for label in labels]
        assert 2 <= len(boxes) <= 9
        assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


def test_times_are_those_of_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    time = START + 3600 * np.arange(48)
    store = network(tmp_path / "store", 3, time, Clock(zone="Asia/Tokyo"))
    axes = figure_of(store, tmp_path / "a.png", monkeypatch).axes[1]
    shown = np.asarray(axes.lines[0].get_xdata(orig=False), float)
    assert num2date(shown[0]).replace(tzinfo=None).isoformat() == "2024-01-01T09:00:00"
    assert "Asia/Tokyo" in axes.get_xlabel()


@pytest.mark.parametrize(
    ("clock", "time", "label"),
    [
        (Clock(unit="month"), 600 + np.arange(48), "2021"),
        (Clock(calendar="360_day"), 86_400 * (30 + np.arange(200)), "1970-04-"),
        (COUNTED, np.arange(60), "30"),
    ],
)
def test_months_counts_and_other_calendars_have_labels(
    tmp_path: Path, clock: Clock, time: np.ndarray, label: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = network(tmp_path / "store", 3, time, clock)
    axes = figure_of(store, tmp_path / "a.png", monkeypatch).axes[1]
    texts = [text.get_text() for text in axes.get_xticklabels()]
    assert any(text.startswith(label) for text in texts), texts


def plain_store(path: Path, count: int, grid: Grid | None = None, unseen: int = 0) -> SensorStore:
    """A network without places, whose first ``unseen`` sensors have no reading."""
    values = np.ones((48, count, 1))
    values[:, :unseen] = np.nan
    sensors = Sensors(tuple(f"s{number}" for number in range(count)), None)
    origin = Origin("a network", grid=grid, clock=Clock())
    with StoreWriter(path, origin, [Channel(name="t")], sensors, Edges.none()) as store:
        store.append(START + 78 * 86_400 + 86_400 * np.arange(48), values)
    return open_store(path)


@pytest.mark.parametrize(("count", "named"), [(6, True), (31, False)])
def test_few_sensors_have_names_and_unknown_places_are_said(
    tmp_path: Path, count: int, named: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = plain_store(tmp_path / "s", count)
    texts = [text.get_text() for text in figure_of(store, tmp_path, monkeypatch).axes[0].texts]
    assert "places unknown: sensors in their order" in texts
    assert ("s5" in texts) == named


def test_known_places_are_not_called_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = network(tmp_path / "s", 5, START + 3600 * np.arange(48), Clock())
    texts = [text.get_text() for text in figure_of(store, tmp_path, monkeypatch).axes[0].texts]
    assert sorted(texts) == [f"s{number}" for number in range(5)]


def test_series_are_those_of_sensors_with_readings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = plain_store(tmp_path / "s", 20, Grid(height=4, width=5), unseen=3)
    legend = figure_of(store, tmp_path, monkeypatch).axes[1].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["s3", "s8", "s13", "s19"]


def test_the_first_date_names_its_month(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = plain_store(tmp_path / "s", 3)
    axes = figure_of(store, tmp_path, monkeypatch).axes[1]
    labels = [label.get_text() for label in axes.get_xticklabels() if label.get_text()]
    assert "2024-Mar" in labels[0]
    assert axes.xaxis.get_offset_text().get_text() == ""
