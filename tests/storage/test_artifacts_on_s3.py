"""MLflow's artifacts in an S3-compatible store, without a server between, and what is said where
that cannot be.
"""

from pathlib import Path

import mlflow
import pytest
from mlflow.tracking import MlflowClient

from dynst.data.store import SensorStore
from dynst.errors import CheckpointError, ConfigError
from dynst_platform.commands.train.workflow import train
from dynst_platform.config.files import check_job, with_overrides
from dynst_platform.config.job import JobSpec
from dynst_platform.config.locations import home
from dynst_platform.errors import TrackingError
from dynst_platform.tracking.reaching import as_tracking_error
from dynst_platform.tracking.sync import sync, waiting_folders
from tests.dynst_platform.commands.train.test_train import small_job
from tests.storage.conftest import BUCKET, ObjectStore

pytestmark = [
    pytest.mark.process,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]
ARTIFACTS, CHECKPOINTS = f"s3://{BUCKET}/artifacts", f"s3://{BUCKET}/checkpoints"


@pytest.fixture
def job(own_home: Path, network: SensorStore, monkeypatch: pytest.MonkeyPatch) -> JobSpec:
    monkeypatch.setenv("DYNST_ARTIFACTS", f"{ARTIFACTS}/")
    training = {"epochs": 2, "steps_per_epoch": 6, "batch_size": 16}
    return small_job(network, training=training, references={"dense": False, "random": 0})


@pytest.mark.usefixtures("tracked_home", "quick_pictures")
def test_a_run_and_its_model(object_store: ObjectStore, network: SensorStore, job: JobSpec) -> None:
    on_s3 = check_job(
        job.model_dump(mode="json") | {"cluster": {"num_workers": 0, "checkpoints": CHECKPOINTS}}
    )
    outcome = train(on_s3, network, lambda report: None)
    assert (outcome.queued, outcome.queued_note) == (0, "")
    client = MlflowClient(outcome.artifacts["tracking_uri"])
    assert client.get_run(outcome.run_id).info.artifact_uri.startswith(f"{ARTIFACTS}/small/")
    names = {
        key.split("/artifacts/")[-1]
        for key in object_store.keys(f"artifacts/small/{outcome.run_id}")
    }
    assert {"job.yaml", "sensors.csv", "masks/history.parquet"} <= names
    assert mlflow.pyfunc.load_model(outcome.artifacts["model"]).metadata.signature is not None
    assert len(object_store.keys("checkpoints/")) == 3
    assert not list(home().rglob("*.ckpt"))


@pytest.mark.usefixtures("tracked_home")
def test_no_run_is_begun_where_artifacts_cannot_be_written(
    object_store: ObjectStore, network: SensorStore, job: JobSpec
) -> None:
    object_store.refusing = "AccessDenied"
    with pytest.raises(
        TrackingError,
        match=r"the artifacts of sqlite:.* cannot be written or read: permission is denied; give",
    ) as error:
        train(job, network, lambda report: None)
    assert "\n" not in str(error.value)
    assert not (home() / "small").exists()


def test_nor_where_checkpoints_cannot(
    object_store: ObjectStore, network: SensorStore, job: JobSpec
) -> None:
    nowhere = check_job(
        job.model_dump(mode="json")
        | {"cluster": {"num_workers": 0, "checkpoints": "s3://nowhere/checkpoints"}}
    )
    with pytest.raises(CheckpointError, match="there is no such bucket"):
        train(nowhere, network, lambda report: None)
    assert not (home() / "small").exists()
    assert not (home() / "mlflow.db").exists()


@pytest.mark.nightly
@pytest.mark.usefixtures("tracked_home", "quick_pictures")
def test_a_store_that_fills_up_leaves_a_run_to_be_sent(
    object_store: ObjectStore, network: SensorStore, job: JobSpec
) -> None:
    def fills_up(report: dict) -> None:
        object_store.refusing = "XMinioStorageFull"

    outcome = train(job, network, fills_up)
    assert outcome.queued > 0
    assert "no space is left there; free some" in outcome.queued_note
    object_store.refusing = None
    (folder,) = waiting_folders()
    assert sync(folder) == outcome.queued
    assert waiting_folders() == []
    assert object_store.keys(f"artifacts/small/{outcome.run_id}/artifacts/sensors.csv")


def test_boto3_is_asked_for_where_it_is_absent() -> None:
    with (
        pytest.raises(
            TrackingError,
            match=r"lie in s3://, which needs boto3; install it with: pip install 'dynst\[s3\]'",
        ),
        as_tracking_error("sqlite:///mlflow.db"),
    ):
        raise ModuleNotFoundError("No module named 'boto3'", name="boto3")


def test_errors_of_our_own_are_left_alone() -> None:
    with pytest.raises(KeyError, match="ours"), as_tracking_error("sqlite:///mlflow.db"):
        raise KeyError("ours")


@pytest.mark.parametrize("key", ["cluster.checkpoints", "data.store"])
def test_a_job_with_credentials_is_refused_and_they_are_not_repeated(
    network: SensorStore, key: str
) -> None:
    document = with_overrides(
        small_job(network).model_dump(mode="json"), {key: "s3://some-id:some-secret@bucket/x"}
    )
    with pytest.raises(
        ConfigError,
        match=f"{key} must be an address without credentials, but has some; take them out",
    ) as error:
        check_job(document)
    assert "some-" not in str(error.value)
