"""Twenty people promote at once on real databases, PostgreSQL and SQLite, while one rolls back and
one unlocks: there is one champion, and the history is complete.
"""

import multiprocessing
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from dynst.data.store import SensorStore
from dynst.errors import ConfigError
from dynst_platform.commands.compare.workflow import compare
from dynst_platform.commands.promote import measuring
from dynst_platform.commands.promote.remeasure import remeasure
from dynst_platform.commands.promote.workflow import promote
from dynst_platform.commands.sensors.workflow import plan_of
from dynst_platform.commands.train.workflow import train
from dynst_platform.errors import RunError
from dynst_platform.model_registry.events import Event
from dynst_platform.model_registry.lock import LockLostError, alone_with, holder_of, taken_from
from dynst_platform.model_registry.references import client_of
from dynst_platform.model_registry.registered import registered
from dynst_platform.model_registry.rollback import roll_back
from dynst_platform.model_registry.versions import champion_of, history_of, register
from infra.local.postgres import Database
from tests.dynst_platform.command_line import dynst_here
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


@pytest.fixture(params=[pytest.param("sqlite", marks=pytest.mark.nightly), "postgresql"])
def database_uri(request: pytest.FixtureRequest) -> str:
    if request.param == "postgresql":
        return request.getfixturevalue("uri")
    return f"sqlite:///{request.getfixturevalue('tracked_home') / 'mlflow.db'}"


def _promote(uri: str, run_id: str, model_id: str, begin: Any) -> None:
    client = client_of(uri)
    begin.wait()
    while True:
        with suppress(LockLostError), alone_with(client, NAME) as alone:
            register(alone, run_id, model_id, {}, "test")
            return


def _roll_back(uri: str, begin: Any) -> None:
    begin.wait()
    with suppress(LockLostError, ConfigError):  # freed, or none to go back to yet
        roll_back(client_of(uri), NAME)


def _unlock(uri: str, begin: Any) -> None:
    client = client_of(uri)
    begin.wait()
    while registered(client, NAME) is None or (held := holder_of(client, NAME)) is None:
        time.sleep(0.01)
    with suppress(RunError):  # it changed meanwhile
        taken_from(client, NAME, held)


def at_once(works: list[tuple[Any, ...]]) -> list[int | None]:
    """Each in a process of its own; their exit codes."""
    context = multiprocessing.get_context(
        "forkserver"
    )  # so that nobody shares this process's connections
    context.set_forkserver_preload([__name__])
    begin = context.Event()
    people = [context.Process(target=work, args=(*words, begin)) for work, *words in works]
    for process in people:
        process.start()
    begin.set()
    for process in people:
        process.join(300)
    return [process.exitcode for process in people]


def check(client: MlflowClient, name: str) -> list[Event]:
    """One champion, one chain of events, and nothing left of a lock."""
    events, champion = history_of(client, name), champion_of(client, name)
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    assert [event.before for event in events] == [
        None,
        *(event.version for event in events[:-1]),
    ], "one chain"
    assert champion is not None
    assert champion.number == events[-1].version
    assert not [model.name for model in client.search_registered_models() if "lock" in model.name]
    return events


def test_twenty_promoters_at_once(database_uri: str, tmp_path: Path) -> None:
    client = client_of(database_uri)
    experiment = client.create_experiment("small", artifact_location=tmp_path.as_uri())
    models = [_logged(client, experiment) for _ in range(PROMOTERS)]
    works = [(_promote, database_uri, run_id, model_id) for run_id, model_id in models]
    more = [(_roll_back, database_uri), (_unlock, database_uri)]
    assert at_once([*works, *more]) == [0] * (PROMOTERS + 2)
    events = check(client, NAME)
    promoted = [event.version for event in events if event.what == "promoted"]
    assert sorted(promoted) == list(range(1, PROMOTERS + 1))
    assert {event.what for event in events} <= {"promoted", "rolled back"}
    assert {run_id for run_id, _ in models} == {
        version.run_id for version in client.search_model_versions(f"name = '{NAME}'")
    }


def _command(uri: str, home: Path, words: list[str], begin: Any) -> None:
    """A whole command; models are measured in its own process, for the sake of the time."""
    begin.wait()
    measuring.remeasured_apart = lambda folder, job, store, code: remeasure(folder, job, store)
    environment = {"MLFLOW_TRACKING_URI": uri, "DYNST_HOME": str(home)}
    ended = dynst_here(*words, cwd=home, **environment)
    sys.stderr.write(ended.stderr)
    sys.exit(ended.returncode)


@pytest.mark.nightly
def test_twenty_whole_commands_at_once(
    database_uri: str, network: SensorStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", database_uri)
    monkeypatch.setenv("DYNST_HOME", str(home))
    monkeypatch.chdir(home)
    for name, share in (("cheap", 0.5), ("dear", 0.25)):
        job = small_job(
            network,
            name=name,
            sparsity={"final": share, "scheme": "one_shot", "probe_every": 1},
            references={"dense": True, "random": 0},
            promotion={"max_over_dense": 9.0},
        )
        train(job, network, lambda report: None)
    name = "counters-commands"
    words = [["promote", experiment, "--model", name] for experiment in ("dear", "cheap")]
    more = [["promote", "--rollback", "--model", name], ["registry", "unlock", name, "--yes"]]
    works = [(_command, database_uri, home, each) for each in [*words * 10, *more]]
    *promoted, rolled_back, unlocked = at_once(works)
    assert set(promoted) == {0, 3}
    assert {rolled_back, unlocked} <= {0, 1, 2}, "there may be nothing to free or to go back to"
    events = check(client_of(database_uri), name)
    moves = [event for event in events if event.what == "promoted"]
    assert len(moves) == promoted.count(0)
    assert len(events) == len(moves) + (rolled_back == 0)


def _logged(client: MlflowClient, experiment: str) -> tuple[str, str]:
    run_id = client.create_run(experiment).info.run_id
    model = client.create_logged_model(experiment, source_run_id=run_id)
    client.finalize_logged_model(model.model_id, "READY")
    return run_id, model.model_id
