"""Real PostgreSQL: twenty people promote at once, and the history is complete."""

import multiprocessing
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

pytestmark = [pytest.mark.cluster, pytest.mark.filterwarnings("ignore")]
PROMOTERS, NAME = 20, "counters"


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pgserver = pytest.importorskip("pgserver", exc_type=ImportError)
    server = pgserver.get_server(tmp_path_factory.mktemp("pg"), cleanup_mode="delete")
    try:
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg2://")
    finally:
        server.cleanup()


def _promote(uri: str, run_id: str, model_id: str, begin: Any) -> None:
    from dynst_platform.registry.models import client_of
    from dynst_platform.registry.versions import alone_with, register

    client = client_of(uri)
    begin.wait()
    with alone_with(client, NAME):
        register(client, NAME, run_id, model_id, {}, "test")


def test_twenty_promoters_at_once(uri: str, tmp_path: Path) -> None:
    from dynst_platform.registry.models import client_of
    from dynst_platform.registry.versions import champion_of, history_of

    client = client_of(uri)
    experiment = client.create_experiment("small", artifact_location=tmp_path.as_uri())
    models = [_logged(client, experiment) for _ in range(PROMOTERS)]
    context = multiprocessing.get_context("spawn" if sys.platform == "darwin" else "fork")
    begin = context.Event()
    people = [context.Process(target=_promote, args=(uri, run_id, model_id, begin)) for run_id, model_id in models]
    for process in people:
        process.start()
    begin.set()
    for process in people:
        process.join(180)
    assert [process.exitcode for process in people] == [0] * PROMOTERS
    events = history_of(client, NAME)
    assert [event.number for event in events] == list(range(1, PROMOTERS + 1))
    assert sorted(event.version for event in events) == list(range(1, PROMOTERS + 1))
    assert [event.before for event in events] == [None, *(event.version for event in events[:-1])], "one chain"
    champion = champion_of(client, NAME)
    assert champion is not None
    assert champion.number == events[-1].version
    assert [model.name for model in client.search_registered_models()] == [NAME]
    assert {run_id for run_id, _ in models} == {version.run_id for version in client.search_model_versions(f"name = '{NAME}'")}


def _logged(client: MlflowClient, experiment: str) -> tuple[str, str]:
    run_id = client.create_run(experiment).info.run_id
    model = client.create_logged_model(experiment, source_run_id=run_id)
    client.finalize_logged_model(model.model_id, "READY")
    return run_id, model.model_id
