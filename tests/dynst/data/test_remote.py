"""Stores behind an address.

``file://`` goes through the same Arrow file-system code as object storage does.
"""

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dynst.data.decisions import replace_decisions
from dynst.data.manifest_file import read_manifest, write_manifest
from dynst.data.remote import fetch_store, publish_store
from dynst.data.store import MANIFEST, READINGS, SensorStore, open_store
from dynst.errors import DataError
from dynst_platform.config.stores import find_store
from tests.damage import CONTENT, TODAY, Damage, as_of_version, by_name


def test_a_published_store_comes_back_the_same_and_is_cached(
    tmp_path: Path, network: SensorStore
) -> None:
    uri = (tmp_path / "bucket" / "net").as_uri()
    publish_store(network.path, uri)
    first = fetch_store(uri, tmp_path / "cache")
    assert open_store(first).manifest == network.manifest
    assert (open_store(first).readings.values == network.readings.values).all()
    (
        tmp_path / "bucket" / "net" / READINGS
    ).unlink()  # the second time nothing but the manifest is read
    assert fetch_store(uri, tmp_path / "cache") == first
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [
        hashlib.sha256((network.path / MANIFEST).read_bytes()).hexdigest()
    ]


def test_a_job_names_the_address(tmp_path: Path, network: SensorStore, own_home: Path) -> None:
    uri = (tmp_path / "bucket" / "net").as_uri()
    publish_store(network.path, uri)
    assert find_store(uri).manifest.digest == network.manifest.digest


def test_a_taken_address_is_refused(tmp_path: Path, network: SensorStore) -> None:
    uri = (tmp_path / "bucket").as_uri()
    publish_store(network.path, uri)
    with pytest.raises(DataError, match="holds a sensor store already"):
        publish_store(network.path, uri)


def test_half_an_upload_does_not_open(tmp_path: Path, network: SensorStore) -> None:
    publish_store(network.path, (tmp_path / "bucket").as_uri())
    (tmp_path / "bucket" / MANIFEST).unlink()
    with pytest.raises(DataError, match="cannot be used as a sensor store"):
        fetch_store((tmp_path / "bucket").as_uri(), tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


@pytest.mark.parametrize("uri", ["ftp://x/y", "nonsense://", "file:///not/here"])
def test_an_address_without_a_store_is_one_clear_error(tmp_path: Path, uri: str) -> None:
    with pytest.raises(DataError, match="cannot be used as a sensor store"):
        fetch_store(uri, tmp_path / "cache")


def test_a_manifest_cannot_choose_a_place_outside_the_cache(
    tmp_path: Path, network: SensorStore
) -> None:
    publish_store(network.path, (tmp_path / "bucket").as_uri())
    manifest = tmp_path / "bucket" / MANIFEST
    manifest.write_text(
        manifest.read_text().replace(network.manifest.digest, str(tmp_path / "outside"))
    )
    with pytest.raises(DataError, match="'digest'"):
        fetch_store((tmp_path / "bucket").as_uri(), tmp_path / "cache")
    assert not (tmp_path / "outside").exists()


@pytest.fixture
def bucket(tmp_path: Path, network: SensorStore) -> Path:
    publish_store(network.path, (tmp_path / "bucket").as_uri())
    return tmp_path / "bucket"


@pytest.mark.parametrize("damage", by_name(CONTENT | TODAY))
def test_a_damaged_copy_never_stands_for_the_good_address(
    tmp_path: Path, network: SensorStore, bucket: Path, damage: Damage
) -> None:
    cache = tmp_path / "cache"
    damage(bucket)
    with pytest.raises(DataError, match=bucket.as_uri()):
        fetch_store(bucket.as_uri(), cache)
    assert not list(cache.iterdir()), "nothing of it stays"
    shutil.copytree(network.path, bucket, dirs_exist_ok=True)
    assert open_store(fetch_store(bucket.as_uri(), cache)).manifest == network.manifest


def other_units(store: Path) -> None:
    manifest = read_manifest(store)
    channels = tuple(each.model_copy(update={"unit": "veh/min"}) for each in manifest.channels)
    write_manifest(store, manifest.model_copy(update={"channels": channels}))


def other_names(store: Path) -> None:
    manifest = read_manifest(store)
    channels = tuple(each.model_copy(update={"name": "speed"}) for each in manifest.channels)
    write_manifest(store, manifest.model_copy(update={"channels": channels}))


def other_costs(store: Path) -> None:
    sensors = open_store(store).sensors
    replace_decisions(store, replace(sensors, cost=3 * sensors.cost))


@pytest.mark.parametrize("change", [other_units, other_names, other_costs])
def test_what_changes_at_the_address_is_fetched(
    tmp_path: Path, bucket: Path, change: Callable[[Path], None]
) -> None:
    first = open_store(fetch_store(bucket.as_uri(), tmp_path / "cache"))
    change(bucket)
    now = open_store(fetch_store(bucket.as_uri(), tmp_path / "cache"))
    assert now.manifest.digest == first.manifest.digest
    assert now.path != first.path
    assert now.manifest == open_store(bucket).manifest
    assert now.sensors.cost.tolist() == open_store(bucket).sensors.cost.tolist()


@pytest.mark.parametrize("version", [1, 2])
def test_an_earlier_store_is_fetched_and_verified(
    tmp_path: Path, bucket: Path, version: int
) -> None:
    as_of_version(version, bucket)
    fetched = open_store(fetch_store(bucket.as_uri(), tmp_path / "cache"))
    assert fetched.manifest == open_store(bucket).manifest
    CONTENT["shifted series"](bucket)
    with pytest.raises(DataError, match="does not hold what was imported"):
        fetch_store(bucket.as_uri(), tmp_path / "other")
    publish_store(fetched.path, (tmp_path / "again").as_uri())
    assert open_store(tmp_path / "again").manifest == fetched.manifest
