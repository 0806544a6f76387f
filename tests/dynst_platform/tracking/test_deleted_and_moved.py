"""What others delete in MLflow, and homes that are moved: the rest goes on, and what is missing is
said.
"""

import shutil
from pathlib import Path

import pytest
from mlflow.entities import ViewType
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient

from dynst.data.store import SensorStore, open_store
from dynst.errors import ArtifactError, ConfigError
from dynst_platform.commands.export.workflow import export
from dynst_platform.commands.forecast.workflow import forecast
from dynst_platform.commands.sensors.workflow import plan_of
from dynst_platform.commands.train.workflow import Outcome
from dynst_platform.commands.tune.workflow import find_sweep
from dynst_platform.config.job import ClusterSpec
from dynst_platform.config.locations import artifact_root, tracking_uri
from dynst_platform.model_registry.lock import alone_with
from dynst_platform.model_registry.references import fetched, model_id_of
from dynst_platform.model_registry.versions import register
from dynst_platform.tracking.cursor import Cursor
from dynst_platform.tracking.mlflow_runs import Tracker
from dynst_platform.tracking.model_files import FILES_TAG
from dynst_platform.tracking.report_file import REPORTS
from dynst_platform.tracking.run_folder import find_run, mark_finished, recorded_job
from dynst_platform.tracking.sync import sync, waiting_folders
from tests.dynst_platform.commands.train.test_train import small_job
from tests.dynst_platform.tracking.test_sync import (
    copied,
    elsewhere,
    offline,  # noqa: F401 (a fixture)
    without_pictures,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow", "ignore::FutureWarning:mlflow"),
]


@pytest.fixture
def notices(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    for module in ("mlflow_runs", "experiments"):
        monkeypatch.setattr(f"dynst_platform.tracking.{module}.notice", found.append)
    return found


@pytest.fixture
def folder(
    offline: tuple[Path, Outcome],  # noqa: F811
    tracked_home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A run of one arm in MLflow: its end, and the epoch before it."""
    without_pictures(monkeypatch)
    folder = copied(offline[1], tracked_home)
    lines = [line for line in (folder / REPORTS).read_text().splitlines() if '"dynst"' in line]
    (folder / REPORTS).write_text("\n".join(lines[-2:]) + "\n")
    assert sync(folder) == 2
    return folder


def client() -> MlflowClient:
    return MlflowClient(tracking_uri())


def run_of(folder: Path) -> str:
    return Cursor.open(folder).state.runs["dynst"]


def collect(run_id: str) -> None:
    """As ``mlflow gc`` does with a run that was deleted."""
    client().delete_run(run_id)
    artifacts = client().get_run(run_id).info.artifact_uri.removeprefix("file://")
    shutil.rmtree(artifacts)
    store = client()._tracking_client.store
    assert isinstance(store, SqlAlchemyStore)
    store._hard_delete_run(run_id)


def put_into_service(folder: Path) -> str:
    model_id = model_id_of(client(), tracking_uri(), run_of(folder))
    with alone_with(client(), "counters") as alone:
        register(alone, run_of(folder), model_id, {}, "by hand")
    return model_id


def test_a_champion_outlives_its_run(folder: Path, network: SensorStore, tmp_path: Path) -> None:
    put_into_service(folder)
    before = forecast("counters", str(network.path)).table
    client().delete_run(run_of(folder))
    assert forecast("counters", str(network.path)).table.equals(before)
    collect(run_of(folder))
    for reference in ("counters", run_of(folder)):
        assert forecast(reference, str(network.path)).table.equals(before)
    assert plan_of("counters", None).summary()["on"] == 4
    assert export("counters", "torch-export", tmp_path / "model.pt2") < 1e-4


def test_a_model_without_job_takes_it_from_its_run_or_its_parameters(folder: Path) -> None:
    """An earlier DynST kept the job with the run alone."""
    model_id, uri = put_into_service(folder), tracking_uri()
    root = Path(client().get_logged_model(model_id).artifact_location.removeprefix("file://"))
    with fetched(client(), uri, model_id) as found:
        wanted = found.job
    assert wanted == recorded_job(folder)
    (root / "job.yaml").unlink()
    (root / "dynst_files.json").unlink()
    client().delete_logged_model_tag(model_id, FILES_TAG)
    with fetched(client(), uri, model_id) as found:
        assert found.job == wanted
    collect(run_of(folder))
    with fetched(client(), uri, model_id) as found:
        assert found.job == wanted.model_copy(update={"cluster": ClusterSpec()})


def test_a_deleted_model_is_said(folder: Path, network: SensorStore) -> None:
    client().delete_logged_model(put_into_service(folder))
    with pytest.raises(ConfigError, match="was deleted in MLflow; name"):
        forecast("counters", str(network.path))


@pytest.mark.parametrize("for_good", [False, True])
def test_a_run_that_was_deleted_is_sent_anew_when_it_is_named(
    folder: Path, network: SensorStore, for_good: bool, notices: list[str]
) -> None:
    """What was deleted stays deleted until then."""
    before = run_of(folder)
    collect(before) if for_good else client().delete_run(before)
    assert waiting_folders() == []
    assert sync(folder) == 2
    assert f"run {before} of dynst was deleted in MLflow" in " ".join(notices)
    assert run_of(folder) != before
    assert client().get_run(run_of(folder)).info.status == "FINISHED"
    assert len(forecast(run_of(folder), str(network.path)).table) == 3
    assert sync(folder) == 0


def test_a_finished_run_with_reports_that_wait_points_to_sync(folder: Path) -> None:
    mark_finished(folder)
    with pytest.raises(ConfigError, match=r"is finished; see dynst ui"):
        find_run(str(folder))
    Cursor.open(folder).move(lines=1)
    with pytest.raises(ConfigError, match=rf"send them with: dynst sync .*{folder.name}"):
        find_run(str(folder))
    (model,) = client().search_logged_models([client().get_run(run_of(folder)).info.experiment_id])
    client().delete_logged_model(model.model_id)
    with pytest.raises(ConfigError, match=rf"has no model; .* with: dynst sync .*{folder.name}"):
        model_id_of(client(), tracking_uri(), run_of(folder))


def test_a_moved_home_is_found_again(
    folder: Path,
    network: SensorStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    notices: list[str],
) -> None:
    """MLflow has recorded whole paths; what is found in their place is what was logged."""
    home = folder.parents[1]
    store = Path(shutil.copytree(network.path, home / "stores" / "mine"))
    Cursor.open(folder).move(store=str(store), lines=1)
    put_into_service(folder)
    run_id, moved = run_of(folder), tmp_path / "moved"
    home.rename(moved)
    elsewhere(moved, monkeypatch)
    assert len(forecast("counters", str(network.path)).table) == 3
    assert waiting_folders() == [moved / "small" / folder.name]
    assert sync(waiting_folders()[0]) == 1
    assert "were moved to" in " ".join(notices)
    client().delete_run(run_id)
    assert len(forecast(run_id, str(network.path)).table) == 3
    (weights,) = (moved / "artifacts").rglob("weights.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    with pytest.raises(ArtifactError, match="are not those that were logged"):
        forecast("counters", str(network.path))
    shutil.rmtree(moved / "artifacts" / "small" / "models")
    with pytest.raises(ArtifactError, match=r"that folder is not there; .* set DYNST_HOME"):
        forecast("counters", str(network.path))


def test_a_run_folder_knows_its_choice_and_store_where_they_lie_now(
    folder: Path, network: SensorStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = folder.parents[1]
    text = (folder / "job.yaml").read_text()
    store = Path(shutil.copytree(network.path, home / "stores" / "mine"))
    text = text.replace(str(network.path), str(store))
    assert "  given: null\n" in text
    text = text.replace("  given: null\n", f"  given: {folder / 'choice.csv'}\n", 1)
    (folder / "job.yaml").write_text(text)
    (folder / "choice.csv").write_text("sensor\ns0\n")
    home.rename(tmp_path / "moved")
    monkeypatch.setenv("DYNST_HOME", str(tmp_path / "moved"))
    job = recorded_job(tmp_path / "moved" / "small" / folder.name)
    assert job.data.store == str(tmp_path / "moved" / "stores" / "mine")
    assert open_store(job.data.store).has_content(network.manifest.digest)
    given = job.references.given or job.curve.given
    assert given == str(tmp_path / "moved" / "small" / folder.name / "choice.csv")


def tracker(network: SensorStore) -> Tracker:
    return Tracker(tracking_uri(), artifact_root(), small_job(network), network, "20260101-abcd")


def test_a_sweep_goes_on_without_its_deleted_runs(
    folder: Path, network: SensorStore, notices: list[str]
) -> None:
    first = tracker(network)
    parent = first.start("sweep", "sweep")
    trial = first.start_trial(0, parent, {"trial": 0}, {})
    client().delete_run(trial)
    collect(parent)
    second = tracker(network)
    second.check_store()
    second.resume_run("sweep", "sweep")
    assert second.runs["sweep"] != parent
    assert not second.go_on("trial-0", trial)
    again = second.start_trial(0, second.runs["sweep"], {"trial": 0}, {})
    assert again != trial
    model = next(folder.glob("models/dynst"))
    second.log_model(trial, model, 3, {}, {})
    assert f"is not in MLflow: its run {trial} was deleted there" in " ".join(notices)
    second.log_model(again, model, 3, {"test/mae_all": 1.0}, {})
    second.close("FAILED", "the end")
    third = tracker(network)
    third.resume_run("sweep", "sweep")
    assert third.runs["sweep"] == second.runs["sweep"], "the job says which"
    third.log_model(again, model, 3, {"test/mae_all": 1.0}, {})
    runs = client().search_runs([third.experiment_id], "", ViewType.ACTIVE_ONLY)
    models = client().search_logged_models([third.experiment_id], f"source_run_id = '{again}'")
    assert (len(models), len({run.info.run_id for run in runs} & {trial, parent})) == (1, 0)


def test_a_sweep_is_named_by_its_folder(tmp_path: Path, own_home: Path) -> None:
    folder = tmp_path / "sweep-20260101-abcd"
    folder.mkdir()
    (folder / "sweep.yaml").write_text("")
    found = find_sweep(str(folder))
    assert (found.sweep_file, found.job_id) == (folder / "sweep.yaml", "20260101-abcd")
