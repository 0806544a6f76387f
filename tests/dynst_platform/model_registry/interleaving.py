"""Several threads of which one runs at a time, from one call to the next in an order of chance, and
a clock that stands still but for what they sleep.
"""

import random
import threading
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from dynst_platform.model_registry import lock

LONG = 40  # turns, in which every other thread has made the call that it was about to make


class Killed(BaseException):
    """As a process that is killed: nothing of it runs any more."""


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def stand_in(self, pause: Callable[[], None] = lambda: None) -> SimpleNamespace:
        def sleep(seconds: float) -> None:
            self.now += seconds
            for _ in range(LONG if seconds >= lock.LATE_SECONDS else 1):
                pause()

        return SimpleNamespace(monotonic=lambda: self.now, sleep=sleep)

    def put_into(self, patch: pytest.MonkeyPatch, pause: Callable[[], None] = lambda: None) -> None:
        patch.setattr(lock, "time", self.stand_in(pause))


class Interleaved:
    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._turns: dict[int, threading.Semaphore] = {}
        self._back = threading.Semaphore(0)
        self.errors: list[BaseException] = []

    def pause(self) -> None:
        """To be called by a thread between two calls."""
        self._back.release()
        self._turns[threading.get_ident()].acquire()

    def run(self, works: list[Callable[[], None]]) -> None:
        threads = [threading.Thread(target=self._work, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
            self._back.acquire()  # it waits for its turn
        while running := [thread for thread in threads if thread.is_alive()]:
            chosen = self._random.choice(running)
            self._turns[chosen.ident or 0].release()
            self._back.acquire()
            if getattr(chosen, "done", False):
                chosen.join()

    def _work(self, work: Callable[[], None]) -> None:
        self._turns[threading.get_ident()] = threading.Semaphore(0)
        self.pause()
        try:
            work()
        except Killed:
            pass
        except BaseException as error:
            self.errors.append(error)
        finally:
            threading.current_thread().done = True  # type: ignore[attr-defined]
            self._back.release()
