"""A real MLflow server on the loopback that can be stopped and restarted."""

import os
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

from benchmarks.support.commands import python_module

__all__ = ["TrackingServer"]

PATIENCE = 300.0  # seconds until it answers


class TrackingServer:
    """On a free port.

    MLflow's server ignores SIGTERM. Signals therefore go to its whole process group.

    Args:
        folder: for its database and artifacts, which outlive a kill.
    """

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it answers."""
        command = python_module("mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port))
        command += ["--workers", "1", "--artifacts-destination", str(self._folder)]
        command += ["--backend-store-uri", f"sqlite:///{self._folder}/server.db"]
        known = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
        self._process = subprocess.Popen(
            command,
            env=known | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            start_new_session=True,
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + PATIENCE
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the tracking server does not start")
            time.sleep(0.2)

    def kill(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def suspend(self) -> None:
        """From now on it accepts connections and answers none."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGCONT)

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/health", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False
