"""What is said of a store's times, and how it counts."""

from pathlib import Path

import numpy as np
import pytest

from dynst.data.clock import Clock
from dynst.data.describe import describe_store
from dynst.data.edges import Edges
from dynst.data.manifest import Channel
from dynst.data.sensor_table import Sensors
from dynst.data.store import SensorStore, open_store
from dynst.data.writer import Origin, StoreWriter

START = 1_710_244_800  # 2024-03-12 12:00


def stored(path: Path, time: np.ndarray, clock: Clock, sensors: int = 2) -> SensorStore:
    origin = Origin("a", clock=clock)
    ids = Sensors(tuple(f"s{number}" for number in range(sensors)), None)
    with StoreWriter(path, origin, [Channel(name="t")], ids, Edges.none()) as store:
        store.append(time, np.ones((len(time), sensors, 1)))
    return open_store(path)


@pytest.mark.parametrize(
    ("unit", "lost", "words"),
    [
        ("second", [], "no gap"),
        ("second", [24], "1 gap, 1 step missing, after 2024-03-13 11:00:00"),
        ("second", range(24, 48), "1 gap, 24 steps missing, after 2024-03-13 11:00:00"),
        (
            "second",
            [5, 24, 25],
            "2 gaps, 3 steps missing, the longest gap 2 steps after 2024-03-13 11:00:00",
        ),
        ("month", [4], "1 gap, 1 step missing, after 2020-04"),
    ],
)
def test_a_gap_counts_the_steps_that_are_missing(
    tmp_path: Path, unit: str, lost: list[int], words: str
) -> None:
    steps = np.delete(np.arange(100), list(lost))
    time = 600 + steps if unit == "month" else START + 3600 * steps
    store = stored(tmp_path / "s", time, Clock(unit=unit))
    assert describe_store(store)["time"].endswith(words)


@pytest.mark.parametrize(("sensors", "words"), [(1, "1 sensor × 9"), (2, "2 sensors × 9")])
def test_one_is_not_many(tmp_path: Path, sensors: int, words: str) -> None:
    store = stored(tmp_path / "s", START + 3600 * np.arange(9), Clock(), sensors)
    assert describe_store(store)["size"] == f"{words} steps × 1 channel"
