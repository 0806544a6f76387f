"""Addresses: what is shown of one, and what is said where it cannot be used."""

import pytest

from dynst.storage.addresses import has_credentials, is_remote, problem_with, without_credentials


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("s3://key:secret@bucket/run", "s3://bucket/run"),
        ("postgresql+psycopg2://me:p%40ss@db:5432/mlflow", "postgresql+psycopg2://db:5432/mlflow"),
        ("http://me:p@ss@host:5000/api", "http://host:5000/api"),
        ("s3://key:sec/ret+/x@bucket/run", "s3://bucket/run"),
        ("https://token@host/x", "https://host/x"),
        ("s3://key:12/ret@bucket/run", "s3://bucket/run"),
        ("postgresql://me:p@ss/word@db/mlflow", "postgresql://db/mlflow"),
        (
            "request to 'http://me:it@host/api' failed, http://host:1/a too",
            "request to 'http://host/api' failed, http://host:1/a too",
        ),
        (
            "postgresql://db/mlflow?user=me&password=it&sslmode=require",
            "postgresql://db/mlflow?user=me&password=…&sslmode=require",
        ),
        ("abfs://box/x?sas_token=it", "abfs://box/x?sas_token=…"),
    ],
)
def test_credentials_are_left_out(text: str, shown: str) -> None:
    assert without_credentials(text) == shown
    assert has_credentials(text)


@pytest.mark.parametrize(
    "text",
    [
        "s3://bucket/a@b/c",
        "http://host:5000/api/x@y",
        "sqlite:////home/me@work/mlflow.db",
        "/stores/me@work",
        "plain text, me@work",
    ],
)
def test_everything_else_stays(text: str) -> None:
    assert without_credentials(text) == text
    assert not has_credentials(text)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("Bucket 'runs' not found. To create buckets, enable", "there is no such bucket"),
        (
            "When uploading: AWS Error NO_SUCH_BUCKET during CreateMultipartUpload",
            "there is no such bucket",
        ),
        (
            "[Errno 2] Path does not exist 'sensors/net/manifest.json'",
            "nothing is there; check bucket and path",
        ),
        (
            "AWS Error ACCESS_DENIED during PutObject operation",
            "permission is denied; give credentials",
        ),
        (
            "(InvalidAccessKeyId) when calling the PutObject operation",
            "permission is denied; give credentials",
        ),
        (
            "[Errno 28] Error writing bytes to file. Detail: [errno 28] No space left on device",
            "no space is left there",
        ),
        (
            "AWS Error UNKNOWN (HTTP status 507) during PutObject: XMinioStorageFull",
            "no space is left there",
        ),
        (
            "AWS Error NETWORK_CONNECTION: curlCode: 7, Could not connect to server",
            "nobody answers",
        ),
        (
            "something new at s3://a:b@c/d",
            "something new at s3://c/d; check address, space and credentials",
        ),
    ],
)
def test_what_storage_says_becomes_a_reason_and_a_remedy(said: str, words: str) -> None:
    assert problem_with(OSError(said)).startswith(words)


def test_a_path_is_not_remote() -> None:
    assert [is_remote(name) for name in ("s3://bucket", "/data/x", "C:/x")] == [True, False, False]
