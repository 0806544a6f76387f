"""The lock of a promotion: one holder, who loses it in time and never frees another's."""

import random
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED
from mlflow.tracking import MlflowClient

from dynst.errors import ConfigError
from dynst_platform.errors import RefusedError, RunError
from dynst_platform.model_registry.events import EVENT
from dynst_platform.model_registry.lock import (
    LEASE_SECONDS,
    LockLostError,
    alone_with,
    holder_of,
    taken_from,
)
from dynst_platform.model_registry.registered import is_lock_name, registered
from dynst_platform.model_registry.rollback import roll_back
from dynst_platform.model_registry.versions import history_of, register
from tests.dynst_platform.command_line import dynst_here
from tests.dynst_platform.model_registry.fake_registry import Server
from tests.dynst_platform.model_registry.interleaving import Clock, Interleaved, Killed

pytestmark = pytest.mark.filterwarnings("ignore")
NAME = "counters"
LEFT: list[Any] = []  # a generator that is collected would run to its end
MODELS = [f"m-{number:032x}" for number in range(6)]


def promote(client: Any, number: int) -> int:
    with alone_with(client, NAME) as alone:
        return register(alone, f"run-{number}", MODELS[number], {}, "test").number


def left_held(client: Any) -> Any:
    """As by a process that died: nothing releases it."""
    held = alone_with(client, NAME)
    held.__enter__()
    LEFT.append(held)
    return held


def moves(client: Any) -> list[tuple[str, int | None, int | None]]:
    return [(event.what, event.version, event.before) for event in history_of(client, NAME)]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    found.put_into(monkeypatch)
    return found


@pytest.fixture(params=["memory", "sqlite"])
def client(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    if request.param == "memory":
        return Server().client()
    home: Path = request.getfixturevalue("tracked_home")
    client = MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
    monkeypatch.setattr(
        "mlflow.store.model_registry.sqlalchemy_store.MlflowClient", lambda: _Models()
    )
    for name in ("get_logged_model", "list_logged_model_artifacts"):
        monkeypatch.setattr(client, name, getattr(Server().client(), name))
    return client


class _Models:
    def get_logged_model(self, model_id: str) -> Any:
        return Server().client().get_logged_model(model_id)


def test_turns_follow_one_another_in_memory_as_on_sqlite(client: Any, clock: Clock) -> None:
    promote(client, 0)
    promote(client, 1)
    roll_back(client, NAME)
    client.create_registered_model(f"{NAME}.promotion-lock.000007")
    held = left_held(client)
    lock = holder_of(client, NAME)
    assert lock is not None
    taken_from(client, NAME, lock)
    with pytest.raises(LockLostError, match="taken over or freed"):
        register(held.gen.gi_frame.f_locals["alone"], "run", MODELS[2], {}, "test")
    held.__exit__(None, None, None)
    client.delete_model_version(NAME, "2")
    assert promote(client, 3) == 3
    assert moves(client) == [
        ("promoted", 1, None),
        ("promoted", 2, 1),
        ("rolled back", 1, 2),
        ("promoted", 3, 1),
    ]
    names = {model.name for model in client.search_registered_models()}
    assert names == {NAME, f"{NAME}.promotion-lock.000007"}, "a real model is left alone"


def test_a_dead_holders_lease_is_taken_over_once_it_has_not_changed(clock: Clock) -> None:
    server = Server()
    left_held(server.client())
    assert promote(server.client(), 0) == 1
    assert clock.now > LEASE_SECONDS
    assert list(server.models) == [NAME], "the dead one's lock is removed"


def test_a_lock_that_is_renewed_is_waited_for(clock: Clock) -> None:
    server = Server()
    with alone_with(server.client(), NAME) as alone:
        waiting = server.client(lambda name, when: alone.check() and None)
        with pytest.raises(RunError, match=r"under way for 150 s \(by .*, since .*registry unlock"):
            alone_with(waiting, NAME, wait=150).__enter__()
        assert alone.check().name == NAME
    assert holder_of(server.client(), NAME) is None


def test_one_that_died_while_it_took_the_lock_is_passed(clock: Clock) -> None:
    server = Server()
    server.client().create_registered_model(NAME)
    server.client().create_registered_model(f"{NAME}.promotion-lock.000001", {"dynst.lock": NAME})
    assert promote(server.client(), 0) == 1
    assert list(server.models) == [NAME]


def test_a_number_that_was_used_meanwhile_is_given_back(clock: Clock) -> None:
    """Between a look at the lock and the creation of the next one, another took that number and
    released it.
    """
    server, others = Server(), iter((0, 1))

    def hook(name: str, when: str) -> None:
        if (name, when) == ("create_registered_model", "before") and NAME in server.models:
            for number in others:
                promote(server.client(), number)

    assert promote(server.client(hook), 2) == 3
    check(server)
    assert len(moves(server.client())) == 3


def test_a_slow_holder_does_not_free_the_lock_of_the_next(clock: Clock) -> None:
    server = Server()
    with alone_with(server.client(), NAME):
        clock.now += 10 * LEASE_SECONDS
        lock = holder_of(server.client(), NAME)
        assert lock is not None
        taken_from(server.client(), NAME, lock)
        second = left_held(server.client())
    assert holder_of(server.client(), NAME) is not None, "the second's"
    second.__exit__(None, None, None)
    assert holder_of(server.client(), NAME) is None


def test_the_last_calls_of_a_holder_arrive_before_the_history_is_settled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It looked at the lock, a user freed that, and then its move of the alias arrived."""
    server, stopped, arrived = Server(), threading.Event(), threading.Event()

    def stop() -> None:
        stopped.set()
        assert arrived.wait(10)

    def of_unlock(name: str, when: str) -> None:
        if (name, when) == ("delete_registered_model_tag", "before"):
            stop()

    def of_holder(name: str, when: str) -> None:
        if (name, when) == ("set_registered_model_alias", "before"):
            unlock.start()
            assert stopped.wait(10)

    unlock = threading.Thread(target=freed, args=(server.client(of_unlock),))
    Clock().put_into(monkeypatch, stop)
    assert promote(server.client(of_holder), 0) == 1
    arrived.set()
    unlock.join(10)
    check(server)
    assert moves(server.client()) == [("promoted", 1, None)]


def test_a_lock_is_released_where_the_wait_for_its_holder_is_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server, clock = Server(), Clock()
    clock.put_into(monkeypatch)
    held = left_held(server.client())

    def stop() -> None:
        raise KeyboardInterrupt

    clock.put_into(monkeypatch, stop)
    with pytest.raises(KeyboardInterrupt):
        freed(server.client())
    clock.put_into(monkeypatch)
    assert holder_of(server.client(), NAME) is None
    held.__exit__(None, None, None)


def until_it_is_done(client: Any, number: int) -> None:
    """As the command does where the lock was lost."""
    while True:
        with suppress(LockLostError):
            promote(client, number)
            return


def once(work: Callable[[], object]) -> Callable[[], None]:
    def done() -> None:
        with suppress(LockLostError):
            work()

    return done


def freed(client: Any) -> None:
    """By a user who unlocks whatever is held first."""
    while (held := holder_of(client, NAME)) is None:
        pass
    with suppress(RunError):  # it changed meanwhile
        taken_from(client, NAME, held)


@pytest.mark.parametrize("seed", range(60))
def test_any_order_of_calls_leaves_one_chain(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four promotions, a rollback and an unlock at once; every second time one of them is killed
    between two calls.
    """
    server, order = Server(), Interleaved(seed)
    with monkeypatch.context() as patch:
        Clock().put_into(patch)
        promote(server.client(), 0)
        promote(server.client(), 1)
    fatal = random.Random(seed).randrange(5, 25) if seed % 2 else 10**6

    def a_client(dies: bool = False) -> Any:
        calls = count()

        def hook(name: str, when: str) -> None:
            order.pause()
            if dies and next(calls) >= fatal:
                raise Killed

        return server.client(hook)

    with monkeypatch.context() as patch:
        Clock().put_into(patch, order.pause)
        order.run(
            [
                partial(freed, a_client()),
                once(partial(roll_back, a_client(), NAME)),
                *(partial(until_it_is_done, a_client(number == 2), number) for number in (2, 3, 4)),
            ]
        )
    assert order.errors == []
    with monkeypatch.context() as patch:
        Clock().put_into(patch)
        promote(server.client(), 5)
    check(server)
    whats = [what for what, _, _ in moves(server.client())]
    assert set(whats) <= {"promoted", "rolled back"}, "nothing is taken for a move by hand"
    assert whats.count("promoted") >= (5 if fatal < 10**6 else 6)


def check(server: Server) -> None:
    """Alias, events and versions agree, nothing is doubled, and nothing of a lock is left."""
    client = server.client()
    events, model = history_of(client, NAME), registered(client, NAME)
    assert model is not None
    assert model.champion == events[-1].version
    assert [event.before for event in events] == [None, *(event.version for event in events[:-1])]
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    assert len([key for key in model.tags if key.startswith(EVENT)]) == len(events), "all recorded"
    versions = server.models[NAME].versions
    assert {event.version for event in events} <= set(versions)
    kept = [version.tags["dynst.model_id"] for version in versions.values()]
    assert len(kept) == len(set(kept)), "nothing is registered twice"
    assert list(server.models) == [NAME]


def denied(*names: str) -> Callable[[str, str], None]:
    def hook(name: str, when: str) -> None:
        if name in names:
            raise MlflowException("Permission denied", error_code=PERMISSION_DENIED)

    return hook


@pytest.mark.parametrize(
    "calls", [("set_registered_model_tag",), ("get_registered_model",), ("create_model_version",)]
)
def test_a_user_who_may_not_is_told_which_permissions_to_ask_for(
    calls: tuple[str, ...], clock: Clock
) -> None:
    server = Server()
    promote(server.client(), 0)
    with pytest.raises(RefusedError, match=r"EDIT on registered_model 'counters'"):
        promote(server.client(denied(*calls)), 1)
    assert list(server.models) == [NAME]
    assert promote(server.client(), 1) == 2


def test_another_users_dead_lock_is_taken_over_without_the_right_to_delete_it(
    clock: Clock,
) -> None:
    server = Server()
    left_held(server.client())
    assert promote(server.client(denied("delete_registered_model")), 0) == 1
    assert promote(server.client(), 1) == 2
    assert list(server.models) == [NAME]


def test_names_of_locks_are_no_names_of_models(tmp_path: Path) -> None:
    assert is_lock_name("x.promotion-lock")
    assert is_lock_name("x.promotion-lock.000003")
    assert not is_lock_name("x.promotion-locksmith")
    for words in (["small"], ["--rollback"]):
        said = dynst_here(
            "promote", *words, "--model", "x.promotion-lock", cwd=tmp_path, DYNST_HOME=str(tmp_path)
        )
        assert said.returncode == 2
        assert "must not end like the lock of a promotion" in said.stderr


def test_unlock_says_who_holds_it_and_asks(
    tracked_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = MlflowClient(f"sqlite:///{tracked_home / 'mlflow.db'}")

    def unlock(*words: str) -> tuple[int, str]:
        said = dynst_here(
            "registry", "unlock", NAME, *words, cwd=tracked_home, DYNST_HOME=str(tracked_home)
        )
        return said.returncode, said.stdout + said.stderr

    code, text = unlock()
    assert (code, "no model 'counters'" in text) == (2, True)
    client.create_registered_model(NAME)
    client.create_registered_model(f"{NAME}.promotion-lock", {"dynst.by": "somebody"})
    assert unlock() == (0, "'counters' is free: nobody holds its lock.\n")
    held = left_held(client)
    code, text = unlock()
    assert code == 3
    assert "is held by" in text
    assert "since 20" in text
    assert "add --yes" in text
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.confirm", lambda *words, **named: False)
    assert unlock()[0] == 3
    assert holder_of(client, NAME) is not None
    code, text = unlock("--yes")
    assert (code, "'counters' is free." in text) == (0, True)
    assert holder_of(client, NAME) is None
    held.__exit__(None, None, None)
    names = [model.name for model in client.search_registered_models()]
    assert names == [NAME, f"{NAME}.promotion-lock"]


def test_a_state_that_somebody_edited_is_free(clock: Clock) -> None:
    server = Server()
    promote(server.client(), 0)
    for text in ("{", "[]", '{"turn": "x"}', '{"other": 1}'):
        server.models[NAME].tags["dynst.lock"] = text
        assert holder_of(server.client(), NAME) is None
    assert promote(server.client(), 1) == 2
    assert [event[0] for event in moves(server.client())] == ["promoted", "promoted"]
    with pytest.raises(ConfigError, match="no model 'other'"):
        holder_of(server.client(), "other")
