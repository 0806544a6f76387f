"""Two Ray nodes with a token, MLflow on PostgreSQL, and everything that ``dynst submit`` promises
about them.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from mlflow.tracking import MlflowClient

from infra.local.postgres import NoPostgres, programs
from tests.dynst_platform.command_line import COMMAND
from tests.waiting import wait_until

ROOT = Path(__file__).parents[4]
SCRIPT = ROOT / "infra" / "local" / "cluster.py"
SWEEP = ROOT / "jobs" / "sweeps" / "quickstart.yaml"
SMALL = (
    "trials=5",
    "job.training.epochs=8",
    "job.training.steps_per_epoch=20",
    "job.promotion.max_over_dense=0.5",
)
PATIENCE = 1200.0  # seconds for anything
SECRET = "pl4nted-s3cret"

pytestmark = [
    pytest.mark.process,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@dataclass(frozen=True)
class Local:
    """What ``infra/local`` started."""

    folder: Path
    environment: dict[str, str]

    @property
    def state(self) -> dict:
        return json.loads((self.folder / "cluster.json").read_text())

    @property
    def token(self) -> str:
        return (self.folder / "token").read_text()

    def dynst(self, *words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        command = [*COMMAND, *words]
        environment = self.environment | variables
        return subprocess.run(
            command,
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )

    def processes(self, part: str) -> list[psutil.Process]:
        """That run now; a number that now belongs to another process does not count."""
        found: dict[int, psutil.Process] = {}
        for pid, started in self.state["parts"][part]:
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                if process.create_time() == started:
                    found |= {
                        each.pid: each for each in (process, *process.children(recursive=True))
                    }
        return list(found.values())

    def trains_on(self, part: str) -> bool:
        """Whether a trial's process runs on the node; Ray names it after Tune's actor."""
        return any(
            "ImplicitFunc" in word for process in self.processes(part) for word in words_of(process)
        )


def words_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    try:
        programs()
    except NoPostgres as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("cluster")
    foreign = {"MLFLOW_TRACKING_URI", "RAY_ADDRESS"} | {
        name for name in os.environ if name.startswith("DYNST_")
    }
    environment = {name: value for name, value in os.environ.items() if name not in foreign}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "platform")])
    subprocess.run(
        [sys.executable, str(SCRIPT), "up", str(folder)],
        env=environment,
        check=True,
        timeout=PATIENCE,
    )
    try:
        yield Local(
            folder,
            environment
            | {"DYNST_CONFIG": str(folder / "config.toml"), "MLFLOW_DISABLE_TELEMETRY": "true"},
        )
    finally:
        subprocess.run(
            [sys.executable, str(SCRIPT), "down", str(folder)],
            env=environment,
            check=True,
            timeout=PATIENCE,
        )


def test_every_link_holds(local: Local) -> None:
    done = local.dynst("doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    links = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("ok")]
    assert links == [
        "address",
        "token",
        "Ray's",
        "workers",
        "versions",
        "storage",
        "space",
        "tracking",
        "GPUs",
    ]
    assert "2 nodes start our workers" in done.stdout


def test_a_wrong_token_is_one_sentence(local: Local, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("0" * 64)
    done = local.dynst("jobs", "list", "--token-file", str(tmp_path / "token"))
    assert done.returncode == 2
    assert re.fullmatch(
        r"dynst: the cluster at \S+ knows another token; name the file .*\n", done.stderr
    )


def test_an_address_of_another_server_is_one_sentence(local: Local) -> None:
    done = local.dynst("jobs", "list", "--address", local.state["tracking"])
    assert done.returncode == 1
    assert re.fullmatch(
        r"dynst: the address must be that of Ray's dashboard, mostly port 8265, but .*\n",
        done.stderr,
    )


def test_other_versions_are_one_sentence(local: Local, tmp_path: Path) -> None:
    """A machine where another torch is installed sends the job; the nodes say so."""
    (tmp_path / "torch-9.9.9.dist-info").mkdir()
    (tmp_path / "torch-9.9.9.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: torch\nVersion: 9.9.9\n"
    )
    path = os.pathsep.join([str(tmp_path), local.environment["PYTHONPATH"]])
    done = local.dynst("submit", str(ROOT / "jobs" / "quickstart.yaml"), PYTHONPATH=path)
    assert done.returncode == 1
    (sentence,) = [line for line in done.stdout.splitlines() if line.startswith("dynst: ")]
    assert re.search(
        r"node .* has torch \S+ instead of 9\.9\.9; install what constraints\.txt says", sentence
    )


def test_no_space_is_one_sentence(local: Local) -> None:
    """Said by the nodes, before any run is opened."""
    job = str(ROOT / "jobs" / "quickstart.yaml")
    done = local.dynst("submit", job, "--env", "DYNST_MIN_FREE_MIB=1e12")
    assert done.returncode == 1
    (sentence,) = [line for line in done.stdout.splitlines() if line.startswith("dynst: ")]
    assert re.search(
        r"node .* has [\d,]+ MiB left at .*/home, but a run needs at least 1,000,000,000,000; "
        r"make room",
        sentence,
    )
    assert MlflowClient(local.state["tracking"]).get_experiment_by_name("quickstart") is None


@pytest.mark.nightly
def test_from_a_sweep_to_a_champion_though_a_node_dies(local: Local) -> None:
    settings = [part for setting in SMALL for part in ("--set", setting)]
    started = local.dynst(
        "submit", str(SWEEP), *settings, "--detach", "--env", "PLANTED", PLANTED=SECRET
    )
    assert started.returncode == 0, started.stderr
    run = re.search(r"dynst jobs logs (\S+)", started.stderr)[1]
    log = local.folder / "followed.txt"
    with log.open("w") as file:
        words = [*COMMAND, "jobs", "logs", run]
        follower = subprocess.Popen(
            words, env=local.environment, stdout=file, stderr=subprocess.STDOUT
        )
        wait_until(
            "trials on both nodes",
            lambda: local.trains_on("head") and local.trains_on("second"),
            follower,
            log.read_text,
        )
        wait_until(
            "the first trial's end", lambda: "; 1 of 5" in log.read_text(), follower, log.read_text
        )
        known = [
            word
            for part in local.state["parts"]
            for process in local.processes(part)
            for word in words_of(process)
        ]
        assert not [word for word in known if SECRET in word or local.token in word], (
            "a process shows a secret in its arguments"
        )
        for process in local.processes("second"):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        code = follower.wait(PATIENCE)
    said = log.read_text()
    assert code == 0, said
    assert "quickstart-sweep: seed-0/dense done" in said
    assert re.search(r"trial \d finished; .*; 5 of 5", said)
    assert re.search(
        r"MLflow run   http://127\.0\.0\.1:\d+/#/experiments/\d+/runs/[0-9a-f]{32}\n$", said
    )
    assert SECRET not in said
    promoted = local.dynst(
        "promote",
        "quickstart-sweep",
        "--model",
        "auckland",
        MLFLOW_TRACKING_URI=local.state["tracking"],
    )
    assert promoted.returncode == 0, promoted.stdout + promoted.stderr
    assert "is version 1 of 'auckland', the champion" in promoted.stdout
    assert f"{run}\n" in local.dynst("jobs", "list").stdout


@pytest.mark.nightly
def test_a_stopped_job_is_killed_in_mlflow_too(local: Local) -> None:
    """After the node's death, on what is left of the cluster."""
    started = local.dynst(
        "submit",
        str(ROOT / "jobs" / "quickstart.yaml"),
        "--set",
        "cluster.num_workers=1",
        "--detach",
    )
    assert started.returncode == 0, started.stderr
    client = MlflowClient(local.state["tracking"])
    wait_until(
        "a run at work",
        lambda: [run for run in runs_of(client, "quickstart") if run.info.status == "RUNNING"],
    )
    stopped = local.dynst("jobs", "stop", "quickstart")
    assert "STOPPED" in stopped.stdout, stopped.stderr
    statuses = {run.info.status for run in runs_of(client, "quickstart")}
    assert "KILLED" in statuses, "an arm before it may have ended"
    assert "RUNNING" not in statuses
    status = local.dynst("jobs", "status", "quickstart")
    assert re.search(r"state +STOPPED", status.stdout)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow's client would wait for minutes for a server that is away."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")


def runs_of(client: MlflowClient, experiment: str) -> list:
    found = client.get_experiment_by_name(experiment)
    return [] if found is None else list(client.search_runs([found.experiment_id]))


def test_a_secret_is_in_no_log_and_no_run(local: Local) -> None:
    """Nor in MLflow's database; only in the package that travelled, which nobody else can read."""
    places = (local.folder, Path(local.state["temporary"]), Path(local.state["database"]))
    left = {path: contents(path) for place in places for path in place.rglob("*") if path.is_file()}
    holding = {path for path, found in left.items() if SECRET.encode() in found}
    assert {path.name for path in holding} <= {".dynst-carried.json"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in holding)
    token = local.token.encode()
    assert [path for path, found in left.items() if token in found] == [local.folder / "token"]


def contents(path: Path) -> bytes:
    """Empty where it is gone by now: Ray and PostgreSQL are at work there."""
    try:
        return path.read_bytes()
    except OSError:
        return b""
