"""An upload of a model that is cut off at any call leaves nothing that cannot be mended: the next
attempt ends with one whole model, and everybody finds it.
"""

import shutil
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import requests
from mlflow.entities import LoggedModelOutput
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient

from dynst.data.store import SensorStore
from dynst_platform.commands.forecast.workflow import forecast
from dynst_platform.commands.train.workflow import Outcome
from dynst_platform.config.locations import tracking_uri
from dynst_platform.errors import UnreachableError
from dynst_platform.model_registry.references import model_id_of
from dynst_platform.model_registry.runs import trainings_of
from dynst_platform.tracking.cursor import Cursor
from dynst_platform.tracking.mlflow_runs import Tracker
from dynst_platform.tracking.report_file import REPORTS
from dynst_platform.tracking.sync import sync, waiting_folders
from dynst_platform.tracking.whole_model import is_whole
from tests.dynst_platform.tracking.test_sync import (
    _of_run,
    copied,
    offline,  # noqa: F401 (a fixture)
    without_pictures,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow", "ignore::FutureWarning:mlflow"),
]
CALLS = [
    (SqlAlchemyStore, name)
    for name in (
        "get_run",
        "search_logged_models",
        "create_logged_model",
        "get_logged_model",
        "set_logged_model_tags",
        "finalize_logged_model",
        "log_outputs",
        "log_batch",
        "delete_logged_model",
    )
] + [(LocalArtifactRepository, "log_artifacts")]


class Killed(BaseException):
    """In place of a signal that nothing can catch."""


class Faults:
    """Cuts the upload off at its call number ``at``: before it, after it, or as if killed then."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at, self.how, self.calls, self._on = 0, "", 0, False
        for owner, name in CALLS:
            monkeypatch.setattr(owner, name, self._wrapped(getattr(owner, name)))
        upload = Tracker._log_model

        def watched(*arguments: Any) -> None:
            self._on = True
            try:
                upload(*arguments)
            finally:
                self._on = False

        monkeypatch.setattr(Tracker, "_log_model", watched)

    def arm(self, at: int, how: str) -> None:
        self.at, self.how, self.calls = at, how, 0

    def _wrapped(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            self.calls += self._on
            here = self._on and self.calls == self.at
            if here and self.how == "before":
                raise requests.exceptions.ConnectionError("the server was killed")
            answer = method(*arguments, **named)
            if here and self.how == "after":
                raise requests.exceptions.ConnectionError("the answer was lost")
            if here and self.how == "killed":
                raise Killed
            return answer

        return call


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Faults:
    without_pictures(monkeypatch)
    return Faults(monkeypatch)


@pytest.fixture
def folders(offline: tuple[Path, Outcome], tracked_home: Path) -> Iterator[Path]:  # noqa: F811
    """As many runs as a test likes, of one arm: its end, and the epoch before it."""
    first = copied(offline[1], tracked_home)
    lines = [line for line in (first / REPORTS).read_text().splitlines() if '"dynst"' in line]
    (first / REPORTS).write_text("\n".join(lines[-2:]) + "\n")

    def every() -> Iterator[Path]:
        yield first
        for number in count():
            yield Path(shutil.copytree(first, first.with_name(f"another-{number}"), ignore=new))

    def new(folder: str, names: list[str]) -> list[str]:
        return ["delivered.json", "lock"]

    return every()


def begun(folder: Path, network: SensorStore) -> Path:
    if not (folder / "delivered.json").exists():
        Cursor.begin(folder, network, {})
    return folder


def check(folder: Path, network: SensorStore) -> dict[str, Any]:
    """One whole model that a command finds; returns what MLflow has of the run."""
    client = MlflowClient(tracking_uri())
    run = client.get_run(Cursor.open(folder).state.runs["dynst"])
    (model,) = client.search_logged_models(
        [run.info.experiment_id], f"source_run_id = '{run.info.run_id}'"
    )
    assert is_whole(model)
    assert [output.model_id for output in run.outputs.model_outputs] == [model.model_id]
    assert len(forecast(run.info.run_id, str(network.path)).table) == 3
    return {key: value for key, value in _of_run(client, run).items() if key != "tags"}


@pytest.mark.parametrize(
    "how",
    [
        "killed",
        pytest.param("before", marks=pytest.mark.nightly),
        pytest.param("after", marks=pytest.mark.nightly),
    ],
)
def test_cut_off_at_any_call_there_is_one_whole_model_in_the_end(
    how: str, faults: Faults, folders: Iterator[Path], network: SensorStore
) -> None:
    first = next(folders)
    assert sync(first) == 2
    undisturbed, calls = check(first, network), faults.calls
    assert calls >= 8
    for at in range(1, calls + 1):
        folder = begun(next(folders), network)
        faults.arm(at, how)
        with pytest.raises((UnreachableError, Killed)):
            sync(folder)
        faults.arm(0, "")
        assert waiting_folders() == [folder]
        sync(folder)
        assert check(folder, network) == undisturbed
        assert waiting_folders() == []
    client = MlflowClient(tracking_uri())
    listed = trainings_of(client, tracking_uri(), "small")
    assert len(listed) == calls + 1
    assert all(each.model_id == model_id_of(client, tracking_uri(), each.run_id) for each in listed)


def test_half_of_the_files_are_no_model(
    faults: Faults, folders: Iterator[Path], network: SensorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = next(folders)

    def half(repo: Any, source: str, path: str | None = None) -> None:
        Path(repo.artifact_dir).mkdir(parents=True)
        shutil.copy(Path(source) / "MLmodel", repo.artifact_dir)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(
            "mlflow.tracking.MlflowClient.log_model_artifacts",
            lambda client, model_id, source: half(
                client._tracking_client._get_artifact_repo(model_id, resource="logged_model"),
                source,
            ),
        )
        with pytest.raises(Killed):
            sync(folder)
    sync(folder)
    check(folder, network)


def test_links_to_what_an_earlier_dynst_left_half_written_mislead_nobody(
    faults: Faults, folders: Iterator[Path], network: SensorStore
) -> None:
    """It linked a model before it was whole; MLflow sorts the links by id, and keeps them."""
    folder = next(folders)
    sync(folder)
    client, uri = MlflowClient(tracking_uri()), tracking_uri()
    run_id = Cursor.open(folder).state.runs["dynst"]
    whole = model_id_of(client, uri, run_id)
    experiment = client.get_run(run_id).info.experiment_id
    for _ in range(6):
        half = client.create_logged_model(experiment, "model", run_id)
        client.log_outputs(run_id, [LoggedModelOutput(half.model_id, 1)])
    client.delete_logged_model(half.model_id)
    assert model_id_of(client, uri, run_id) == whole
    assert [each.model_id for each in trainings_of(client, uri, "small")] == [whole]
    assert len(forecast(run_id, str(network.path)).table) == 3


def test_a_model_that_is_gone_is_delivered_again(
    faults: Faults, folders: Iterator[Path], network: SensorStore
) -> None:
    """All reports were delivered, and the run has no whole model."""
    folder = next(folders)
    sync(folder)
    undisturbed, client = check(folder, network), MlflowClient(tracking_uri())
    run_id = Cursor.open(folder).state.runs["dynst"]
    client.delete_logged_model(model_id_of(client, tracking_uri(), run_id))
    assert waiting_folders() == [folder]
    assert sync(folder) == 2
    assert waiting_folders() == []
    run = client.get_run(run_id)
    links = len(run.outputs.model_outputs)
    assert _of_run(client, run)["models"] == undisturbed["models"]
    assert links == 2, "MLflow has no way to remove one"
    assert len(forecast(run_id, str(network.path)).table) == 3
