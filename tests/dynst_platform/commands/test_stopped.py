"""A start that is stopped or refused at any call of MLflow: nothing in it is left at work, and no
folder is left that nobody can go on with.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import current_thread, main_thread
from typing import Any

import pytest
import yaml
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from dynst.data.store import SensorStore
from dynst_platform.commands.train import workflow as train_workflow
from dynst_platform.commands.tune import workflow as tune_workflow
from dynst_platform.studies import study
from dynst_platform.tracking.cursor import folder_lock
from tests.conftest import with_tracking_store
from tests.dynst_platform.command_line import JOB, clean_environment, dynst_here

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:mlflow", "ignore::FutureWarning:mlflow"
)
CALLS = [
    name
    for name in vars(MlflowClient)
    if not name.startswith("_") and callable(getattr(MlflowClient, name))
]
MOST_CALLS = 40
COMMANDS = ("train", "curve", "ablate", "tune")
WORK = {  # where each begins to work
    "train": (train_workflow, "launch"),
    "curve": (study, "run_tasks"),
    "ablate": (study, "run_tasks"),
    "tune": (tune_workflow, "_shared_work"),
}


class Reached(Exception):
    """The work itself, which is not what is tested here."""


class Bench:
    """A folder with a job and a sweep, and a home in it."""

    def __init__(self, folder: Path, store: SensorStore, template: Path) -> None:
        self.folder, self.home = folder, with_tracking_store(folder / "runs", template)
        job = JOB.format(store=store.path)
        (folder / "job.yaml").write_text(job)
        sweep = {
            "name": "small",
            "job": yaml.safe_load(job),
            "space": {"sparsity.final": {"uniform": [0.2, 0.7]}},
            "searcher": "random",
            "trials": 2,
        }
        (folder / "sweep.yaml").write_text(yaml.safe_dump(sweep))
        self.client = MlflowClient(f"sqlite:///{self.home}/mlflow.db")

    def run(
        self, command: str, *words: str, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        file = "sweep.yaml" if command == "tune" else "job.yaml"
        return dynst_here(command, file, "--quiet", *words, cwd=self.folder, **environment)

    def run_id(self, arm: str) -> str:
        (experiment,) = self.client.search_experiments(filter_string="name = 'small'")
        runs = self.client.search_runs([experiment.experiment_id], f"tags.`dynst.arm` = '{arm}'")
        return str(runs[0].info.run_id)

    def contents(self) -> list[str]:
        """Of the home, but what it remembers of stores."""
        return sorted(str(path) for path in self.home.rglob("*") if ".verified" not in path.parts)

    def states(self) -> list[str]:
        experiments = [each.experiment_id for each in self.client.search_experiments()]
        return [run.info.status for run in self.client.search_runs(experiments)]

    def folders(self) -> set[str]:
        known = self.home / "small"
        return {path.name for path in known.iterdir()} if known.exists() else set()


@pytest.fixture
def bench(tmp_path: Path, network: SensorStore, tracking_template: Path) -> Bench:
    return Bench(tmp_path, network, tracking_template)


def at_each_call(
    action: Callable[[], None], run: Callable[[], Any], after: bool = True
) -> Iterator[Any]:
    """What ``run`` gives where ``action`` is done at the first call of MLflow, the second, …"""
    for number in range(1, MOST_CALLS):
        count = 0

        def wrapped(method: Callable[..., Any], number: int = number) -> Callable[..., Any]:
            def call(*arguments: Any, **named: Any) -> Any:
                nonlocal count
                if current_thread() is not main_thread():
                    return method(*arguments, **named)
                count += 1
                due = count == number
                if due and not after:
                    action()
                result = method(*arguments, **named)
                if due and after:
                    action()
                return result

            return call

        with pytest.MonkeyPatch.context() as patch:
            for name in CALLS:
                patch.setattr(MlflowClient, name, wrapped(getattr(MlflowClient, name)))
            done = run()
        yield done
        if count < number:
            return


def stop() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("command", COMMANDS)
def test_stopped_at_any_call_nothing_is_left_at_work(
    command: str, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last times while it works, and again while that ends."""
    monkeypatch.setattr(*WORK[command], lambda *_: stop())
    known: set[str] = set()
    for done in at_each_call(stop, lambda: bench.run(command)):
        assert done.returncode == 143, done.stderr
        assert "dynst: stopped by SIGTERM" in done.stderr
        assert "Traceback" not in done.stderr
        assert set(bench.states()) <= {"KILLED"}
        new = {name for name in bench.folders() - known if name != "pieces"}
        known |= new
        how = [f"go on with: dynst {command} --resume runs/small/{name}" for name in new]
        assert command not in ("train", "tune") or all(line in done.stderr for line in how)
        assert len(new) <= 1
    assert bench.states()
    if command in ("curve", "ablate"):
        assert "what is finished is kept, and the same command does the rest" in done.stderr
    else:
        assert new, "the last one had begun"


@pytest.mark.parametrize("command", COMMANDS)
def test_refused_at_any_call_nothing_is_left_at_work(
    command: str, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(*_: object) -> None:
        raise Reached

    def refuse() -> None:
        raise MlflowException("no")

    monkeypatch.setattr(*WORK[command], work)
    for done in at_each_call(refuse, lambda: bench.run(command), after=False):
        if "Reached" in done.stderr:
            break
        assert done.returncode == 1, done.stderr
        assert "Traceback" not in done.stderr
        assert "(no)" in done.stderr
        assert set(bench.states()) <= {"FAILED"}
        assert bench.folders() == set()
    assert "Reached" in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("settings", "environment", "code", "sentence"),
    [
        ({"data.store": "nowhere"}, {}, 2, "no sensor store at"),
        (
            {"cluster.address": "127.0.0.1:9", "cluster.num_workers": 1},
            {},
            1,
            "must name a Ray cluster that runs",
        ),
        ({}, {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}, 1, "127.0.0.1:9"),
    ],
)
def test_a_refused_start_leaves_nothing(
    command: str,
    bench: Bench,
    settings: dict[str, Any],
    environment: dict[str, str],
    code: int,
    sentence: str,
) -> None:
    before = bench.contents()
    prefix = "job." if command == "tune" else ""
    words = [word for key in settings for word in ("--set", f"{prefix}{key}={settings[key]}")]
    done = bench.run(command, *words, **environment)
    assert done.returncode == code, done.stderr
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert bench.states() == []
    assert bench.contents() == before


def test_checkpoints_that_cannot_be_written_are_refused_before_anything(bench: Bench) -> None:
    (bench.folder / "file").touch()
    done = bench.run("train", "--set", f"cluster.checkpoints={bench.folder}/file/checkpoints")
    assert done.returncode == 2
    assert "cannot be read or written" in done.stderr
    assert (bench.states(), bench.folders()) == ([], set())


def test_a_refused_start_leaves_no_checkpoints_folder(bench: Bench) -> None:
    done = bench.run(
        "train",
        "--set",
        f"cluster.checkpoints={bench.folder}/checkpoints",
        MLFLOW_TRACKING_URI="http://127.0.0.1:9",
    )
    assert done.returncode == 1
    assert list((bench.folder / "checkpoints").iterdir()) == []


@pytest.mark.parametrize("command", ["curve", "ablate", "tune"])
def test_two_at_once_are_one(command: str, bench: Bench) -> None:
    pieces = bench.home / "small" / "pieces"
    pieces.mkdir(parents=True)
    with folder_lock(pieces):
        done = bench.run(command)
    assert done.returncode == 1, done.stderr
    assert f"{pieces} belongs to process {os.getpid()}, which still works in it" in done.stderr
    assert bench.states() == []
    assert bench.folders() == {"pieces"}


def test_a_live_sweep_is_not_resumed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*WORK["tune"], lambda *_: stop())
    bench.run("tune")
    (folder,) = (bench.home / "small").glob("sweep-*")
    with folder_lock(folder):
        for name in (str(folder), bench.run_id("sweep")):
            done = dynst_here("tune", "--resume", name, "--quiet", cwd=bench.folder)
            assert done.returncode == 1, done.stderr
            assert "which still works in it; wait for its end" in done.stderr
    assert bench.states() == ["KILLED"], "MLflow was not touched"


KILLED = """
import os
from dynst_platform.main import main
from dynst_platform.studies import study
study.run_tasks = lambda *_: os.kill(os.getpid(), 9)
main()
"""


@pytest.mark.parametrize(
    ("command", "arm", "after"), [("curve", "curve", "sync"), ("ablate", "ablation", "the same")]
)
def test_the_run_of_a_killed_study_is_ended(
    command: str, arm: str, after: str, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the next command that may: the process could not say a word."""
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, command, "job.yaml"],
        cwd=bench.folder,
        env=clean_environment(),
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert bench.states() == ["RUNNING"]
    run = bench.client.get_run(bench.run_id(arm))
    if after == "sync":
        done = dynst_here("sync", cwd=bench.folder)
        assert "runs/small: the run of a study that was killed is ended" in done.stdout
        again = dynst_here("sync", cwd=bench.folder)
        assert again.stdout == "nothing is waiting in runs\n"
    else:
        monkeypatch.setattr(*WORK[command], lambda *_: stop())
        assert bench.run(command).returncode == 143
        assert sorted(bench.states()) == ["KILLED", "KILLED"]
    ended = bench.client.get_run(run.info.run_id)
    assert (ended.info.status, ended.info.end_time is not None) == ("KILLED", True)
    assert ended.data.tags["dynst.reason"] == "its process was killed"


def test_a_study_that_goes_on_is_left_alone(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def work(*_: object) -> None:
        seen.append(dynst_here("sync", cwd=bench.folder).stdout)
        (bench.home / "seen").write_text("".join([*seen, *bench.states()]))
        stop()

    monkeypatch.setattr(*WORK["curve"], work)
    assert bench.run("curve").returncode == 143
    assert (bench.home / "seen").read_text() == "nothing is waiting in runs\nRUNNING"
