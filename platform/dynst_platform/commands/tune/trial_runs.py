"""The trials of a sweep in MLflow: what their records hold and MLflow lacks is sent, in order and
once each.
"""

import logging
import time

from dynst_platform.commands.tune.records import Record, Records
from dynst_platform.config.files import with_overrides
from dynst_platform.config.sweep import SweepSpec
from dynst_platform.config.values import Document
from dynst_platform.errors import UnreachableError
from dynst_platform.tracking.mlflow_runs import Tracker, metrics_at

__all__ = ["TrialRuns", "job_of"]

FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0  # seconds between two attempts
PATIENCE = 60.0  # seconds that a sweep whose trials have ended waits for a server that is away
STATUS = {"finished": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}

logger = logging.getLogger(__name__)


def job_of(sweep: SweepSpec, record: Record) -> Document:
    """The job of a trial's first seed, whose model is kept."""
    return with_overrides(sweep.job, record.overrides | {"seed": sweep.seeds[0]})


class TrialRuns:
    """Sends records while the sweep goes on, whatever becomes of the tracking server.

    Args:
        sweep: whose trials they are.
        records: where it is noted what MLflow has.
        tracker: of the sweep.
        parent: the sweep's own run.
    """

    def __init__(self, sweep: SweepSpec, records: Records, tracker: Tracker, parent: str) -> None:
        self._sweep, self._records, self._tracker, self._parent = sweep, records, tracker, parent
        self._waiting = {
            record.number: record
            for record in records.all()
            if record.ended and not record.in_mlflow
        }
        self._certain: set[int] = set()  # of these trials nothing can be in MLflow without a note
        self._wait, self._not_before = FIRST_WAIT, 0.0

    def send(self, record: Record) -> None:
        """What is new of a record, and of those that wait; later, where MLflow does not answer.

        Raises:
            TrackingError: MLflow refuses.
        """
        self._waiting[record.number] = record
        if time.monotonic() < self._not_before:
            return
        try:
            self._send_all()
        except UnreachableError as error:
            self._tracker.doubt()
            logger.warning("MLflow gets no trials now (%s); again in %g s", error, self._wait)
            self._not_before = time.monotonic() + self._wait
            self._wait = min(2 * self._wait, LONGEST_WAIT)

    def finish(self, patience: float = PATIENCE) -> None:
        """Send what waits.

        Raises:
            UnreachableError: MLflow has not answered for ``patience`` seconds.
            TrackingError: it refuses.
        """
        deadline = time.monotonic() + patience
        while True:
            try:
                return self._send_all()
            except UnreachableError:
                self._tracker.doubt()
                if time.monotonic() > deadline:
                    raise
            time.sleep(FIRST_WAIT)

    def _send_all(self) -> None:
        for number, record in list(self._waiting.items()):
            certain = number in self._certain
            self._certain.discard(number)
            self._send(record, certain)
            self._certain.add(number)
            del self._waiting[number]
        self._wait, self._not_before = FIRST_WAIT, 0.0

    def _send(self, record: Record, certain: bool) -> None:
        self._open(record)
        points = [
            metric
            for point in record.points[record.sent :]
            for metric in metrics_at(point["epoch"], point["figures"], point["time"])
        ]
        self._tracker.send(record.run_id, points, maybe_there=not certain)
        ends = record.ended and not record.in_mlflow
        if ends:
            self._end(record)
        if points or ends:
            record.sent, record.in_mlflow = len(record.points), record.ended
            self._records.save(record)

    def _open(self, record: Record) -> None:
        """A retry goes on in the same run, or with all of its points in a new one where that was
        deleted.
        """
        name = f"trial-{record.number}"
        if name in self._tracker.runs:
            return
        if record.run_id and self._tracker.go_on(name, record.run_id):
            return
        record.sent = 0
        params = record.overrides | {"trial": record.number, "seeds": len(self._sweep.seeds)}
        job = job_of(self._sweep, record)
        record.run_id = self._tracker.start_trial(record.number, self._parent, params, job)
        self._records.save(record)

    def _end(self, record: Record) -> None:
        if record.importance:
            self._tracker.log_active(
                record.run_id, f"trial {record.number}", record.active, record.importance
            )
        self._tracker.end(record.run_id, STATUS[record.state], record.reason)
