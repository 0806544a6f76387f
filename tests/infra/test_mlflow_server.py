"""The compose file's MLflow, with its own command, variables, users' file and secrets, as a process
of this machine.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dynst.data.store import SensorStore
from dynst_platform.commands.train.workflow import train
from dynst_platform.errors import TrackingError
from tests.dynst_platform.commands.train.test_train import small_job
from tests.infra.documents import INFRA
from tests.infra.test_docker import SERVICES
from tests.storage.conftest import ObjectStore, _served, object_store
from tests.waiting import wait_until

__all__ = ["_served", "object_store"]
pytestmark = [
    pytest.mark.process,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]
ROOT = INFRA / "docker"


class Service:
    """A service of the compose file whose places are folders and addresses of this machine."""

    def __init__(self, name: str, folder: Path, places: dict[str, str]) -> None:
        self._places, self._folder = places, folder
        service = SERVICES[name]
        self.command = [self._placed(word) for word in service["command"]]
        known = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("AWS_", "MLFLOW_"))
        }
        known |= {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # as in the image
        self.environment = known | {
            key: self._placed(value) for key, value in service["environment"].items()
        }

    def _placed(self, text: str) -> str:
        for place, here in self._places.items():
            text = text.replace(place, here)
        return text

    def start(self) -> subprocess.Popen[bytes]:
        with (self._folder / "log").open("ab") as log:
            words = ["sh", str(ROOT / "with_secrets.sh"), sys.executable, *self.command[1:]]
            return subprocess.Popen(
                words,
                env=self.environment,
                cwd=self._folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


@pytest.fixture
def server(tmp_path: Path, object_store: ObjectStore) -> Iterator[tuple[str, str]]:
    """Address and password."""
    pytest.importorskip("flask_wtf")
    for name in ("make_secrets.sh", "basic_auth.ini"):
        shutil.copy(ROOT / name, tmp_path)
    subprocess.run(["sh", tmp_path / "make_secrets.sh"], check=True)
    users = tmp_path / "basic_auth.ini"
    users.write_text(users.read_text().replace("/users/", f"{tmp_path}/"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    places = {
        "/run/secrets": f"{tmp_path}/secrets",
        "http://objects:8333": object_store.url,
        "/etc/mlflow": str(tmp_path),
        "postgresql+psycopg2://mlflow@postgres/mlflow": f"sqlite:///{tmp_path}/server.db",
        "--host=0.0.0.0": "--host=127.0.0.1",
        "--port=5000": f"--port={address.partition(':')[2]}",
        "127.0.0.1:5000": address,
    }
    assert Service("bucket", tmp_path, places).start().wait(120) == 0, (
        tmp_path / "log"
    ).read_text()
    mlflow = Service("mlflow", tmp_path, places)
    mlflow.command[:1] = [sys.executable, "-m", "mlflow"]
    process = mlflow.start()
    try:
        wait_until(
            "MLflow's answer",
            lambda: answers(f"http://{address}/health"),
            process,
            (tmp_path / "log").read_text,
        )
        yield f"http://{address}", (tmp_path / "secrets" / "mlflow_password").read_text()
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=2).close()
    except OSError:
        return False
    return True


def test_only_its_user_is_let_in_and_artifacts_go_through_it(
    server: tuple[str, str],
    object_store: ObjectStore,
    network: SensorStore,
    own_home: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address, password = server
    for name in [name for name in os.environ if name.startswith(("AWS_", "MLFLOW_"))]:
        monkeypatch.delenv(name)  # a client needs no way to the bucket
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")  # of a busy machine
    job = small_job(
        network,
        training={"epochs": 2, "steps_per_epoch": 6, "batch_size": 16},
        references={"dense": False, "random": 0},
    )
    for wrong in ("", "wrong"):
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "dynst" if wrong else "")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", wrong)
        with pytest.raises(
            TrackingError, match="check MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
        ) as refused:
            train(job, network, lambda report: None)
        assert "\n" not in str(refused.value)
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "dynst")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)
    outcome = train(job, network, lambda report: None)
    assert (outcome.queued, outcome.queued_note) == (0, "")
    kept = object_store.client.list_objects_v2(Bucket="dynst")["Contents"]
    assert any(item["Key"].endswith(f"{outcome.run_id}/artifacts/job.yaml") for item in kept)
    assert any(item["Key"].endswith("weights.safetensors") for item in kept)
    for item in kept:
        object_store.client.delete_object(Bucket="dynst", Key=item["Key"])
    object_store.client.delete_bucket(Bucket="dynst")
