"""A store that does not hold what was written, and what its manifest says of it, does not open."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dynst.data import verification, verified
from dynst.data.answers import answer_questions
from dynst.data.clock import Clock
from dynst.data.edges import Edges
from dynst.data.manifest import Channel
from dynst.data.manifest_file import read_manifest, write_manifest
from dynst.data.sensor_table import Sensors
from dynst.data.store import EDGES, READINGS, SENSORS, SensorStore, open_store
from dynst.data.writer import Origin, StoreWriter
from dynst.errors import DataError
from tests.damage import (
    CONTENT,
    LABELS,
    TODAY,
    Damage,
    as_of_version,
    by_name,
    costing,
    edited,
    listed_anew,
)

OLD_LABELS = LABELS | {"other step": edited(step=1800)}


@pytest.fixture(autouse=True)
def own_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What other tests have verified counts no more, and files that were just written may be
    remembered.
    """
    monkeypatch.setattr(verified, "_IN_THIS_PROCESS", set())
    monkeypatch.setattr(verified, "RECENT", -1e9)


@pytest.fixture
def store(network: SensorStore, tmp_path: Path) -> Path:
    return Path(shutil.copytree(network.path, tmp_path / "store"))


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is read to verify it."""
    read: list[str] = []

    def counted(name: str) -> Callable[..., object]:
        original = getattr(verification, name)

        def call(first: object, *rest: object) -> object:
            read.append(getattr(first, "name", name) if name == "stored_file" else name)
            return original(first, *rest)

        return call

    for name in ("stored_file", "_check_block"):
        monkeypatch.setattr(verification, name, counted(name))
    return read


@pytest.mark.parametrize("damage", by_name(CONTENT | LABELS | TODAY))
def test_what_is_not_what_was_written_is_refused(store: Path, damage: Damage) -> None:
    open_store(store)
    damage(store)
    with pytest.raises(DataError, match=r"import the data again|put the old file back"):
        open_store(store)


@pytest.mark.parametrize("damage", by_name(CONTENT))
def test_a_list_of_files_that_was_written_anew_does_not_help(store: Path, damage: Damage) -> None:
    damage(store)
    listed_anew(store)
    with pytest.raises(DataError):
        open_store(store)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("damage", by_name(CONTENT | OLD_LABELS))
def test_an_earlier_store_is_verified_by_its_own_rule(
    store: Path, version: int, damage: Damage
) -> None:
    today = open_store(store)
    as_of_version(version, store)
    old = open_store(store)
    assert old.manifest.digest != today.manifest.digest
    assert old.has_content(today.manifest.digest)
    assert today.has_content(old.manifest.digest)
    assert (old.readings.values == today.readings.values).all()
    assert old.sensors.ids == today.sensors.ids
    if version == 1 and damage is OLD_LABELS["other step"]:
        damage = edited(step_seconds=1800)
    damage(store)
    with pytest.raises(DataError):
        open_store(store)


def test_the_cost_of_an_earlier_store_is_in_its_digest(store: Path) -> None:
    as_of_version(2, store)
    costing(2.0)(store)
    with pytest.raises(DataError, match="does not hold what was imported"):
        open_store(store)


def test_the_damaged_file_is_named_with_the_remedy(store: Path) -> None:
    TODAY["bit in readings.arrow at 60%"](store)
    with pytest.raises(DataError) as refused:
        open_store(store)
    assert str(refused.value).startswith(f"{store / READINGS} does not hold what the import wrote")
    assert "import the data again or, where the folder is a copy" in str(refused.value)


def test_what_was_verified_is_not_read_again(
    store: Path, tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    open_store(store, memory=tmp_path / "memory")
    assert {READINGS, SENSORS, EDGES, "_check_block"} < set(reads)
    for forgets in (False, True):  # by this process, then by another one of this home
        if forgets:
            monkeypatch.setattr(verified, "_IN_THIS_PROCESS", set())
        reads.clear()
        open_store(store, memory=tmp_path / "memory")
        assert reads == []
    open_store(store, memory=tmp_path / "memory", anew=True)
    assert {READINGS, "_check_block"} < set(reads)
    monkeypatch.setattr(verified, "_IN_THIS_PROCESS", set())
    reads.clear()
    open_store(store)
    assert {READINGS, "_check_block"} < set(reads), "another process without that memory"


def test_a_change_that_keeps_size_and_time_is_seen(store: Path, tmp_path: Path) -> None:
    open_store(store, memory=tmp_path / "memory")
    before = (store / READINGS).stat()
    TODAY["bit in readings.arrow at 60%"](store)
    os.utime(store / READINGS, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(DataError, match="does not hold what the import wrote"):
        open_store(store, memory=tmp_path / "memory")


def test_a_file_that_only_just_changed_is_not_remembered(
    store: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verified, "RECENT", 1e9)
    open_store(store)
    reads.clear()
    open_store(store)
    assert READINGS in reads


def test_a_file_from_the_future_is_not_remembered(
    store: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a clock that was put back: it may change again at the time that it has now."""
    monkeypatch.setattr(verified, "RECENT", 2.0)
    monkeypatch.setattr(verified.time, "time", lambda: (store / READINGS).stat().st_mtime - 1e8)
    open_store(store)
    reads.clear()
    open_store(store)
    assert READINGS in reads


def test_a_copy_is_read_again_but_its_content_is_known(
    store: Path, tmp_path: Path, reads: list[str]
) -> None:
    open_store(store)
    reads.clear()
    open_store(shutil.copytree(store, tmp_path / "copy"))
    assert READINGS in reads
    assert "_check_block" not in reads


def test_a_memory_that_cannot_be_written_costs_nothing_but_time(
    store: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    assert len(open_store(store, memory=tmp_path / "file").sensors) == 8
    assert len(open_store(store, memory=tmp_path / "nowhere" / "memory").sensors) == 8
    assert not (tmp_path / "nowhere").exists()


def test_an_answer_to_an_earlier_store_keeps_its_digest_and_rule(store: Path) -> None:
    as_of_version(2, store)
    before = open_store(store).manifest
    after = answer_questions(store).manifest
    assert (after.digest, after.digest_version) == (before.digest, 1)
    assert set(after.files) == {READINGS, SENSORS, EDGES}
    CONTENT["shifted series"](store)
    with pytest.raises(DataError):
        open_store(store)
    listed_anew(store)
    with pytest.raises(DataError, match="does not hold what was imported"):
        open_store(store)


def test_a_large_file_is_named_in_the_log(
    store: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "LARGE", (store / READINGS).stat().st_size)
    with caplog.at_level("INFO", "dynst.data.verification"):
        open_store(store)
    assert [record.message.split()[0] for record in caplog.records] == ["verifying"]
    assert str(store / READINGS) in caplog.text


@pytest.mark.parametrize(
    ("clock", "days"),
    [(Clock(zone="Europe/Berlin"), [0, 1, 2, 4, 5]), (None, [0, 31, 59, 90, 120])],
    ids=["zone", "months"],
)
def test_the_start_is_verified_on_its_own_clock(
    tmp_path: Path, clock: Clock | None, days: list[int]
) -> None:
    origin, channels, sensors = Origin("x", clock=clock), [Channel(name="flow")], Sensors(("a",))
    with StoreWriter(tmp_path / "s", origin, channels, sensors, Edges.none()) as writer:
        writer.append(86_400 * np.array(days), np.ones((len(days), 1, 1)))
    assert open_store(tmp_path / "s").manifest.num_steps == len(days)
    manifest = read_manifest(tmp_path / "s")
    write_manifest(tmp_path / "s", manifest.model_copy(update={"start": "1999-01"}))
    with pytest.raises(DataError, match="must begin at the manifest's 1999-01, but begins at 1970"):
        open_store(tmp_path / "s")


def test_a_step_that_the_times_do_not_have_is_refused(store: Path) -> None:
    write_manifest(store, read_manifest(store).model_copy(update={"step": 1800}))
    with pytest.raises(DataError, match="must have the step of its manifest, 30 min"):
        open_store(store)
