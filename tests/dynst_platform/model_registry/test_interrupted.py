"""A promotion, a rollback or an unlock that is killed before or after any call to MLflow: one more
command, and the history is complete.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dynst_platform.model_registry.events import EVENT
from dynst_platform.model_registry.full_history import full_history_of
from dynst_platform.model_registry.lock import holder_of, taken_from
from dynst_platform.model_registry.registered import registered
from dynst_platform.model_registry.rollback import roll_back
from dynst_platform.model_registry.versions import history_of
from tests.dynst_platform.model_registry.fake_registry import Server
from tests.dynst_platform.model_registry.interleaving import Clock, Killed
from tests.dynst_platform.model_registry.test_lock import (
    MODELS,
    NAME,
    check,
    left_held,
    moves,
    promote,
)

pytestmark = pytest.mark.filterwarnings("ignore")


class Fault:
    """Kills at the given moment; what runs after it in the same process fails too, as if it had not
    run.
    """

    def __init__(self, moment: int) -> None:
        self.left, self.dead = moment, False

    def __call__(self, name: str, when: str) -> None:
        self.left -= 1
        self.dead = self.dead or self.left < 0
        if self.dead:
            raise Killed


def first(client: Any) -> None:
    promote(client, 0)


def better(client: Any) -> None:
    promote(client, 1)


def back(client: Any) -> None:
    roll_back(client, NAME)


def unlocked(client: Any) -> None:
    lock = holder_of(client, NAME)
    assert lock is not None
    taken_from(client, NAME, lock)


WAYS: dict[str, tuple[list[Callable[[Any], None]], Callable[[Any], None]]] = {
    "the first promotion": ([], first),
    "a second promotion": ([first], better),
    "a rollback": ([first, better], back),
    "an unlock": ([first, better, left_held], unlocked),
}


def interrupted(way: str) -> Iterator[tuple[Server, int]]:
    """The registry as each kill leaves it."""
    before, work = WAYS[way]
    for moment in range(1000):
        server = Server()
        for step in before:
            step(server.client())
        try:
            work(server.client(Fault(moment)))
        except Killed:
            yield server, moment
        else:
            assert moment > 8
            return


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    Clock().put_into(monkeypatch)


@pytest.mark.parametrize("way", WAYS)
def test_another_promotion_completes_the_history(way: str) -> None:
    before, work = WAYS[way]
    undisturbed = Server()
    for step in before:
        step(undisturbed.client())
    without = moves(undisturbed.client()) if before else []
    work(undisturbed.client())
    done = moves(undisturbed.client())
    seen = set()
    for server, moment in interrupted(way):
        promote(server.client(), 2)
        check(server)
        found = moves(server.client())
        assert found[:-1] in (without, done), moment
        assert found[-1][0] == "promoted"
        seen.add(len(found))
    assert seen == {len(without) + 1, len(done) + 1}, "killed before the move, and after it"


@pytest.mark.parametrize("way", ["the first promotion", "a second promotion"])
def test_the_same_command_again_ends_as_if_undisturbed(way: str) -> None:
    before, work = WAYS[way]
    undisturbed = Server()
    for step in (*before, work):
        step(undisturbed.client())
    for server, _ in interrupted(way):
        model = registered(server.client(), NAME)
        serves = None if model is None else model.champion
        wanted = MODELS[len(before)]
        if serves is None or server.models[NAME].versions[serves].tags["dynst.model_id"] != wanted:
            work(server.client())
        else:
            back_and_forth(server)
            continue
        check(server)
        assert moves(server.client()) == moves(undisturbed.client())
        assert set(server.models[NAME].versions) == set(undisturbed.models[NAME].versions)


def back_and_forth(server: Server) -> None:
    """Where it is the champion already, ``promote`` refuses; any next move settles the event."""
    assert full_history_of(server.client(), NAME).events[-1].what == "promoted"
    promote(server.client(), 3)
    check(server)


def test_the_history_reads_what_was_interrupted_and_changes_nothing() -> None:
    notes, told = set(), set()
    for server, _ in interrupted("a second promotion"):
        tags = dict(server.models[NAME].tags)
        found = full_history_of(server.client(), NAME)
        assert server.models[NAME].tags == tags
        assert "moved by hand" not in {event.what for event in found.events}
        notes |= {note.partition("  ")[2] or note for note in found.notes}
        told.add(len(found.events))
    assert told == {1, 2}
    assert any(note.startswith("not promoted: version 2") for note in notes)
    assert "version 2 was registered, and has never been the champion" in notes


def test_an_alias_that_was_moved_by_hand_is_an_event() -> None:
    server = Server()
    first(server.client())
    better(server.client())
    server.models[NAME].aliases["champion"] = "1"
    (*_, by_hand) = history_of(server.client(), NAME)
    assert (by_hand.what, by_hand.version, by_hand.before) == ("moved by hand", 1, 2)
    assert by_hand.by == "unknown"
    promote(server.client(), 2)
    check(server)
    assert [what for what, *_ in moves(server.client())] == [
        "promoted",
        "promoted",
        "moved by hand",
        "promoted",
    ]
    del server.models[NAME].aliases["champion"]
    assert moves(server.client())[-1] == ("removed by hand", None, 3)
    done = roll_back(server.client(), NAME)
    assert (done.now.number, done.before) == (3, None)


def test_a_rollback_goes_to_the_nearest_that_is_left() -> None:
    server = Server()
    for number in range(4):
        promote(server.client(), number)
    server.client().delete_model_version(NAME, "3")
    server.client().delete_model_version(NAME, "2")
    done = roll_back(server.client(), NAME)
    assert (done.now.number, done.before) == (1, 4)
    assert done.passed_over == (
        "version 3 is passed over, since it was deleted",
        "version 2 is passed over, since it was deleted",
    )
    assert "since it was deleted" in history_of(server.client(), NAME)[-1].why


def test_an_event_that_somebody_edited_is_left_out() -> None:
    server = Server()
    first(server.client())
    better(server.client())
    key = min(key for key in server.models[NAME].tags if key.startswith(EVENT))
    for text in ("{", "[]", "1", '{"number": 1}'):
        server.models[NAME].tags[key] = text
        assert [event.version for event in history_of(server.client(), NAME)] == [2]
