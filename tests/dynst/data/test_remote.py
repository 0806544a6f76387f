"""Stores behind an address.

``file://`` goes through the same Arrow file-system code as object storage does.
"""

import hashlib
from pathlib import Path

import pytest

from dynst.data.remote import fetch_store, publish_store
from dynst.data.store import MANIFEST, READINGS, SensorStore, open_store
from dynst.errors import DataError
from dynst_platform.config.stores import find_store


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
