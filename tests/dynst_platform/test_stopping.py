"""Signals as errors: which, when, and when not."""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from dynst_platform import stopping
from dynst_platform.stopping import (
    SIGNALS,
    Stopped,
    exit_code,
    hurried,
    own_handlers,
    stop_reason,
    stoppable,
)

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


@pytest.fixture(autouse=True)
def inside() -> Iterator[None]:
    """With handlers as a terminal's process has them: one that runs in the background ignores
    SIGINT.
    """
    before = {number: signal.signal(number, signal.default_int_handler) for number in SIGNALS}
    with stoppable():
        yield
    assert {signal.getsignal(number) for number in SIGNALS} == {signal.default_int_handler}
    for number, handler in before.items():
        signal.signal(number, handler)


def send(number: int = signal.SIGTERM) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", SIGNALS)
def test_each_signal_is_an_error_with_its_exit_code(number: signal.Signals) -> None:
    with pytest.raises(Stopped) as stopped:
        send(number)
    assert exit_code(stopped.value) == CODES[number]
    assert stop_reason(stopped.value) == stopping.REASONS[number]


def test_an_interrupt_that_a_library_made_of_it_has_its_exit_code() -> None:
    """As Ray does while it waits."""
    with pytest.raises(Stopped):
        send(signal.SIGTERM)
    assert exit_code(KeyboardInterrupt()) == 143


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stoppable():
            send(signal.SIGHUP)
            with pytest.raises(Stopped):
                send(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGHUP, before)


def ends(deep: int) -> None:
    """Sends a signal below several frames, as an ending would be in the middle of a library."""
    if deep:
        ends(deep - 1)
    else:
        send()


def test_while_one_is_followed_others_only_hurry_it() -> None:
    try:
        send()
    except Stopped:
        assert not hurried()
        with suppress(ValueError):
            raise ValueError("of the ending") from None
        ends(3)
        assert hurried()
        try:
            raise OSError("of the ending too")
        except OSError:
            ends(1)


def test_one_that_a_library_swallowed_is_followed_by_the_next() -> None:
    with suppress(BaseException):
        send()
    with pytest.raises(Stopped):
        send()
    assert not hurried()


def test_an_ending_that_hangs_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "LONGEST", 0.0)
    try:
        send(signal.SIGTERM)
    except Stopped:
        with pytest.raises(Stopped, match="SIGHUP"):
            send(signal.SIGHUP)


def test_what_a_library_installs_is_taken_back() -> None:
    def exits(number: int, frame: object) -> None:  # as ray.init has it
        raise SystemExit(number)

    ours = signal.getsignal(signal.SIGTERM)
    with own_handlers():
        signal.signal(signal.SIGTERM, exits)
    assert signal.getsignal(signal.SIGTERM) is ours
    with pytest.raises(Stopped) as stopped:
        interrupted_inside(exits)
    assert exit_code(stopped.value) == 143
    with pytest.raises(SystemExit, match="2"), own_handlers():
        raise SystemExit(2)


def interrupted_inside(handler: Callable[[int, object], None]) -> None:
    with own_handlers():
        signal.signal(signal.SIGTERM, handler)
        send()


def test_other_threads_have_no_handlers() -> None:
    def elsewhere() -> str:
        with stoppable(), own_handlers():
            return "done"

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(elsewhere).result() == "done"
