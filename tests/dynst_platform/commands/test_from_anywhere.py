"""What was started in one folder goes on from another: runs and sweeps with a relative store, a
store that has moved, and a network that is found in its own folder alone.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow.tracking import MlflowClient

from dynst.data.store import SensorStore, open_store
from dynst_platform.commands.ablate.tasks import ablation_tasks
from dynst_platform.commands.curve.tasks import curve_tasks
from dynst_platform.commands.tune import workflow as tune_workflow
from dynst_platform.commands.tune.warm_up import warm_up_task
from dynst_platform.config.files import check_job
from dynst_platform.execution import worker
from dynst_platform.execution.worker import checkpoints_of
from dynst_platform.tracking.cursor import Cursor
from tests.conftest import with_tracking_store, write_network
from tests.dynst_platform.command_line import JOB, dynst_here
from tests.dynst_platform.commands.train.test_own_backbone import NETWORK
from tests.dynst_platform.commands.tune.samples import JOB as BASE
from tests.dynst_platform.commands.tune.samples import write_sweep

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow", "ignore::FutureWarning:mlflow"),
    pytest.mark.usefixtures("quick_pictures"),
]
FEW = ["references.dense=false", "references.random=0", "training.epochs=3"]


@pytest.fixture
def project(
    tmp_path: Path,
    network: SensorStore,
    tracking_template: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A folder with a job that names its store as seen from there."""
    monkeypatch.setenv("DYNST_HOME", "of this process")  # which a resumed run may set
    monkeypatch.setattr(
        worker, "time_inference", lambda *_: type("Timing", (), {"speed_up": 1.0})()
    )
    folder = tmp_path / "project"
    with_tracking_store(folder / "runs", tracking_template)
    shutil.copytree(network.path, folder / "network")
    (folder / "job.yaml").write_text(JOB.format(store="network"))
    (tmp_path / "elsewhere").mkdir()
    return folder


def interrupted(project: Path, *words: str) -> Path:
    """The folder of a run that was stopped after its first checkpoint."""
    save = worker.ResumableRun._save

    def save_and_end(run: worker.ResumableRun, best: bool = False) -> None:
        save(run, best)
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker.ResumableRun, "_save", save_and_end)
        done = dynst_here("train", *words, "--quiet", cwd=project)
    assert done.returncode == 130, done.stderr
    (folder,) = (path for path in (project / "runs").glob("*/2*") if path.is_dir())
    return folder


def new(project: Path, *settings: str) -> Path:
    words = [word for setting in (*FEW, *settings) for word in ("--set", setting)]
    return interrupted(project, "job.yaml", *words)


def resumed(folder: Path, *settings: str) -> subprocess.CompletedProcess[str]:
    elsewhere = folder.parents[3] / "elsewhere"
    words = [word for setting in settings for word in ("--set", setting)]
    return dynst_here("train", "--resume", folder, "--quiet", *words, cwd=elsewhere)


def states(project: Path) -> list[str]:
    client = MlflowClient(f"sqlite:///{project}/runs/mlflow.db")
    experiments = [each.experiment_id for each in client.search_experiments()]
    return [run.info.status for run in client.search_runs(experiments)]


def test_a_relative_store_is_found_from_another_folder(project: Path) -> None:
    folder = new(project)
    assert states(project) == ["KILLED"]
    done = resumed(folder)
    assert done.returncode == 0, done.stderr
    assert states(project) == ["FINISHED"], "in the home of the run, not in one of that folder"
    assert list((project.parent / "elsewhere").iterdir()) == []


def test_a_store_that_moved_is_named_once(project: Path) -> None:
    folder = new(project)
    moved = (project / "network").rename(project / "data")
    done = resumed(folder)
    assert done.returncode == 2
    assert "no sensor store at" in done.stderr
    assert "add --set data.store=PLACE" in done.stderr
    again = interrupted(project, "--resume", str(folder), "--set", "data.store=data")
    assert again == folder
    assert Cursor.open(folder).state.store == str(moved)
    assert resumed(folder).returncode == 0
    assert states(project) == ["FINISHED"]


def test_another_store_is_refused(project: Path, tmp_path: Path) -> None:
    folder = new(project)
    write_network(tmp_path / "other", seed=3)
    done = resumed(folder, f"data.store={tmp_path / 'other'}")
    assert done.returncode == 2
    assert "must go on with the data it was started with" in done.stderr
    assert Cursor.open(folder).state.store == str(project / "network")
    assert states(project) == ["KILLED"]


def test_a_moved_home_has_its_own_choice_of_sensors(project: Path) -> None:
    (project / "choice.csv").write_text("sensor\ns0\ns1\ns2\ns3\n")
    folder = new(project, "references.given=choice.csv")
    moved = project.parent / "moved"
    shutil.copytree(project, moved)
    shutil.rmtree(folder)
    done = resumed(moved / folder.relative_to(project), f"data.store={moved / 'network'}")
    assert done.returncode == 0, done.stderr


def test_a_network_of_another_folder_is_the_one_that_was_kept(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "own_net_here.py").write_text(NETWORK)
    with monkeypatch.context() as patch:
        patch.syspath_prepend(str(project))
        folder = new(project, "model.backbone={name: own_net_here:MyNet}")
    (project / "own_net_here.py").unlink()
    del sys.modules["own_net_here"]
    monkeypatch.setattr(sys, "path", list(sys.path))
    done = resumed(folder)
    assert done.returncode == 0, done.stderr
    del sys.modules["own_net_here"]


def job(store: str, **own: Any) -> Any:
    return check_job({"name": "small", "data": {"store": store}} | own)


def test_work_is_the_same_wherever_it_is_called_from(
    network: SensorStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    store = open_store(shutil.copytree(network.path, tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    names = []
    for folder, name in ((tmp_path, "store"), (tmp_path / "elsewhere", "../store")):
        monkeypatch.chdir(folder)
        spec = job(name, model={"window": 6, "horizon": 3})
        tasks = [*curve_tasks(spec, store), *ablation_tasks(spec, store), warm_up_task(spec, store)]
        names.append([task.folder for task in tasks])
    assert names[0] == names[1]


def test_a_checkpoint_belongs_to_data_and_not_to_their_place(
    network: SensorStore, tmp_path: Path
) -> None:
    given = {"references": {"given": str(tmp_path / "choice.csv")}}
    here = checkpoints_of(job("network"), network, tmp_path)
    there = checkpoints_of(job("/data/network", **given), network, tmp_path)
    assert here.spec == there.spec
    held = {key: here.spec[key] for key in ("data_digest", "decisions_digest")}
    of_before = job("network", **given).model_dump(mode="json", exclude={"cluster"}) | held
    assert there._upgraded(of_before) == here.spec, "an earlier DynST wrote places too"
    assert there._upgraded(here.spec) == here.spec
    lacking = {key: value for key, value in here.spec.items() if key != "sparsity"}
    assert lacking != here.spec
    assert there._upgraded(lacking) == here.spec, "what it did not know counts as its default"


def test_what_a_checkpoint_of_before_did_not_know_is_as_it_was(
    network: SensorStore, tmp_path: Path
) -> None:
    was = {"search": {"withhold": False}, "model": {"location_blocks": 0, "kriging": False}}
    before = checkpoints_of(job("network", **was), network, tmp_path)
    spec = {key: value for key, value in before.spec.items() if key != "search"}
    spec["model"] = {key: spec["model"][key] for key in spec["model"] if key not in was["model"]}
    assert before._upgraded(spec) == before.spec


def test_a_sweep_goes_on_from_anywhere(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its folder or its run; only where its store lies may be said anew."""
    (project / "choice.csv").write_text("sensor\ns0\ns1\ns2\ns3\n")
    own = {"data": {"store": "network"}, "references": {"given": "choice.csv"}}
    write_sweep(project, job=BASE | own, searcher="random", trials=1)
    stores: list[Path] = []

    def stopped(sweep: object, store: SensorStore, on_task: object) -> None:
        stores.append(store.path)
        raise KeyboardInterrupt

    monkeypatch.setattr(tune_workflow, "_shared_work", stopped)
    assert dynst_here("tune", "sweep.yaml", "--quiet", cwd=project).returncode == 130
    (folder,) = (project / "runs" / "sweep").glob("sweep-*")
    elsewhere = project.parent / "elsewhere"
    done = dynst_here("tune", "--resume", folder, "--quiet", cwd=elsewhere)
    assert done.returncode == 130, done.stderr
    assert states(project) == ["KILLED"], "the same run"
    moved = (project / "network").rename(project / "data")
    refused = dynst_here("tune", "--resume", folder, "--quiet", cwd=elsewhere)
    assert refused.returncode == 2
    assert "add --set job.data.store=PLACE" in refused.stderr
    other = dynst_here("tune", "--resume", folder, "--set", "trials=3", cwd=elsewhere)
    assert (other.returncode, "leave --set out" in other.stderr) == (2, True)
    for words in (["--set", f"job.data.store={moved}"], []):
        done = dynst_here("tune", "--resume", folder, "--quiet", *words, cwd=elsewhere)
        assert done.returncode == 130, done.stderr
    assert stores == [project / "network"] * 2 + [moved] * 2
    assert yaml.safe_load((folder / "sweep.yaml").read_text())["job"]["data"]["store"] == str(moved)
    assert list(elsewhere.iterdir()) == []
