"""``dynst submit``, ``jobs`` and ``doctor`` as a user types them, where there is no cluster."""

import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from dynst.data.store import SensorStore
from dynst.errors import ConfigError
from dynst_platform.commands.submit import following
from dynst_platform.config.cluster_profile import Profile
from dynst_platform.config.files import dump_spec
from dynst_platform.errors import UnreachableError
from dynst_platform.execution import ray_jobs as client
from dynst_platform.execution.ray_jobs import Cluster, RemoteJob
from dynst_platform.main import cli
from tests.dynst_platform.commands.submit.test_submit import FakeRay, details
from tests.dynst_platform.commands.train.test_train import small_job
from tests.dynst_platform.commands.tune.samples import write_sweep
from tests.dynst_platform.config.test_cluster_profile import NAMES

NOWHERE = Profile()
NETWORK = """\
class Net(nn.Module):
    def __init__(self, window, horizon):
        super().__init__()
        self.ahead = nn.Linear(window, horizon)

    def forward(self, readings):
        return self.ahead(readings.movedim(1, -1)).movedim(-1, 1)
"""
JOB = RemoteJob(
    "quick-20260101-000000-ab12", "quick", "train", "dynst-ab12", "RUNNING", "", None, None, None
)


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYNST_CONFIG", str(tmp_path / "none.toml"))
    for name in (*NAMES, "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "MLFLOW_TRACKING_URI"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def said_by(*words: str) -> Any:
    return CliRunner().invoke(cli, list(words))


def test_without_a_cluster_each_command_says_how_to_name_one(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path)
    for words in (["submit", str(sweep)], ["jobs", "list"], ["jobs", "stop", "x"]):
        error = said_by(*words).exception
        assert isinstance(error, ConfigError)
        assert str(error).startswith(
            "no cluster is named; give --address http://host:8265, set DYNST_ADDRESS, or write a "
            "profile"
        )


def test_an_address_where_nobody_listens(tmp_path: Path) -> None:
    error = said_by(
        "submit", str(write_sweep(tmp_path)), "--address", "http://127.0.0.1:1"
    ).exception
    assert isinstance(error, UnreachableError)


def test_the_code_that_travels_is_printed(
    network: SensorStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "printed_net.py").write_text("import yaml\nfrom torch import nn\n" + NETWORK)
    (tmp_path / ".env").write_text("TOKEN=secret")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(client, "connect", lambda profile: Cluster("http://host", FakeRay()))
    job = small_job(network, model={"backbone": "printed_net:Net", "window": 6, "horizon": 3})
    (tmp_path / "job.yaml").write_text(dump_spec(job))
    words = ["--address", "http://host:8265", "--home", "/shared", "--detach"]
    done = said_by("submit", str(tmp_path / "job.yaml"), *words)
    assert done.exit_code == 0, done.exception
    assert "Code of printed_net:Net: printed_net.py (" in done.stderr
    assert "; packages: PyYAML, torch\n" in done.stderr
    assert ".env" not in done.stderr


def test_the_doctor_says_what_to_do_and_fails() -> None:
    done = said_by("doctor", "--address", "http://127.0.0.1:1")
    assert done.exit_code == 1
    first, remedy = done.stdout.splitlines()
    assert first.startswith("FAIL  address        no cluster answers at http://127.0.0.1:1")
    assert remedy.strip() == "check the address, and that its port is forwarded to you"


def test_a_wrong_job_is_refused_before_any_cluster_is_asked(tmp_path: Path) -> None:
    error = said_by(
        "submit", str(write_sweep(tmp_path, trials=0)), "--address", "http://127.0.0.1:1"
    ).exception
    assert isinstance(error, ConfigError)
    assert "'trials' must be" in str(error)


class Ended(FakeRay):
    """A job that wrote a line and ended."""

    def __init__(self, status: str, exit_code: int | None, message: str = "") -> None:
        super().__init__()
        self.facts = {
            "status": status,
            "driver_exit_code": exit_code,
            "message": message,
            "metadata": {"name": "quick"},
        }

    async def tail_job_logs(self, job_id: str) -> Any:
        yield "DynST 1/4\n"

    def get_job_info(self, job_id: str) -> Any:
        return details(job_id, **self.facts)


def followed(
    ray: FakeRay, capsys: pytest.CaptureFixture[str], profile: Profile = NOWHERE
) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        following.follow(Cluster("http://host", ray), profile, JOB)
    said = capsys.readouterr()
    return int(str(ended.value.code)), said.out, said.err


def test_following_ends_with_the_jobs_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert followed(Ended("FAILED", 2), capsys) == (
        2,
        "DynST 1/4\n",
        "quick-20260101-000000-ab12: FAILED\n",
    )
    never_ran = Ended("FAILED", None, "Traceback\nno room for the job")
    assert followed(never_ran, capsys)[::2] == (
        1,
        "quick-20260101-000000-ab12: FAILED (no room for the job)\n",
    )


def test_a_tracking_server_that_is_away_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, said = followed(
        Ended("SUCCEEDED", 0), capsys, Profile(tracking_uri="http://me:secret@127.0.0.1:1")
    )
    assert code == 0
    assert (
        "MLflow run   run  in experiment 'quick' at http://127.0.0.1:1, which does not answer "
        "from here" in said
    )
    assert "secret" not in said


def test_mlflow_is_asked_where_it_is_reached_from_here(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:2")
    _, _, said = followed(Ended("SUCCEEDED", 0), capsys, Profile(tracking_uri="http://inside:5000"))
    assert "at http://127.0.0.1:2, which does not answer from here" in said


class Interrupted(Ended):
    async def tail_job_logs(self, job_id: str) -> Any:
        yield "DynST 1/4\n"
        raise KeyboardInterrupt


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT as we know it")
def test_ctrl_c_leaves_the_job_alone_and_says_how_to_find_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, _, said = followed(Interrupted("RUNNING", None), capsys)
    assert code == 130
    assert (
        said
        == "\nThe job goes on. Follow it with: dynst jobs logs dynst-ab12   Stop it with: dynst "
        "jobs stop dynst-ab12\n"
    )


class Breaking(Ended):
    """Its connection breaks in the middle of a line, and the cluster once does not answer.

    Then the job has ended.
    """

    def __init__(self) -> None:
        super().__init__("SUCCEEDED", 0)
        self.asked = 0

    def get_job_info(self, job_id: str) -> Any:
        self.asked += 1
        if self.asked == 2:
            raise RuntimeError("Request failed with status code 502")
        return details(job_id, **self.facts)

    async def tail_job_logs(self, job_id: str) -> Any:
        yield "DynST 1"
        raise ConnectionResetError

    def get_job_logs(self, job_id: str) -> str:
        return "DynST 1/4\n"


def test_nothing_is_lost_or_doubled_where_the_connection_breaks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "sleep", lambda seconds: None)
    assert followed(Breaking(), capsys)[:2] == (0, "DynST 1/4\n")


@pytest.mark.parametrize(
    "address", ["http://host:82b5", "http://host:99999", "http://[::1", "ftp://host:8265", "host:0"]
)
def test_an_address_that_is_none(address: str) -> None:
    error = said_by("jobs", "list", "--address", address).exception
    assert isinstance(error, ConfigError)
    assert str(error).startswith("the address must be that of Ray's dashboard")
