"""Every move of the alias ``champion``, kept as tags of the registered model.

An event is written as pending before the alias moves, and settled after it. So whoever comes next
sees from where the alias is whether a move that was interrupted took place. Where the alias is not
where the last event left it, somebody moved it by hand.
"""

import getpass
import json
import socket
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from mlflow.tracking import MlflowClient

from dynst.errors import in_one_line
from dynst.notices import notice
from dynst_platform.forms import Upgrade, todays
from dynst_platform.model_registry.registered import Registered

__all__ = [
    "BY_HAND",
    "FORM",
    "PROMOTED",
    "REMOVED",
    "ROLLED_BACK",
    "Event",
    "History",
    "history_in",
    "key_of",
    "last_turn",
    "new_event",
    "now",
    "settle",
    "user",
    "write_event",
]

EVENT = "dynst.event."
FORM = "dynst.form"  # the version of the other tags, and of an event
PROMOTED, ROLLED_BACK = "promoted", "rolled back"
BY_HAND, REMOVED = "moved by hand", "removed by hand"
DIGITS = 6  # of the turn in a key; what follows orders the events of one turn
MAX_WHY = 4000


@dataclass(frozen=True)
class Event:
    """A move of the alias."""

    number: int
    at: str  # ISO 8601, UTC
    what: str
    version: int | None  # None where the alias was removed
    before: int | None
    by: str
    why: str


@dataclass(frozen=True)
class History:
    events: list[Event]  # each with its place as number
    unfinished: list[Event]  # that did not move the alias: under way, or interrupted
    recorded: int  # how many of the events need no settling


@dataclass(frozen=True)
class _Record:
    key: str
    event: Event
    pending: bool


def history_in(model: Registered) -> History:
    """What the tags hold, what was interrupted after the alias had moved, and what was moved by
    hand.
    """
    records = _records(model)
    settled = [record.event for record in records if not record.pending]
    moved, unfinished = _pending(model, records)
    events = [*settled, *(record.event for record in moved)]
    by_hand = _by_hand(model, events)
    every = events if by_hand is None else [*events, by_hand]
    return History(
        [replace(event, number=number) for number, event in enumerate(every, 1)],
        [record.event for record in unfinished],
        len(settled),
    )


def settle(client: MlflowClient, model: Registered, turn: int) -> None:
    """Write down what ``history_in`` found; to be called by the holder of this turn."""
    records = _records(model)
    moved, unfinished = _pending(model, records)
    for record in moved:
        write_event(client, model.name, record.key, record.event)
    for record in unfinished:
        client.delete_registered_model_tag(model.name, record.key)
    by_hand = _by_hand(
        model, [record.event for record in records if not record.pending or record in moved]
    )
    if by_hand is not None:
        write_event(client, model.name, key_of(turn, 1), by_hand)


def key_of(turn: int, step: int) -> str:
    return f"{EVENT}{turn:0{DIGITS}d}.{step}"


def new_event(what: str, version: int | None, before: int | None, why: str) -> Event:
    return Event(0, now(), what, version, before, user(), why[:MAX_WHY])


def write_event(
    client: MlflowClient, name: str, key: str, event: Event, pending: bool = False
) -> None:
    document = {FORM: 2, "pending": pending, **asdict(event)}
    del document["number"]  # its place among those that are left
    client.set_registered_model_tag(name, key, json.dumps(document))


def last_turn(model: Registered) -> int:
    """The highest turn that wrote an event."""
    turns = [key.removeprefix(EVENT)[:DIGITS] for key in model.tags if key.startswith(EVENT)]
    return max((int(turn) for turn in turns if turn.isdecimal()), default=0)


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def user() -> str:
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (OSError, KeyError):  # a container may run under a number that has no name
        return f"unknown@{socket.gethostname()}"


def _records(model: Registered) -> list[_Record]:
    found = (
        _record(model.name, key, value)
        for key, value in sorted(model.tags.items())
        if key.startswith(EVENT)
    )
    return [record for record in found if record is not None]


def _record(name: str, key: str, value: str) -> _Record | None:
    """None for a tag that was edited so that it cannot be read."""
    where = f"tag {key} of model '{name}'"
    try:
        fields = todays(json.loads(value), where, UPGRADES, key=FORM)
        pending = bool(fields.pop("pending"))
        return _Record(key, Event(number=0, **fields), pending)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        notice(f"{where} is left out, since it cannot be read ({in_one_line(error)})")
        return None


def _with_pending(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key != "number"} | {"pending": False}


UPGRADES: Sequence[Upgrade] = (_with_pending,)


def _pending(model: Registered, records: list[_Record]) -> tuple[list[_Record], list[_Record]]:
    """Those after which the alias moved, and those after which it did not."""
    last = max((record.key for record in records if not record.pending), default="")
    pending = [record for record in records if record.pending]
    stands = model.champion
    moved = [
        record
        for record in pending
        if record.key > last and stands is not None and record.event.version == stands
    ][-1:]
    return moved, [record for record in pending if record not in moved]


def _by_hand(model: Registered, events: Sequence[Event]) -> Event | None:
    expected = events[-1].version if events else None
    if model.champion == expected:
        return None
    what = REMOVED if model.champion is None else BY_HAND
    why = (
        "the alias was not where the last event had left it; this is when that was noticed, and "
        "an earlier DynST that was killed may have moved it too"
    )
    return replace(new_event(what, model.champion, expected, why), by="unknown")
