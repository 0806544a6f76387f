"""Checkpoints in an S3-compatible store: written, found again by another process, and refused in
one sentence.
"""

from pathlib import Path

import pytest
import torch

from dynst.data.store import SensorStore
from dynst.errors import CheckpointError, DataError
from dynst.training.checkpoint_store import Checkpoints
from dynst_platform.config.files import check_job
from dynst_platform.config.stores import find_store
from dynst_platform.execution.worker import run_job
from dynst_platform.reports import Report
from tests.dynst_platform.execution.test_interrupted import (
    facts,
    job_of,
    killed_after_every_checkpoint,
    no_timing,
    same_models,
    told_once,
    whole,
)
from tests.storage.conftest import BUCKET, ObjectStore

__all__ = ["no_timing"]
SPEC = {"name": "job"}
WHERE = f"s3://{BUCKET}/checkpoints"
pytestmark = pytest.mark.process


def test_the_last_few_and_the_best_stay_and_no_draft(object_store: ObjectStore) -> None:
    kept = Checkpoints(f"{WHERE}/run", SPEC, keep=2)
    for number in range(4):
        kept.save({"step": torch.tensor(number)}, best=number == 1)
    assert object_store.keys() == [
        f"checkpoints/run/{name}.ckpt" for name in ("00000003", "00000004", "best")
    ]
    found = Checkpoints(f"{WHERE}/run", SPEC).load()
    assert found is not None
    assert (found.name, found.state["step"].item()) == ("00000004.ckpt", 3)


def test_trying_leaves_nothing(object_store: ObjectStore) -> None:
    Checkpoints(f"{WHERE}/run", SPEC).check_writable()
    assert object_store.keys() == []


def test_a_run_that_dies_after_every_checkpoint_ends_as_one_that_was_left_alone(
    object_store: ObjectStore, network: SensorStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(network, "dynamic")
    on_s3 = check_job(
        job.model_dump(mode="json") | {"cluster": {"num_workers": 0, "checkpoints": WHERE}}
    )
    undisturbed = whole(job, network, tmp_path / "whole")
    reports, lives = killed_after_every_checkpoint(on_s3, network, tmp_path / "killed", monkeypatch)
    assert lives > 7
    assert facts(told_once(reports)) == facts(undisturbed)
    same_models(tmp_path / "whole", tmp_path / "killed")
    assert len(object_store.keys("checkpoints/killed/")) == 3
    assert not (tmp_path / "killed" / "checkpoints").exists()


@pytest.mark.parametrize(
    ("refusing", "words"),
    [
        ("AccessDenied", "permission is denied; give credentials"),
        ("XMinioStorageFull", "no space is left there; free some"),
    ],
)
def test_a_store_that_refuses_is_one_sentence(
    object_store: ObjectStore, refusing: str, words: str
) -> None:
    kept = Checkpoints(f"{WHERE}/run", SPEC)
    object_store.refusing = refusing
    for write in (kept.check_writable, lambda: kept.save({})):
        with pytest.raises(
            CheckpointError, match=f"checkpoints at {WHERE}/run cannot be read or written: {words}"
        ) as error:
            write()
        assert "\n" not in str(error.value)


def test_a_bucket_that_is_not_there_is_one_sentence(object_store: ObjectStore) -> None:
    with pytest.raises(
        CheckpointError,
        match="s3://nowhere/x cannot be read or written: there is no such bucket; create it",
    ):
        Checkpoints("s3://nowhere/x", SPEC).check_writable()


def test_a_store_that_does_not_answer_is_one_sentence(
    object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(
        CheckpointError,
        match=r"nobody answers; check the network, and for a store of your own AWS_ENDPOINT_URL",
    ):
        Checkpoints(f"{WHERE}/run", SPEC).check_writable()


def test_a_run_ends_with_that_sentence(
    object_store: ObjectStore, network: SensorStore, tmp_path: Path
) -> None:
    """The store fills while the job trains; the checkpoint before that stays."""
    job = job_of(network, "dynamic", training={"checkpoint_every": 2})
    on_s3 = check_job(
        job.model_dump(mode="json") | {"cluster": {"num_workers": 0, "checkpoints": WHERE}}
    )
    epochs: list[str] = []

    def fills_up(report: Report) -> None:
        epochs.append(report.arm)
        if len(epochs) == 3:
            object_store.refusing = "XMinioStorageFull"

    with pytest.raises(CheckpointError, match="no space is left there"):
        run_job(on_s3, network.path, tmp_path / "run", fills_up)
    object_store.refusing = None
    assert object_store.keys() == ["checkpoints/run/00000001.ckpt"]
    run_job(on_s3, network.path, tmp_path / "run", lambda report: None)
    assert (tmp_path / "run" / "models" / "dynst").is_dir()


def test_a_sensor_store_behind_an_address(
    object_store: ObjectStore, network: SensorStore, own_home: Path
) -> None:
    from dynst.data.remote import publish_store

    publish_store(network.path, f"s3://{BUCKET}/stores/net")
    assert find_store(f"s3://{BUCKET}/stores/net").manifest == network.manifest
    with pytest.raises(
        DataError,
        match=r"s3://nowhere/net cannot be used as a sensor store: nothing is there; check",
    ):
        find_store("s3://nowhere/net")
