"""Costs, groups and marks: replaced in a store that exists, beside data that stay as they were."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dynst.data import store as stores
from dynst.data.decisions import replace_decisions
from dynst.data.store import SENSORS, SensorStore, open_store
from dynst.errors import DataError
from tests.conftest import write_network
from tests.damage import as_of_version


@pytest.fixture
def store(network: SensorStore, tmp_path: Path) -> SensorStore:
    return open_store(shutil.copytree(network.path, tmp_path / "store"))


def dearer(store: SensorStore, factor: float = 2.0) -> SensorStore:
    return replace_decisions(store.path, replace(store.sensors, cost=factor * store.sensors.cost))


def test_new_costs_leave_the_digest(store: SensorStore) -> None:
    pinned = np.arange(8) == 3
    sensors = replace(store.sensors, pinned=pinned, group=("x", "x", *[""] * 6))
    now = replace_decisions(store.path, replace(sensors, cost=np.arange(8.0)))
    assert now.sensors.cost.tolist() == list(range(8))
    assert (now.sensors.group[:3], now.sensors.pinned.tolist()) == (("x", "x", ""), pinned.tolist())
    assert now.manifest.digest == store.manifest.digest
    assert now.decisions_digest != store.decisions_digest
    names = {path.name for path in store.path.iterdir()}
    assert names == {*now.manifest.files, "manifest.json"}, "the old file is gone"
    assert now.manifest.decisions != store.manifest.decisions


def test_a_warm_up_depends_on_marks_and_not_on_costs(store: SensorStore) -> None:
    assert dearer(store).marks_digest == store.marks_digest
    marked = replace(store.sensors, excluded=np.arange(8) == 1)
    assert replace_decisions(store.path, marked).marks_digest != store.marks_digest


def test_the_same_decisions_change_nothing(store: SensorStore) -> None:
    assert replace_decisions(store.path, store.sensors).manifest == store.manifest


def test_an_earlier_store_keeps_its_digest_and_the_table_that_it_covers(
    store: SensorStore,
) -> None:
    as_of_version(2, store.path)
    old = open_store(store.path)
    table = (store.path / SENSORS).read_bytes()
    assert (old.decisions_digest, old.marks_digest) == ("", "")
    now = dearer(old)
    assert now.sensors.cost.tolist() == [2.0] * 8
    assert (now.manifest.digest, now.manifest.digest_version) == (old.manifest.digest, 1)
    assert (store.path / SENSORS).read_bytes() == table
    assert now.decisions_digest
    assert dearer(now).sensors.cost.tolist() == [4.0] * 8


def test_other_sensors_are_refused(store: SensorStore, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="must be of the 8 sensors"):
        replace_decisions(store.path, write_network(tmp_path / "few", num_sensors=5).sensors)


def test_a_write_that_fails_leaves_the_store_as_it_was(
    store: SensorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("dynst.data.decisions.write_manifest", full)
    with pytest.raises(OSError, match="No space"):
        dearer(store)
    assert open_store(store.path).sensors.cost.tolist() == [1.0] * 8


def test_a_reader_between_two_decisions_gets_the_new_ones(
    store: SensorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has read the manifest, and the file that this names is gone."""
    original, calls = stores.parse_manifest, list[bytes]()

    def interrupted(content: bytes, file: Path) -> object:
        calls.append(content)
        if len(calls) == 1:
            dearer(store)
        return original(content, file)

    monkeypatch.setattr(stores, "parse_manifest", interrupted)
    assert open_store(store.path).sensors.cost.tolist() == [2.0] * 8
