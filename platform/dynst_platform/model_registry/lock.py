"""Who may move the alias of a registered model: one process at a time.

MLflow's registry has no transactions. One thing only is atomic in every database: of several
processes that create a registered model of the same name, one succeeds. So each *turn* has a
number, and belongs to whoever creates the model ``NAME.promotion-lock.NUMBER``. No number is used
twice, so nobody can delete another's lock by mistake.

Who holds the turn stands in a tag of the model itself, for all to see, and is renewed while it is
held. A lock that has not changed for ``LEASE_SECONDS``, by the clock of whoever waits for it, is
taken over: by creating the next number. No clocks of two machines are compared.

Whoever takes a lock from its holder waits ``LATE_SECONDS`` before it settles the history: the
holder may have looked at the lock a moment ago, and its next call cannot be refused.
"""

import json
import random
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from uuid import uuid4

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from dynst.errors import ConfigError, in_one_line
from dynst.notices import notice
from dynst_platform.errors import RunError
from dynst_platform.model_registry.events import FORM, last_turn, now, settle, user
from dynst_platform.model_registry.registered import (
    LOCK,
    Registered,
    is_absent,
    refused,
    registered,
    with_permission,
)

__all__ = ["Alone", "Lock", "LockLostError", "alone_with", "holder_of", "taken_from"]

OWNER = "dynst.owner"
TAG = "dynst.lock"  # of the model: its state; of a lock: the model that it is for
LEASE_SECONDS = 60.0
LATE_SECONDS = 3.0  # until a call that its holder made before it lost the lock has arrived
WAIT_SECONDS = 180.0


class LockLostError(RunError):
    """Another process took the lock over, or a user freed it."""


@dataclass(frozen=True)
class Lock:
    """The state of a model's lock."""

    turn: int = 0
    owner: str = ""  # empty where it is free
    renewed: int = 0
    by: str = ""
    at: str = ""  # by the clock of the machine that holds it


class Alone:
    """The holder of a turn, for as long as it lasts.

    Args:
        from_holder: whether the lock was taken from another process that held it.
    """

    def __init__(
        self, client: MlflowClient, name: str, lock: Lock, from_holder: bool = False
    ) -> None:
        self.client, self.name, self._lock = client, name, lock
        self.from_holder = from_holder
        self._renewed = time.monotonic()

    @property
    def turn(self) -> int:
        return self._lock.turn

    def check(self) -> Registered:
        """To be called before each write; also renews the lease.

        Raises:
            LockLostError: the lock is another's by now.
        """
        model = registered(self.client, self.name)
        if model is None or lock_in(model).owner != self._lock.owner:
            raise LockLostError(
                f"the lock of '{self.name}' was taken over or freed by another process meanwhile; "
                f"see dynst registry history {self.name}, and promote again"
            )
        if time.monotonic() - self._renewed > LEASE_SECONDS / 4:
            self._lock = replace(self._lock, renewed=self._lock.renewed + 1)
            _write(self.client, self.name, self._lock)
            self._renewed = time.monotonic()
        return model

    def release(self) -> None:
        """Only what is still our own; what cannot be freed now is free when its lease ends."""
        try:
            model = registered(self.client, self.name)
            if model is not None and lock_in(model).owner == self._lock.owner:
                _write(self.client, self.name, Lock(turn=self.turn))
            _clear(self.client, self.name, self.turn)
        except (MlflowException, OSError) as error:
            notice(
                f"the lock of '{self.name}' could not be released ({in_one_line(error)}); it is "
                f"free in {LEASE_SECONDS:g} s"
            )


@contextmanager
def alone_with(client: MlflowClient, name: str, wait: float = WAIT_SECONDS) -> Iterator[Alone]:
    """No other process moves the alias of ``name`` inside; the history is settled before.

    A model that is not there is created.

    Raises:
        RunError: another process holds the lock for longer than ``wait`` seconds.
        LockLostError: it was taken over meanwhile.
        RefusedError: this user may not change the model.
    """
    with with_permission(name):
        _ensure(client, name)
        with _held(_waited(client, name, wait)) as alone:
            yield alone


def holder_of(client: MlflowClient, name: str) -> Lock | None:
    """Raises ConfigError where there is no such model."""
    model = registered(client, name)
    if model is None:
        raise ConfigError(f"the registry has no model '{name}' that this user may read")
    lock = lock_in(model)
    return lock if lock.owner else None


def taken_from(client: MlflowClient, name: str, lock: Lock) -> None:
    """Free what another process holds: that one notices before it writes again.

    Raises:
        RunError: it is not what is held any more.
        RefusedError: this user may not change the model.
    """
    with with_permission(name):
        taken = _taken(client, name, lock, lock.turn + 1)
        if taken is None:
            raise RunError(f"the lock of '{name}' changed meanwhile; look again who holds it")
        with _held(taken):
            pass


def lock_in(model: Registered) -> Lock:
    """A state that was edited so that it cannot be read is free."""
    try:
        fields = json.loads(model.tags.get(TAG, "{}"))
        fields.pop(FORM, None)
        lock = Lock(**fields)
        return replace(lock, turn=max(int(lock.turn), last_turn(model)))
    except (ValueError, TypeError, AttributeError):
        return Lock(turn=last_turn(model))


@contextmanager
def _held(alone: Alone) -> Iterator[Alone]:
    try:
        if alone.from_holder:
            time.sleep(LATE_SECONDS)
        settle(alone.client, alone.check(), alone.turn)
        yield alone
    finally:
        alone.release()


def _ensure(client: MlflowClient, name: str) -> None:
    if registered(client, name) is not None:
        return
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        if registered(client, name) is None:
            raise refused(name) from error


def _waited(client: MlflowClient, name: str, wait: float) -> Alone:
    """First the holder's lease, then that of each process that began to take the lock and died."""
    deadline, leases, since = time.monotonic() + wait, 0, 0.0
    seen: Lock | None = None
    while True:
        lock = _state(client, name)
        if lock != seen:
            seen, since = lock, time.monotonic()
            leases = 0 if lock.owner else 1
        elif time.monotonic() - since > LEASE_SECONDS:
            leases, since = leases + 1, time.monotonic()
        taken = _taken(client, name, lock, lock.turn + leases) if leases else None
        if taken is not None:
            return taken
        if time.monotonic() > deadline:
            raise RunError(
                f"another promotion of '{name}' has been under way for {wait:g} s{_who(lock)}; "
                f"wait for it, or, if it hangs, free the model with: dynst registry unlock {name}"
            )
        time.sleep(random.uniform(0.1, 0.5))


def _taken(client: MlflowClient, name: str, seen: Lock, turn: int) -> Alone | None:
    """None where another has that turn, or the lock is not what was seen any more."""
    mine = Lock(turn, uuid4().hex, 0, user(), now())
    if not _created(client, name, mine):
        return None
    try:
        if _state(client, name) == seen:
            _write(client, name, mine)
            return Alone(client, name, mine, from_holder=bool(seen.owner))
    except BaseException:
        _delete(client, _lock_name(name, turn))
        raise
    _delete(client, _lock_name(name, turn))
    return None


def _created(client: MlflowClient, name: str, lock: Lock) -> bool:
    """Whether this process made the lock of that turn.

    MLflow's client asks again where an answer was lost, so ours may be what exists already.
    """
    key = _lock_name(name, lock.turn)
    tags = {TAG: name, OWNER: lock.owner, "dynst.by": lock.by, "dynst.at": lock.at}
    try:
        client.create_registered_model(
            key, tags, description="exists while a promotion is under way"
        )
    except MlflowException as error:
        if error.error_code == "RESOURCE_ALREADY_EXISTS":
            there = registered(client, key)
            return there is not None and there.tags.get(OWNER) == lock.owner
        # MLflow's insert met another's lock, which was gone again when it went to look at it.
        if is_absent(error):
            return False
        raise
    return True


def _state(client: MlflowClient, name: str) -> Lock:
    model = registered(client, name)
    if model is None:
        raise RunError(f"model '{name}' was deleted from the registry meanwhile; promote again")
    return lock_in(model)


def _write(client: MlflowClient, name: str, lock: Lock) -> None:
    client.set_registered_model_tag(name, TAG, json.dumps({FORM: 1, **asdict(lock)}))


def _who(lock: Lock) -> str:
    return f" (by {lock.by}, since {lock.at})" if lock.owner else ""


def _lock_name(name: str, turn: int) -> str:
    return f"{name}{LOCK}.{turn:06d}"


def _clear(client: MlflowClient, name: str, turn: int) -> None:
    """Delete our own lock and those that dead processes left; a real model of such a name stays."""
    form = re.compile(re.escape(name + LOCK) + r"(?:\.(\d+))?")
    for model in client.search_registered_models(filter_string=f"name LIKE '{name}{LOCK}%'"):
        found = form.fullmatch(model.name)
        if found and model.tags.get(TAG) == name and int(found[1] or 0) <= turn:
            _delete(client, model.name)


def _delete(client: MlflowClient, lock: str) -> None:
    with suppress(MlflowException, OSError):  # gone already, or another user's
        client.delete_registered_model(lock)
