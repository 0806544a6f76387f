"""A logged model with a network of the user's own: what of its folder was logged, and that its code
runs where it is trusted alone.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import dynst_platform
from dynst.data.store import SensorStore
from dynst_platform.commands.compare.workflow import compare
from dynst_platform.commands.forecast.workflow import forecast
from dynst_platform.commands.promote.workflow import promote
from dynst_platform.commands.sensors.workflow import plan_of
from dynst_platform.commands.train import workflow as use_case
from dynst_platform.config.job import JobSpec
from dynst_platform.errors import RefusedError
from dynst_platform.network_code.trust import TRUSTED
from dynst_platform.tracking.sync import sync
from tests.conftest import save_one_pixel, with_tracking_store
from tests.dynst_platform.command_line import COMMAND, clean_environment, dynst_here
from tests.dynst_platform.commands.train.test_train import small_job
from tests.dynst_platform.model_registry.conftest import EASY

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:mlflow", "ignore::FutureWarning:mlflow"
)
FILES = {
    "site_net/__init__.py": "",
    "site_net/net.py": (
        "import yaml\n"
        "from torch import nn\n"
        "from site_net.width import WIDTH\n\n\n"
        "class Net(nn.Module):\n"
        "    def __init__(self, window, horizon):\n"
        "        super().__init__()\n"
        "        self.ahead = nn.Sequential(\n"
        "            nn.Linear(window, WIDTH), nn.Linear(WIDTH, horizon)\n        )\n\n"
        "    def forward(self, readings):\n"
        "        from site_net.late import turned\n\n"
        "        return turned(self.ahead(turned(readings)))\n"
    ),
    "site_net/width.py": "WIDTH = 8\n",
    "site_net/late.py": "def turned(values):\n    return values.transpose(1, -1)\n",
    "site_net/unused.py": "",
    "site_net/.env": "TOKEN=planted-secret\n",
    ".env": "TOKEN=planted-secret\n",
    ".git/config": "planted-secret\n",
    "id_rsa": "planted-secret\n",
    "data.csv": "planted-secret\n",
    "site_net/data.csv": "planted-secret\n",
}
LOGGED = ["site_net/__init__.py", "site_net/late.py", "site_net/net.py", "site_net/width.py"]
NAME = "own-network"


@dataclass(frozen=True)
class Own:
    home: Path
    folder: Path  # that the network is imported from
    run: str
    store: SensorStore


def forget() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "site_net"]:
        del sys.modules[name]


def own_job(network: SensorStore, name: str) -> JobSpec:
    return small_job(
        network,
        name=name,
        model={"backbone": "site_net.net:Net", "window": 6, "horizon": 3},
        references={"dense": True, "random": 0},
        promotion=EASY,
    )


@pytest.fixture(scope="module")
def own_once(
    tmp_path_factory: pytest.TempPathFactory, network: SensorStore, tracking_template: Path
) -> Own:
    """A training with its network on the path, which it is on no more."""
    home = with_tracking_store(tmp_path_factory.mktemp("own") / "home", tracking_template)
    folder = home.parent / "project"
    for path, text in FILES.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DYNST_HOME", str(home))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.syspath_prepend(str(folder))
        patch.setattr("matplotlib.figure.Figure.savefig", save_one_pixel)
        outcome = use_case.train(own_job(network, NAME), network, lambda report: None)
        assert not outcome.queued_note
    forget()
    return Own(home, folder, outcome.run_id, network)


@pytest.fixture
def own(own_once: Own, monkeypatch: pytest.MonkeyPatch) -> Iterator[Own]:
    """Where nothing is trusted yet, and the network cannot be imported."""
    monkeypatch.setenv("DYNST_HOME", str(own_once.home))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (own_once.home / TRUSTED).unlink(missing_ok=True)
    forget()
    yield own_once
    assert not [name for name in sys.modules if name.startswith("site_net")], "it was set aside"


@pytest.fixture
def another(own: Own, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A network of the same name here that leaves a file when it is imported."""
    planted = tmp_path / "planted"
    folder = tmp_path / "here" / "site_net"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(f"open({str(planted)!r}, 'w').write('it ran')\n")
    monkeypatch.syspath_prepend(str(folder.parent))
    yield planted
    forget()


def root_of(own: Own) -> Path:
    (output,) = (
        path.parent
        for path in (own.home / "artifacts").rglob("MLmodel")
        if f"run_id: {own.run}" in path.read_text()
    )
    return output


def test_what_is_logged_is_what_it_imports(own: Own) -> None:
    code = root_of(own) / "code"
    files = {path.relative_to(code).as_posix() for path in code.rglob("*") if path.is_file()}
    assert sorted(path for path in files if not path.startswith("dynst/")) == LOGGED
    everything = [path for path in own.home.rglob("*") if path.is_file()]
    assert not [path for path in everything if b"planted-secret" in path.read_bytes()]


def test_its_packages_are_requirements(own: Own) -> None:
    import yaml

    lines = (root_of(own) / "requirements.txt").read_text().splitlines()
    assert f"PyYAML=={yaml.__version__}" in lines
    assert len([line for line in lines if line.lower().startswith("torch==")]) == 1


def test_it_runs_once_it_is_trusted_and_needs_no_path(own: Own) -> None:
    words = ["forecast", own.run, str(own.store.path)]
    home = {"DYNST_HOME": str(own.home)}
    refused = dynst_here(*words, cwd=own.home, **home)
    assert refused.returncode == 3
    assert refused.stdout == ""
    assert "which is not trusted here" in refused.stderr
    assert "--trust-code" in refused.stderr
    for path in LOGGED:
        assert f"code/{path} " in refused.stderr
    trusted = dynst_here(*words, "--trust-code", cwd=own.home, **home)
    assert (trusted.returncode, trusted.stderr) == (0, "")
    again = dynst_here(*words, cwd=own.home, **home)
    assert (again.returncode, again.stdout) == (0, trusted.stdout)


def test_what_is_remembered_is_the_code_and_no_name(own: Own) -> None:
    forecast(own.run, str(own.store.path), trust_code=True)
    path = own.home / TRUSTED
    (digest,) = json.loads(path.read_text())["trusted"]
    path.write_text(path.read_text().replace(digest, digest[::-1]))
    with pytest.raises(RefusedError):
        forecast(own.run, str(own.store.path))


def test_what_stands_here_with_the_same_content_needs_no_trust(
    own: Own, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(own.folder))
    assert len(forecast(own.run, str(own.store.path)).table) == 3
    assert not (own.home / TRUSTED).exists()
    forget()


def test_another_network_of_its_name_here_is_not_what_runs(own: Own, another: Path) -> None:
    with pytest.raises(RefusedError, match="is not what an import here finds"):
        forecast(own.run, str(own.store.path))
    found = forecast(own.run, str(own.store.path), trust_code=True)
    assert len(found.table) == 3
    assert not another.exists(), "a model runs with the code that it was trained with, or not"


def test_every_command_that_runs_it_asks(own: Own, tmp_path: Path) -> None:
    from dynst_platform.commands.export.workflow import export

    with pytest.raises(RefusedError):
        plan_of(own.run, None)
    with pytest.raises(RefusedError):
        export(own.run, "torch-export", tmp_path / "model.pt2")
    with pytest.raises(RefusedError):
        promote(NAME, "counters", {}, None, dry_run=True)
    with pytest.raises(RefusedError):
        dynst_platform.load_model(own.run)
    assert plan_of(own.run, None, trust_code=True).sensors["on"].sum() == 4
    assert export(own.run, "torch-export", tmp_path / "model.pt2") < 1e-4


def test_a_promotion_measures_the_logged_network(own: Own, another: Path) -> None:
    """In a process of its own, where another network of its name is found first."""
    decision = promote(NAME, "counters", {}, None, dry_run=True, trust_code=True)
    assert decision.promoted, decision.reasons
    assert not another.exists()


def test_a_loaded_model_keeps_its_network(own: Own, another: Path) -> None:
    """What its forward imports comes from its own code too, at any time."""
    model = dynst_platform.load_model(own.run, trust_code=True)
    table = model.predict(model.input_example)
    shutil.rmtree(another.parent / "here")
    assert model.predict(model.input_example).equals(table)
    assert not another.exists()


def test_a_comparison_runs_no_code_of_a_model(own: Own, another: Path, tmp_path: Path) -> None:
    rows = compare(NAME).rows
    assert own.run in {row["run_id"] for row in rows}
    home = {"DYNST_HOME": str(own.home)}
    page = ["compare", NAME, "--html", str(tmp_path / "page.html")]
    done = dynst_here(*page, cwd=tmp_path, **home)
    assert done.returncode == 0, done.stderr
    assert "site_net" not in sys.modules
    assert not another.exists()


def test_a_later_delivery_has_the_code_that_was_trained(
    own: Own, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user's file is edited after a training without MLflow, and is on no path any more."""
    copy, home = shutil.copytree(own.folder, tmp_path / "project"), tmp_path / "home"
    (copy / ".dynstignore").write_text("!site_net/data.csv\n")
    monkeypatch.setenv("DYNST_HOME", str(home))
    monkeypatch.syspath_prepend(str(copy))
    job = own_job(own.store, "later")
    use_case.train(job, own.store, lambda report: None, offline=True)
    (copy / "site_net" / "width.py").write_text("WIDTH = 9\n")
    monkeypatch.undo()
    forget()
    monkeypatch.setenv("DYNST_HOME", str(home))
    (folder,) = (home / "later").iterdir()
    assert sync(folder) > 0
    (width,) = {
        path.read_text() for path in (home / "artifacts" / "later").rglob("code/site_net/width.py")
    }
    assert width == "WIDTH = 8\n"
    data = (home / "artifacts" / "later").rglob("code/site_net/data.csv")
    assert len(list(data)) == 2, "of both arms, since its ignore file names it"


@pytest.mark.process
def test_from_a_clean_folder_without_a_path(own: Own, tmp_path: Path) -> None:
    environment = clean_environment(DYNST_HOME=str(own.home))
    words = [*COMMAND, "forecast", own.run, str(own.store.path)]

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*words, *more],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    refused = run()
    assert (refused.returncode, refused.stdout) == (3, "")
    done = run("--trust-code")
    assert done.returncode == 0, done.stderr
    assert run().stdout == done.stdout
