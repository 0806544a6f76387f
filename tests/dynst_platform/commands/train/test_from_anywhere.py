"""A run whose node is replaced: all that it goes on from is in ``DYNST_STORAGE``."""

import shutil
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from dynst.data.store import SensorStore
from dynst.errors import ConfigError
from dynst_platform.commands.train.workflow import Outcome, train
from dynst_platform.config.files import check_job
from dynst_platform.config.job import JobSpec
from dynst_platform.config.locations import home, tracking_uri
from dynst_platform.config.stores import store_for
from dynst_platform.execution import worker
from dynst_platform.tracking import lease
from dynst_platform.tracking.cursor import Cursor, queued
from dynst_platform.tracking.run_folder import find_run, resumed_job
from dynst_platform.tracking.sync import sync, waiting_folders
from tests.dynst_platform.commands.train.test_resume import (
    Lost,
    folder_of,
    histories,
    interrupted,
)
from tests.dynst_platform.commands.train.test_train import small_job

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow", "ignore::FutureWarning:mlflow"),
    pytest.mark.usefixtures("quick_pictures"),
]


@pytest.fixture(autouse=True)
def storage(
    tmp_path: Path, own_home: Path, tracking_template: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Beside a tracking store that is not on the node."""
    shutil.copy(tracking_template, tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.setenv("DYNST_ARTIFACTS", str(tmp_path / "artifacts"))
    monkeypatch.setenv("DYNST_STORAGE", str(tmp_path / "storage"))
    monkeypatch.setattr(lease, "SETTLES", 0.0)
    monkeypatch.setattr(
        worker, "time_inference", lambda *_: type("Timing", (), {"speed_up": 1.0})()
    )
    return tmp_path / "storage"


@pytest.fixture
def job(network: SensorStore) -> JobSpec:
    return small_job(network, training={"epochs": 4, "steps_per_epoch": 4, "batch_size": 16})


def go_on_elsewhere(job: JobSpec) -> Outcome:
    """On a node that knows the storage, and has nothing else."""
    place = f"{job.name}/{folder_of(job).name}"
    shutil.rmtree(home())
    folder = find_run(place)
    resumed = resumed_job(folder)
    return train(resumed, store_for(resumed), lambda report: None, resume=folder)


def models_of(outcome: Outcome) -> dict[str, bytes]:
    folder = Path(outcome.artifacts["folder"]) / "models"
    return {path.parent.name: path.read_bytes() for path in folder.rglob("weights.safetensors")}


def test_a_wiped_disk_between_two_lives_changes_nothing(
    job: JobSpec, network: SensorStore, storage: Path
) -> None:
    whole = train(job.model_copy(update={"name": "whole"}), network, lambda report: None)
    expected = models_of(whole)
    interrupted(job, network, 7)
    resumed = go_on_elsewhere(job)
    client = MlflowClient(tracking_uri())
    assert histories(client, job.name) == histories(client, "whole")
    assert models_of(resumed) == expected
    assert (resumed.metrics, resumed.sensors) == (whole.metrics, whole.sensors)
    with pytest.raises(ConfigError, match="is finished"):
        go_on_elsewhere(job)


def test_the_copy_holds_where_another_machine_went_on(
    job: JobSpec, network: SensorStore, tmp_path: Path
) -> None:
    """The first node comes back with the folder that it had."""
    interrupted(job, network, 3)
    folder = folder_of(job)
    shutil.copytree(folder, tmp_path / "kept")
    go_on_elsewhere(job)
    shutil.rmtree(folder)
    (tmp_path / "kept").rename(folder)
    with pytest.raises(ConfigError, match="is finished"):
        train(resumed_job(folder), network, lambda report: None, resume=folder)


def test_a_run_that_was_begun_without_a_storage_goes_on_without_one(
    job: JobSpec, network: SensorStore, storage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.delenv("DYNST_STORAGE")
        interrupted(job, network, 3)
    folder = folder_of(job)
    train(resumed_job(find_run(str(folder))), network, lambda report: None, True, folder)
    assert not [path for path in storage.rglob("*") if path.is_file()]


def test_sync_sends_what_a_lost_node_had_queued(job: JobSpec, network: SensorStore) -> None:
    train(job, network, lambda report: None, offline=True)
    name = folder_of(job).name
    shutil.rmtree(home())
    (folder,) = waiting_folders()
    assert folder == home() / job.name / name
    waiting = queued(Cursor.open(folder))
    assert sync(folder) == waiting > 0
    shutil.rmtree(home())
    assert waiting_folders() == []
    client = MlflowClient(tracking_uri())
    runs = client.search_runs([client.get_experiment_by_name(job.name).experiment_id])
    assert {run.info.status for run in runs} == {"FINISHED"}


def test_other_data_are_refused(job: JobSpec, network: SensorStore, tmp_path: Path) -> None:
    from tests.conftest import write_network

    own = check_job(job.model_dump(mode="json") | {"data": {"store": str(tmp_path / "net")}})
    interrupted(own, write_network(tmp_path / "net"), 2, Lost)
    shutil.rmtree(tmp_path / "net")
    write_network(tmp_path / "net", seed=1)
    with pytest.raises(ConfigError, match="must go on with the data it was started with"):
        go_on_elsewhere(own)
