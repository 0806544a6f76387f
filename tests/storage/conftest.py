"""A store that speaks S3 on the loopback, with a bucket, credentials, and a switch that makes it
refuse.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from threading import Thread
from typing import Any

import pytest
from werkzeug.serving import make_server
from werkzeug.wrappers import Response

BUCKET, KEY_ID, SECRET_KEY = "sensors", "planted-key-id", "planted/secret+key"
SAID = {
    "AccessDenied": (403, "Access Denied."),
    "XMinioStorageFull": (507, "Storage backend has reached its minimum free drive threshold."),
}


@dataclass
class ObjectStore:
    """``refusing`` is the S3 error code that every request to write is answered with."""

    url: str
    client: Any
    refusing: str | None = None

    def keys(self, prefix: str = "") -> list[str]:
        """The objects under a prefix, without the empty ones that stand for folders."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return sorted(
            item["Key"]
            for page in pages
            for item in page.get("Contents", ())
            if not item["Key"].endswith("/")
        )

    def contents(self) -> Iterator[tuple[str, bytes]]:
        for key in self.keys():
            yield key, self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()


@pytest.fixture(scope="session")
def _served() -> Iterator[tuple[ObjectStore, Any]]:
    pytest.importorskip("moto")
    import boto3
    from moto.server import DomainDispatcherApplication, create_backend_app

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto = DomainDispatcherApplication(create_backend_app)
    store = ObjectStore("", None)

    def application(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if store.refusing is None or environ["REQUEST_METHOD"] not in ("PUT", "POST"):
            return moto(environ, start)
        status, message = SAID[store.refusing]
        error = f"<Code>{store.refusing}</Code><Message>{message}</Message>"
        body = f"<?xml version='1.0'?><Error>{error}</Error>"
        return Response(body, status=status, mimetype="application/xml")(environ, start)

    server = make_server("127.0.0.1", 0, application, threaded=True)
    Thread(target=server.serve_forever, daemon=True).start()
    store.url = f"http://127.0.0.1:{server.port}"
    keys = {
        "aws_access_key_id": KEY_ID,
        "aws_secret_access_key": SECRET_KEY,
        "region_name": "us-east-1",
    }
    store.client = boto3.client("s3", endpoint_url=store.url, **keys)
    try:
        yield store, keys
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def object_store(
    _served: tuple[ObjectStore, Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[ObjectStore]:
    """Empty but for its bucket.

    This process's environment knows the way to it, as a cluster's would.
    """
    store, keys = _served
    monkeypatch.setenv("AWS_ENDPOINT_URL", store.url)
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", store.url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", keys["region_name"])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys["aws_access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys["aws_secret_access_key"])
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    store.client.create_bucket(Bucket=BUCKET)
    yield store
    store.refusing = None
    for key in [
        item["Key"] for item in store.client.list_objects_v2(Bucket=BUCKET).get("Contents", ())
    ]:
        store.client.delete_object(Bucket=BUCKET, Key=key)
    store.client.delete_bucket(Bucket=BUCKET)
