"""One home with a few small trainings, made once; each test begins with an empty registry."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from dynst.data.store import SensorStore
from dynst_platform.commands.promote.remeasure import remeasure
from dynst_platform.commands.train import workflow as use_case
from tests.conftest import save_one_pixel, with_tracking_store
from tests.dynst_platform.commands.train.test_train import small_job

EASY = {"max_over_dense": 9.0}


@dataclass(frozen=True)
class Trained:
    home: Path
    store: SensorStore
    runs: dict[str, str]  # by name

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(f"sqlite:///{self.home / 'mlflow.db'}")


@pytest.fixture(scope="session")
def trained_once(
    tmp_path_factory: pytest.TempPathFactory, network: SensorStore, tracking_template: Path
) -> Trained:
    """Experiment small: half of the sensors off, and a quarter.

    Experiment other: five of eight off.
    """
    home = with_tracking_store(tmp_path_factory.mktemp("registry") / "home", tracking_template)
    runs = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DYNST_HOME", str(home))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        for name, share, experiment in (
            ("half", 0.5, "small"),
            ("quarter", 0.25, "small"),
            ("more", 0.625, "other"),
        ):
            sparsity = {"final": share, "scheme": "one_shot", "probe_every": 1}
            references = {"dense": True, "random": 0}
            if name != "half":
                patch.setattr("matplotlib.figure.Figure.savefig", save_one_pixel)
            job = small_job(
                network, name=experiment, sparsity=sparsity, references=references, promotion=EASY
            )
            outcome = use_case.train(job, network, lambda report: None)
            assert not outcome.queued_note
            runs[name] = outcome.run_id
    return Trained(home, network, runs)


@pytest.fixture
def measured_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models are measured anew in this process and not in one of their own, for tests of what
    follows from the figures.
    """
    monkeypatch.setattr(
        "dynst_platform.commands.promote.measuring.remeasured_apart",
        lambda folder, job, store, code: remeasure(folder, job, store),
    )


@pytest.fixture
def trained(
    trained_once: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Trained]:
    """With an empty registry; what a test does to models' files is undone."""
    monkeypatch.setenv("DYNST_HOME", str(trained_once.home))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    files, kept = trained_once.home / "artifacts", tmp_path / "kept"
    shutil.copytree(files, kept)
    yield trained_once
    shutil.rmtree(files)  # also what it added
    shutil.copytree(kept, files)
    for model in trained_once.client.search_registered_models():
        trained_once.client.delete_registered_model(model.name)
