"""What travels to a cluster runs there, and holds no data."""

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import dynst
import dynst_platform
from dynst.data.store import SensorStore
from dynst.errors import ConfigError
from dynst_platform.config.files import load_job, load_sweep
from dynst_platform.config.submission_context import SubmissionContext
from dynst_platform.execution import job_package as package
from dynst_platform.execution.job_package import JOB, make_package, network_codes
from dynst_platform.network_code.our_packages import copy_package
from tests.dynst_platform.commands.train.test_train import small_job
from tests.dynst_platform.commands.tune.samples import make_sweep

OWN = "own_net/__init__.py"
CODE = """\
from torch import nn


class Net(nn.Module):
    def __init__(self, window, horizon):
        super().__init__()
        self.ahead = nn.Linear(window, horizon)

    def forward(self, readings):
        return self.ahead(readings.movedim(1, -1)).movedim(-1, 1)
"""


def test_it_holds_our_packages_the_job_and_no_data(network: SensorStore, tmp_path: Path) -> None:
    job = small_job(network)
    make_package(tmp_path, job, SubmissionContext("id"))
    assert {path.name for path in tmp_path.iterdir()} == {
        "dynst",
        "dynst_platform",
        JOB,
        ".dynst-carried.json",
    }
    assert load_job(tmp_path / JOB) == job
    assert not list(tmp_path.rglob("__pycache__"))
    assert not list(tmp_path.rglob("*.arrow"))


def test_the_command_line_runs_from_it(network: SensorStore, tmp_path: Path) -> None:
    make_package(tmp_path, small_job(network), SubmissionContext("id"))
    words = [sys.executable, "-c", "import dynst, dynst_platform.main; print(dynst.__file__)"]
    done = subprocess.run(
        words,
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(tmp_path / "dynst" / "__init__.py")


def test_a_sweep_comes_back_as_it_was(tmp_path: Path) -> None:
    sweep = make_sweep()
    make_package(tmp_path, sweep, SubmissionContext("id"))
    assert load_sweep(tmp_path / JOB) == sweep


def test_a_network_of_the_users_own_travels(
    network: SensorStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "code" / "own_net").mkdir(parents=True)
    (tmp_path / "code" / OWN).write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path / "code")
    sent = tmp_path / "sent"
    sent.mkdir()
    make_package(
        sent,
        small_job(network, model={"backbone": "own_net:Net", "window": 6, "horizon": 3}),
        SubmissionContext("id"),
    )
    assert (sent / OWN).read_text() == CODE


def test_of_its_folder_only_what_it_imports_travels(
    network: SensorStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, sent = tmp_path / "code", tmp_path / "sent"
    (here / "lone_net" / ".git").mkdir(parents=True)
    sent.mkdir()
    (here / "lone_net" / "__init__.py").write_text("from lone_net.net import Net\n")
    (here / "lone_net" / "net.py").write_text(CODE)
    (here / ".dynstignore").write_text("!lone_net/scales.json\n")
    (here / "lone_net" / "scales.json").write_text("{}")
    for name in (".env", ".git/config", "id_rsa", "data.csv", "unused.py"):
        (here / "lone_net" / name).write_text("planted-secret")
    monkeypatch.syspath_prepend(here)
    job = small_job(network, model={"backbone": "lone_net:Net", "window": 6, "horizon": 3})
    make_package(sent, job, SubmissionContext("id"))
    own = {path.name for path in (sent / "lone_net").rglob("*")}
    assert own == {"__init__.py", "net.py", "scales.json"}
    assert (sent / ".dynstignore").exists(), "the driver there logs the same files"
    texts = [path.read_bytes() for path in sent.rglob("*") if path.is_file()]
    assert not [text for text in texts if b"planted-secret" in text]
    assert [sorted(code.files) for code in network_codes(job)] == [
        ["lone_net/__init__.py", "lone_net/net.py", "lone_net/scales.json"]
    ]


def test_of_our_own_packages_only_their_files_travel(tmp_path: Path) -> None:
    source = tmp_path / "some_package"
    (source / ".git").mkdir(parents=True)
    for name in ("__init__.py", "py.typed", "page.html", ".env", ".git/a.py", "key.pem", "d.csv"):
        (source / name).write_text("")
    package = ModuleType("some_package")
    package.__file__ = str(source / "__init__.py")
    copy_package(package, tmp_path / "sent")
    sent = {path.name for path in (tmp_path / "sent" / "some_package").iterdir()}
    assert sent == {"__init__.py", "py.typed", "page.html"}


@pytest.mark.parametrize("package", [dynst, dynst_platform], ids=lambda module: module.__name__)
def test_all_that_our_packages_need_travels(package: ModuleType, tmp_path: Path) -> None:
    copy_package(package, tmp_path)
    source = Path(str(package.__file__)).parent
    needed = {path.relative_to(source) for path in source.rglob("*") if path.is_file()}
    needed = {path for path in needed if "__pycache__" not in path.parts}
    copied = tmp_path / source.name
    assert {path.relative_to(copied) for path in copied.rglob("*") if path.is_file()} == needed


def test_a_choice_of_sensors_travels(network: SensorStore, tmp_path: Path) -> None:
    choice = tmp_path / "mine.csv"
    choice.write_text("sensor\ns1\n")
    job = small_job(network, references={"dense": False, "random": 0, "given": str(choice)})
    sent = tmp_path / "sent"
    sent.mkdir()
    make_package(sent, job, SubmissionContext("id"))
    assert (sent / "choice.csv").read_text() == "sensor\ns1\n"
    assert "given: choice.csv" in (sent / JOB).read_text()


def test_more_than_ray_takes_is_one_sentence(
    network: SensorStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package, "LIMIT", 2**20 // 4)
    with pytest.raises(
        ConfigError, match=r"must be at most 0 MiB, but is \d MiB, most of it dynst"
    ):
        make_package(tmp_path, small_job(network), SubmissionContext("id"))
