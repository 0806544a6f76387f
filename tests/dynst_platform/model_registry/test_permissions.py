"""A tracking server with users: an ordinary one makes the first promotion, and another is told what
to ask for.
"""

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from socket import socket
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from dynst_platform.errors import RefusedError
from dynst_platform.model_registry.lock import alone_with
from dynst_platform.model_registry.rollback import roll_back
from dynst_platform.model_registry.versions import champion_of, history_of, register
from dynst_platform.tracking.reaching import as_tracking_error
from tests.waiting import wait_until

pytestmark = [pytest.mark.process, pytest.mark.filterwarnings("ignore")]
PASSWORD, NAME = "a-long-password", "counters"
USERS = """\
[mlflow]
default_permission = {default}
database_uri = sqlite:///{folder}/users.db
admin_username = admin
admin_password = {password}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
auth_cache_ttl_seconds = 600
"""


@pytest.fixture
def address(tmp_path: Path, tracked_home: Path) -> Iterator[str]:
    """Nobody may see what others made, but where that is granted."""
    pytest.importorskip("flask_wtf")
    users = tmp_path / "basic_auth.ini"
    users.write_text(
        USERS.format(default="NO_PERMISSIONS", folder=tmp_path, password=PASSWORD), encoding="utf-8"
    )
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth"]
    command += ["--workers", "1", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{tracked_home / 'mlflow.db'}"]
    command += ["--artifacts-destination", str(tmp_path / "artifacts")]
    settings = {
        "MLFLOW_AUTH_CONFIG_PATH": str(users),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "a key of this test",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            command, env=os.environ | settings, stdout=log, stderr=log, start_new_session=True
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until("MLflow", lambda: answers(url), process, (tmp_path / "log").read_text)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def answers(url: str) -> bool:
    try:
        urllib.request.urlopen(f"{url}/health", timeout=2).close()
    except OSError:
        return False
    return True


def promote(client: MlflowClient, run_id: str, model_id: str) -> int:
    with as_tracking_error("the server"), alone_with(client, NAME) as alone:
        return register(alone, run_id, model_id, {}, "test").number


def logged(client: MlflowClient, experiment: str) -> tuple[str, str]:
    run_id = client.create_run(experiment).info.run_id
    model: Any = client.create_logged_model(experiment, source_run_id=run_id)
    client.finalize_logged_model(model.model_id, "READY")
    return run_id, model.model_id


def test_an_ordinary_user_promotes_first_and_another_where_it_is_granted(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.server.auth.client import AuthServiceClient

    def act_as(user: str) -> None:
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", user)

    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")  # of a busy machine
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    act_as("admin")
    users = AuthServiceClient(address)
    for user in ("ann", "bob"):
        users.create_user(user, PASSWORD)
    client = MlflowClient(address)
    act_as("ann")
    experiment = client.create_experiment("small")
    models = [logged(client, experiment) for _ in range(2)]
    assert champion_of(client, NAME) is None
    assert promote(client, *models[0]) == 1
    assert [model.name for model in client.search_registered_models()] == [NAME]
    act_as("bob")
    with pytest.raises(RefusedError, match=r"EDIT on registered_model 'counters', READ on the exp"):
        promote(client, *models[1])
    act_as("ann")
    users.grant_user_permission("bob", "registered_model", NAME, "EDIT")
    users.grant_user_permission("bob", "experiment", experiment, "READ")
    act_as("bob")
    assert promote(client, *models[1]) == 2
    monkeypatch.setattr(
        "dynst_platform.model_registry.rollback._has_files", lambda client, model: True
    )
    assert roll_back(client, NAME).now.number == 1
    assert [event.what for event in history_of(client, NAME)] == [
        "promoted",
        "promoted",
        "rolled back",
    ]
