"""Signals that ask a command to end: SIGINT, SIGTERM and SIGHUP raise ``Stopped`` in the main
thread, wherever it is.

While the command ends, further ones raise nothing: what ends it may ask whether to hurry.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import current_thread, main_thread
from types import FrameType
from typing import NoReturn

__all__ = [
    "Stopped",
    "exit_code",
    "hurried",
    "is_stop",
    "own_handlers",
    "run_as_process",
    "stop_reason",
    "stoppable",
]

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
REASONS = {
    signal.SIGINT: "stopped from the keyboard",
    signal.SIGTERM: "stopped by SIGTERM",
    signal.SIGHUP: "stopped by SIGHUP, which a closed terminal sends",
}
LONGEST = 10.0  # seconds of an ending, after which a further signal interrupts it too


class Stopped(KeyboardInterrupt):
    """Whoever handles Ctrl-C handles every signal."""

    def __init__(self, number: int) -> None:
        super().__init__(REASONS[signal.Signals(number)])
        self.signal = signal.Signals(number)


@dataclass
class _State:
    last: signal.Signals = signal.SIGINT
    since: float = 0.0
    hurried: bool = False


_state = _State()


@contextmanager
def stoppable() -> Iterator[None]:
    """Inside, the signals raise ``Stopped``. One that was ignored, as under nohup, stays ignored.

    Other threads than the main one have no handlers to set.
    """
    if current_thread() is not main_thread():
        yield
        return
    vars(_state).update(vars(_State()))
    before = {number: signal.getsignal(number) for number in SIGNALS}
    ours = [number for number in SIGNALS if before[number] not in (signal.SIG_IGN, None)]
    try:
        for number in ours:
            signal.signal(number, _on_signal)
        yield
    finally:
        for number in ours:
            signal.signal(number, before[number])


def _on_signal(number: int, frame: FrameType | None) -> None:
    if is_stop(sys.exception()) and time.monotonic() - _state.since < LONGEST:
        _state.hurried = True
        return
    _state.last, _state.since = signal.Signals(number), time.monotonic()
    raise Stopped(number)


def is_stop(error: BaseException | None) -> bool:
    """Whether a signal led to this error."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


def hurried() -> bool:
    """Whether another signal came while the first one was being followed."""
    return _state.hurried


def stop_reason(error: BaseException) -> str:
    """In words, for MLflow and the screen."""
    return REASONS[_signal_of(error)]


def exit_code(error: BaseException) -> int:
    """130, 143 or 129, as a shell has it."""
    return 128 + _signal_of(error)


def _signal_of(error: BaseException | None) -> signal.Signals:
    """Ray raises a ``KeyboardInterrupt`` of its own in place of ours."""
    while error is not None:
        if isinstance(error, Stopped):
            return error.signal
        error = error.__context__
    return _state.last


@contextmanager
def own_handlers() -> Iterator[None]:
    """Take back the handlers that a library sets inside.

    Where its handler of SIGTERM exits with that number, as Ray's does, that is ``Stopped``.
    """
    if current_thread() is not main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    except SystemExit as error:
        if error.code != signal.SIGTERM:
            raise
        _state.last, _state.since = signal.SIGTERM, time.monotonic()
        raise Stopped(signal.SIGTERM) from error
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)


def run_as_process(command: Callable[[], object]) -> NoReturn:
    """Call ``command`` and end this process.

    Once it has said what there is to say, a signal ends the process at once; one that was stopped
    waits for no thread.
    """
    code: str | int | None = 0
    stopped = False
    with stoppable():
        try:
            command()
        except SystemExit as error:
            code, stopped = error.code, is_stop(error)
        except KeyboardInterrupt as error:  # while it was imported, or wrote its last line
            code, stopped = exit_code(error), True
            sys.stderr.write(f"dynst: {stop_reason(error)}\n")
        for number in SIGNALS:
            if signal.getsignal(number) is _on_signal:
                signal.signal(number, signal.SIG_DFL)
        if stopped and isinstance(code, int):
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        sys.exit(code)
