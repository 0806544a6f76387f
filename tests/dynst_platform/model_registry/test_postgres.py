"""Real PostgreSQL: twenty people promote at once, and the history is complete."""

import multiprocessing
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from dynst.data.store import SensorStore
from dynst_platform.commands.compare.workflow import compare
from dynst_platform.commands.promote.workflow import promote
from dynst_platform.commands.sensors.workflow import plan_of
from dynst_platform.commands.train.workflow import train
from dynst_platform.model_registry.versions import (
    alone_with,
    champion_of,
    history_of,
    register,
    roll_back,
)
from dynst_platform.tracking.clients import client_of
from infra.local.postgres import Database
from tests.dynst_platform.commands.train.test_train import small_job

pytestmark = [pytest.mark.process, pytest.mark.filterwarnings("ignore")]
PROMOTERS, NAME = 20, "counters"


@pytest.fixture(scope="module")
def uri(postgresql: Database) -> str:
    return postgresql.uri()


def test_the_whole_way_on_postgresql(
    uri: str, network: SensorStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Train, compare, promote twice, plan, and back, as on SQLite."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("DYNST_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)  # where artifacts go when there is no server
    references = {"dense": True, "random": 0}
    for share in (0.25, 0.5):
        sparsity = {"final": share, "scheme": "one_shot", "probe_every": 1}
        job = small_job(
            network,
            name="whole",
            sparsity=sparsity,
            references=references,
            promotion={"max_over_dense": 9.0},
        )
        train(job, network, lambda report: None)
        assert promote("whole", "counters-whole", {}, None, dry_run=False).promoted
    assert [
        row["sparsity"] for row in compare("whole", "kind == 'learned'", sort="sparsity").rows
    ] == [0.25, 0.5]
    assert plan_of("counters-whole", None).cost == 4
    roll_back(client_of(uri), "counters-whole")
    assert plan_of("counters-whole", None).cost == 6


def _promote(uri: str, run_id: str, model_id: str, begin: Any) -> None:
    client = client_of(uri)
    begin.wait()
    with alone_with(client, NAME):
        register(client, NAME, run_id, model_id, {}, "test")


def test_twenty_promoters_at_once(uri: str, tmp_path: Path) -> None:
    client = client_of(uri)
    experiment = client.create_experiment("small", artifact_location=tmp_path.as_uri())
    models = [_logged(client, experiment) for _ in range(PROMOTERS)]
    context = multiprocessing.get_context(
        "forkserver"
    )  # so that nobody shares this process's connections
    context.set_forkserver_preload([__name__])
    begin = context.Event()
    people = [
        context.Process(target=_promote, args=(uri, run_id, model_id, begin))
        for run_id, model_id in models
    ]
    for process in people:
        process.start()
    begin.set()
    for process in people:
        process.join(180)
    assert [process.exitcode for process in people] == [0] * PROMOTERS
    events = history_of(client, NAME)
    assert [event.number for event in events] == list(range(1, PROMOTERS + 1))
    assert sorted(event.version for event in events) == list(range(1, PROMOTERS + 1))
    assert [event.before for event in events] == [
        None,
        *(event.version for event in events[:-1]),
    ], "one chain"
    champion = champion_of(client, NAME)
    assert champion is not None
    assert champion.number == events[-1].version
    assert not [model.name for model in client.search_registered_models() if "lock" in model.name]
    assert {run_id for run_id, _ in models} == {
        version.run_id for version in client.search_model_versions(f"name = '{NAME}'")
    }


def _logged(client: MlflowClient, experiment: str) -> tuple[str, str]:
    run_id = client.create_run(experiment).info.run_id
    model = client.create_logged_model(experiment, source_run_id=run_id)
    client.finalize_logged_model(model.model_id, "READY")
    return run_id, model.model_id
