"""Delivery to a tracking store that goes away, refuses, hangs, or whose process dies: order, once
each, and what is left.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest

from dynst.data.store import SensorStore
from dynst.errors import ConfigError
from dynst_platform.errors import BusyError, TrackingError, UnreachableError
from dynst_platform.reports import EpochReport
from dynst_platform.tracking import delivery as module
from dynst_platform.tracking.cursor import Cursor, Ending, folder_lock, queued
from dynst_platform.tracking.delivery import Delivery, Outbox, delivered
from dynst_platform.tracking.report_file import REPORTS, append_report
from tests.dynst_platform.reports import epoch


class Store:
    """Takes reports as MLflow would; ``before`` is called at each and may raise."""

    again: frozenset[str] = frozenset()

    def __init__(self, before: Callable[[], None] = lambda: None) -> None:
        self.runs: dict[str, str] = {}
        self.taken: list[int] = []
        self.recalled: list[int] = []
        self.closed: list[tuple[str, str]] = []
        self._before = before

    def recall(self, report: EpochReport) -> None:
        self.recalled.append(report.epoch)

    def on_report(self, report: EpochReport) -> None:
        self._before()
        self.runs.setdefault(report.arm, f"run of {report.arm}")
        self.taken.append(report.epoch)

    def close(self, status: str, reason: str = "", at: int | None = None) -> None:
        self._before()
        self.closed.append((status, reason))

    def keep_logs(self, folder: Path) -> None:
        """There are none."""


def failing(times: int, error: Exception) -> Callable[[], None]:
    errors = [error] * times

    def before() -> None:
        if errors:
            raise errors.pop()

    return before


@pytest.fixture
def cursor(tmp_path: Path, network: SensorStore, monkeypatch: pytest.MonkeyPatch) -> Cursor:
    monkeypatch.setattr(module, "FIRST_WAIT", 0.01)
    return Cursor.begin(tmp_path, network, {})


def add(cursor: Cursor, *numbers: int) -> None:
    for number in numbers:
        append_report(cursor.folder / REPORTS, epoch(number))


def once(action: Callable[[], None]) -> None:
    action()


def test_what_fails_is_tried_again_before_what_follows(cursor: Cursor) -> None:
    store = Store(failing(3, UnreachableError("away")))
    delivery = Delivery(cursor, store)
    delivery.start()
    add(cursor, 1, 2, 3)
    assert delivery.finish().command == ""
    assert store.taken == [1, 2, 3]
    assert Cursor.open(cursor.folder).state == cursor.state
    assert (cursor.state.lines, cursor.state.runs) == (3, {"dynst": "run of dynst"})


def test_a_store_that_hangs_holds_up_nothing(
    cursor: Cursor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The block appends while the store's first call has not returned and never does."""
    monkeypatch.setattr(module, "STUCK", 0.1)
    hanging, ever = Event(), Event()

    def before() -> None:
        hanging.set()
        ever.wait()

    with delivered(cursor, Store(before)) as finish:
        add(cursor, 1)
        assert hanging.wait(10)
        add(cursor, *range(2, 100))
        left = finish(0.1)
    assert left.queued == 99
    ever.set()


def test_what_is_left_when_patience_ends_is_said(cursor: Cursor) -> None:
    delivery = Delivery(cursor, Store(failing(10**6, UnreachableError("nobody there"))))
    delivery.start()
    add(cursor, 1, 2)
    left = delivery.finish(patience=0.1)
    assert str(left).startswith(
        "2 reports are not in MLflow yet (nobody there); send what is left with: dynst sync "
    )
    assert left.command.endswith(str(cursor.folder))


@pytest.mark.parametrize(
    "fault", [TrackingError("deadlock detected"), RuntimeError("whatever a library thinks of")]
)
def test_a_fault_that_passes_is_tried_again(cursor: Cursor, fault: Exception) -> None:
    store = Store(failing(module.ATTEMPTS - 1, fault))
    delivery = Delivery(cursor, store)
    delivery.start()
    add(cursor, 1, 2)
    assert delivery.finish().command == ""
    assert store.taken == [1, 2]


def test_a_refusal_ends_the_delivery_and_is_said(cursor: Cursor) -> None:
    store = Store(failing(module.ATTEMPTS, TrackingError("the experiment was deleted")))
    delivery = Delivery(cursor, store)
    delivery.start()
    add(cursor, 1, 2)
    left = delivery.finish()
    assert (left.queued, left.reason, store.taken) == (2, "the experiment was deleted", [])


def test_the_next_process_goes_on_after_the_cursor(cursor: Cursor) -> None:
    add(cursor, 1, 2, 2)
    Outbox(cursor, Store()).hand_over(once)
    add(cursor, 1, 3)
    second = Store()
    later = Cursor.open(cursor.folder)
    assert queued(later) == 1
    Outbox(later, second).hand_over(once)
    assert (second.recalled, second.taken) == ([1, 2], [3])
    assert queued(later) == 0


def test_a_process_that_dies_before_the_cursor_moved_gives_the_report_again(cursor: Cursor) -> None:
    """The tracker knows how to take it twice: ``test_report_tracker.py``."""
    store = Store()
    add(cursor, 1, 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cursor, "move", lambda **changes: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            Outbox(cursor, store).hand_over(once)
    Outbox(Cursor.open(cursor.folder), store).hand_over(once)
    assert store.taken == [1, 1, 2]


def test_a_failure_is_told_after_all_reports(cursor: Cursor) -> None:
    store = Store()
    with pytest.raises(ValueError, match="broken"), delivered(cursor, store):
        raise ValueError(add(cursor, 1) or "broken")
    assert (store.taken, store.closed) == ([1], [("FAILED", "broken")])
    assert Cursor.open(cursor.folder).state.ending is None


def test_an_ending_that_could_not_be_told_is_kept_and_noted(
    cursor: Cursor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_AFTER_FAILURE", 0.1)
    away = Store(failing(10**6, UnreachableError("nobody there")))
    with pytest.raises(KeyboardInterrupt) as stopped, delivered(cursor, away):
        raise KeyboardInterrupt
    assert "the end of the run is not in MLflow yet (nobody there)" in stopped.value.__notes__[0]
    later = Cursor.open(cursor.folder)
    assert isinstance(later.state.ending, Ending)
    store = Store()
    Outbox(later, store).end(once)
    assert store.closed == [("KILLED", "stopped from the keyboard")]
    assert Cursor.open(cursor.folder).state.ending is None


def test_ctrl_c_while_it_waits_ends_the_waiting_and_not_the_run(
    cursor: Cursor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    store = Store(failing(10**6, UnreachableError("away")))
    monkeypatch.setattr(Delivery, "_wait", stopped)
    with delivered(cursor, store) as finish:
        add(cursor, 1)
        left = finish()
    assert (left.queued, left.reason) == (1, "the waiting was stopped from the keyboard")
    assert cursor.state.ending is None


def test_without_a_destination_everything_is_left(cursor: Cursor) -> None:
    with delivered(cursor, None) as finish:
        add(cursor, 1, 2)
        left = finish()
    assert (left.queued, left.reason) == (2, "trained with --offline")


def test_a_folder_has_one_process_at_a_time(tmp_path: Path) -> None:
    with (
        folder_lock(tmp_path),
        pytest.raises(BusyError, match=f"belongs to process {os.getpid()}"),
        folder_lock(tmp_path),
    ):
        pass
    with folder_lock(tmp_path):
        pass


@pytest.mark.parametrize("content", [None, "{", json.dumps({"lines": 1}), json.dumps([]), "3"])
def test_a_folder_of_no_run_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "delivered.json").write_text(content)
    with pytest.raises(ConfigError, match="must hold"):
        Cursor.open(tmp_path)
