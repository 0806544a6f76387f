"""Reports on their way to MLflow, in order and once each, while the training goes on whatever
becomes of the tracking server.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import inf
from pathlib import Path
from threading import Event, Thread
from typing import Protocol

from dynst.errors import DynstError
from dynst.storage.addresses import without_credentials
from dynst_platform.config.locations import typed
from dynst_platform.errors import RunError, UnreachableError
from dynst_platform.log import LOGS
from dynst_platform.reports import EpochReport, Report
from dynst_platform.stopping import hurried, is_stop, stop_reason
from dynst_platform.tracking.cursor import Cursor, Ending, queued
from dynst_platform.tracking.report_file import REPORTS, ReportReader

__all__ = ["Delivery", "Destination", "Outbox", "Stuck", "Undelivered", "delivered"]

POLL_SECONDS = 0.2
FIRST_WAIT, LONGEST_WAIT = 0.5, 10.0  # seconds between two attempts
ATTEMPTS = 3  # at a report that the server refuses, which may be a passing fault of its database
PATIENCE = 30.0  # seconds that a training which is done waits for a server that is away
STUCK = 300.0  # and for one report while the server answers
PATIENCE_AFTER_FAILURE = 10.0
IN_FLIGHT = 12.0  # seconds that a request takes at most to fail

logger = logging.getLogger(__name__)

Attempt = Callable[[Callable[[], None]], None]


class Destination(Protocol):
    """Where an outbox delivers to: a ``ReportTracker``."""

    runs: dict[str, str]
    again: frozenset[str]  # arms whose reports are all wanted once more

    def recall(self, report: Report) -> None: ...
    def on_report(self, report: Report) -> None: ...
    def leave_out(self, report: Report, number: int) -> None: ...
    def close(self, status: str, reason: str = "", at: int | None = None) -> None: ...
    def keep_logs(self, folder: Path) -> None: ...


@dataclass(frozen=True)
class Stuck:
    """The report that MLflow refuses, behind which all others wait."""

    number: int
    what: str

    def way_out(self, command: str) -> str:
        return (
            f"MLflow refuses report {self.number}, {self.what}; where that cannot be mended, leave "
            f"it out with: {command} --skip {self.number}"
        )


@dataclass(frozen=True)
class Undelivered:
    """What MLflow had not received when a run ended, and why."""

    queued: int = 0
    reason: str = ""
    command: str = ""
    stuck: Stuck | None = None

    def __str__(self) -> str:
        what = f"{self.queued} reports are" if self.queued else "the end of the run is"
        left = f"{what} not in MLflow yet ({self.reason}); send what is left with: {self.command}"
        return left if self.stuck is None else f"{left}. {self.stuck.way_out(self.command)}"


class Outbox:
    """What the run folder of a cursor holds and MLflow does not."""

    def __init__(self, cursor: Cursor, destination: Destination) -> None:
        self._cursor, self._destination = cursor, destination
        self._reader = ReportReader(cursor.folder / REPORTS)
        self.stuck: Stuck | None = None
        self.sent = 0  # reports

    def hand_over(self, attempt: Attempt, skipped: int | None = None) -> None:
        """All that is there now.

        A report that was taken is given again only where the destination has lost it.

        Args:
            attempt: calls what it is given, again where that may help.
            skipped: number of a report that is not given.
        """
        for number, report in self._reader.new():
            lines = self._cursor.state.lines
            if number <= lines and report.arm not in self._destination.again:
                self._destination.recall(report)
                continue
            if number == skipped:
                logger.warning("report %d, %s, is left out", number, _named(report))
                attempt(partial(self._destination.leave_out, report, number))
            else:
                self.stuck = Stuck(number, _named(report))
                attempt(partial(self._destination.on_report, report))
                self.stuck = None
            self.sent += 1
            self._cursor.move(lines=max(number, lines), runs=dict(self._destination.runs))

    def end(self, attempt: Attempt) -> None:
        """Close what is open, if the run ended before its time."""
        ending = self._cursor.state.ending
        if ending is not None:
            attempt(lambda: self._destination.close(ending.status, ending.reason, ending.time))
            self._cursor.move(ending=None)

    def keep_logs(self) -> None:
        """The logs until now; they stay in the run's folder whatever MLflow says."""
        try:
            self._destination.keep_logs(self._cursor.folder / LOGS)
        except Exception as error:
            logger.warning("MLflow did not take the logs: %s", error)


def _named(report: Report) -> str:
    place = f"epoch {report.epoch}" if isinstance(report, EpochReport) else "the end"
    return f"{place} of {report.arm}"


class Delivery(Thread):
    """Delivers the outbox as it fills.

    Tries again for as long as the server is away, and a few times where it refuses.
    """

    def __init__(self, cursor: Cursor, destination: Destination) -> None:
        super().__init__(name="delivery", daemon=True)
        self.destination = destination
        self._cursor, self._outbox = cursor, Outbox(cursor, destination)
        self._last_call, self._given_up = Event(), Event()
        self._last_taken = time.monotonic()
        self._away: UnreachableError | None = None
        self._failure: Exception | None = None

    @property
    def is_away(self) -> bool:
        """Whether the server did not answer when it was last asked."""
        return self._away is not None

    def run(self) -> None:
        try:
            while not self._last_call.wait(POLL_SECONDS):
                self._outbox.hand_over(self._patiently)
            self._outbox.hand_over(self._patiently)
            self._outbox.end(self._patiently)
            self._outbox.keep_logs()
        except Exception as error:
            logger.warning("MLflow gets no more of this run: %s", error)
            self._failure = error

    def finish(self, patience: float = PATIENCE, longest: float = inf) -> Undelivered:
        """Wait for the rest, ``patience`` seconds while the server is away and ``longest`` in all;
        says what is left then.

        A signal ends the wait alone; while the run is ended for another one, it ends it sooner.
        """
        self._last_call.set()
        stopped = ""
        try:
            self._wait(patience, longest)
        except KeyboardInterrupt as error:
            stopped = f"the waiting was {stop_reason(error)}"
            self._give_up(patience)
        else:
            self._give_up(patience)
        refused = self._outbox.stuck if self._failure is not None else None
        return left(self._cursor, stopped or self._reason(), refused)

    def _wait(self, patience: float, longest: float) -> None:
        began = time.monotonic()
        while self.is_alive() and not hurried() and time.monotonic() - began < longest:
            self.join(POLL_SECONDS)
            idle = time.monotonic() - max(began, self._last_taken)
            if idle > (patience if self._away else max(patience, STUCK)):
                return

    def _give_up(self, patience: float) -> None:
        """What is on its way may still arrive."""
        self._given_up.set()
        until = time.monotonic() + min(patience, IN_FLIGHT)
        while self.is_alive() and not hurried() and time.monotonic() < until:
            self.join(POLL_SECONDS)

    def _patiently(self, action: Callable[[], None]) -> None:
        wait, refusals = FIRST_WAIT, 0
        problem: Exception
        while True:
            try:
                action()
            except UnreachableError as error:
                self._away = problem = error
            except Exception as error:
                if not refusals:
                    wait = FIRST_WAIT
                refusals, self._away, problem = refusals + 1, None, error
                if refusals == ATTEMPTS:
                    raise
            else:
                self._away, self._last_taken = None, time.monotonic()
                return
            logger.warning("MLflow did not take a report (%s); tried again in %g s", problem, wait)
            if self._given_up.wait(wait):
                raise problem
            wait = min(2 * wait, LONGEST_WAIT)

    def _reason(self) -> str:
        problem = self._failure or self._away
        if problem is None:
            return "a report was still on its way"
        kind, text = type(problem).__name__, without_credentials(str(problem))
        return (
            text
            if text and isinstance(problem, RunError | DynstError)
            else f"{kind}: {text}".removesuffix(": ")
        )


def left(cursor: Cursor, reason: str, stuck: Stuck | None = None) -> Undelivered:
    number = queued(cursor)
    if not number and cursor.state.ending is None:
        return Undelivered()
    return Undelivered(number, reason, f"dynst sync {typed(cursor.folder)}", stuck)


@contextmanager
def delivered(
    cursor: Cursor,
    destination: Destination | None,
    begin: Callable[[], None] = lambda: None,
) -> Iterator[Callable[[], Undelivered]]:
    """Deliver what the block reports; yields what says how much is left.

    Without a destination all of it is.

    Where the block fails, its runs end as FAILED or KILLED with the reason, and what MLflow did
    not receive is a note of the error.

    Args:
        begin: opens the runs, before anything is delivered; where it fails, those that it opened
            end so too.
    """
    delivery = None if destination is None else Delivery(cursor, destination)
    try:
        begin()
        if delivery is not None:
            delivery.start()
        yield partial(_finished, cursor, delivery)
    except BaseException as error:
        ending = _ending_of(error)
        if delivery is not None and delivery.ident is None:
            rest = _closed(cursor, delivery.destination, ending)
        else:
            _note(cursor, ending)
            rest = _finished(cursor, delivery, PATIENCE_AFTER_FAILURE, is_stop(error))
        if rest.command:
            error.add_note(str(rest))
        raise


def _ending_of(error: BaseException) -> Ending:
    if is_stop(error):
        return Ending("KILLED", stop_reason(error))
    return Ending("FAILED", without_credentials(str(error)) or type(error).__name__)


def _finished(
    cursor: Cursor, delivery: Delivery | None, patience: float = PATIENCE, stopped: bool = False
) -> Undelivered:
    """Where the run was stopped, its end does not wait for the reports before it."""
    if delivery is None:
        return left(cursor, "trained with --offline")
    rest = delivery.finish(patience, patience if stopped else inf)
    ending = cursor.state.ending
    if stopped and rest.command and ending is not None and not delivery.is_away:
        _try_to_close(delivery.destination, ending)
    return rest


def _closed(cursor: Cursor, destination: Destination, ending: Ending) -> Undelivered:
    """What is left where runs that were being opened are closed: their end, if that fails."""
    problem = _try_to_close(destination, ending)
    if problem is None:
        return Undelivered()
    _note(cursor, ending)
    return left(cursor, without_credentials(str(problem)))


def _note(cursor: Cursor, ending: Ending) -> None:
    """Where there is no room for it either, what failed first is what is said."""
    try:
        cursor.move(ending=ending)
    except OSError as error:
        logger.warning("the end of the run is not noted: %s", error)


def _try_to_close(destination: Destination, ending: Ending) -> Exception | None:
    """Why they could not be closed."""
    try:
        destination.close(ending.status, ending.reason, ending.time)
    except Exception as error:
        logger.warning("MLflow did not take the end of the run: %s", error)
        return error
    return None
