"""A real MLflow server that is killed in the middle of a training and comes back."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from dynst.data.store import SensorStore
from dynst_platform.tracking.report_file import append_report
from dynst_platform.train import train
from dynst_platform.workers import launch
from tests.dynst_platform.test_train import small_job

pytestmark = [pytest.mark.cluster, pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")]
AWAY_SECONDS = 5


class Server:
    """``mlflow server`` on a free port of the loopback. It ignores SIGTERM, so its whole group is killed."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        command += ["--backend-store-uri", f"sqlite:///{self._folder}/server.db", "--artifacts-destination", str(self._folder)]
        environment = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
        environment |= {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen(command, env=environment, start_new_session=True, cwd=self._folder, **quiet)
        deadline = time.monotonic() + 120
        while not self._answers():
            assert self._process.poll() is None, "the server ended"
            assert time.monotonic() < deadline
            time.sleep(0.2)

    def kill(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/health", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def test_a_server_that_is_away_for_a_while(
    own_home: Path, network: SensorStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(tmp_path)
    server.start()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
    longest, told = 0.0, []

    def timed(path: Path, report: dict) -> None:
        """The training's side of a report: MLflow comes and goes between two of them."""
        nonlocal longest
        began = time.monotonic()
        append_report(path, report)
        longest = max(longest, time.monotonic() - began)
        told.append((report["arm"], report["kind"], report.get("epoch")))
        if told[-1] == ("dynst", "epoch", 2):
            server.kill()
        if told[-1] == ("dynst", "epoch", 4):
            time.sleep(AWAY_SECONDS)
            server.start()

    monkeypatch.setattr(launch, "append_report", timed)
    try:
        outcome = train(small_job(network, references={"dense": False, "random": 0}), network, lambda report: None)
        client = MlflowClient(server.address)
        assert (outcome.queued, outcome.queued_note) == (0, "")
        run = client.get_run(outcome.run_id)
        assert run.info.status == "FINISHED"
        for name in ("train/mae", "val/mae", "mask/sparsity"):
            points = client.get_metric_history(outcome.run_id, name)
            assert [point.step for point in points] == [6, 12, 18, 24, 30]
            assert sorted(points, key=lambda point: point.timestamp) == points
        assert len(client.get_metric_history(outcome.run_id, "test/mae_all")) == 1
        assert len(client.search_logged_models([run.info.experiment_id])) == 1
        assert longest < 1, "a report must not wait for MLflow"
    finally:
        server.kill()
