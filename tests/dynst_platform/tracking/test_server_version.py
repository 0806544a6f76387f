"""A tracking server of another MLflow is named with both versions, where it refuses."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from mlflow.version import VERSION

from dynst_platform.errors import TrackingError, UnreachableError
from dynst_platform.tracking import server_version as module
from dynst_platform.tracking.reaching import as_tracking_error
from dynst_platform.tracking.server_version import other_version

URI = "http://127.0.0.1:1"


@pytest.fixture(autouse=True)
def _anew() -> Iterator[None]:
    other_version.cache_clear()
    yield
    other_version.cache_clear()


def answering(monkeypatch: pytest.MonkeyPatch, text: str, status: int = 200) -> list[Any]:
    asked: list[Any] = []

    def request(*given: Any, **_: object) -> SimpleNamespace:
        asked.append(given)
        return SimpleNamespace(status_code=status, text=text)

    monkeypatch.setattr(module, "http_request", request)
    return asked


@pytest.mark.parametrize("version", ["2.9.2", "4.0.0rc1"])
def test_both_versions_are_named_and_asked_for_once(
    version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = answering(monkeypatch, f"{version}\n")
    for _ in range(2):
        with pytest.raises(TrackingError) as told, as_tracking_error(URI):
            raise MlflowException("API request to endpoint logged-models failed with code 404")
        assert f"the server is MLflow {version} and this is MLflow {VERSION}" in str(told.value)
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("text", "status"), [(VERSION, 200), ("<html>a page of 2.9.2</html>", 200), ("2.9.2", 404)]
)
def test_nothing_is_said_of_the_same_or_of_none(
    text: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, text, status)
    assert other_version(URI) == ""


def test_a_database_and_a_server_that_is_away_are_not_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = answering(monkeypatch, "2.9.2")
    assert other_version("sqlite:///mlflow.db") == ""
    with pytest.raises(UnreachableError), as_tracking_error(URI):
        raise ConnectionError("refused")
    assert asked == []


def test_a_question_that_fails_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object, **__: object) -> None:
        raise ConnectionError("refused")

    monkeypatch.setattr(module, "http_request", away)
    with pytest.raises(TrackingError, match="no such run"), as_tracking_error(URI):
        raise MlflowException("no such run")
