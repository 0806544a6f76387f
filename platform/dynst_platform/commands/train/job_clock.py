"""How much of a whole job is done, arms that have not begun included, and how long the rest will
take.
"""

from dynst_platform.config.arms import epochs_by_arm
from dynst_platform.config.job import JobSpec
from dynst_platform.reports import EpochReport

__all__ = ["JobClock"]


class JobClock:
    """Counts the epochs of a job as they are reported.

    What is left is taken to be as slow as the epochs until now.
    """

    def __init__(self, job: JobSpec) -> None:
        self._epochs = epochs_by_arm(job)
        self._begun = set[str]()
        self._seconds = 0.0
        self.done = 0

    @property
    def total(self) -> int:
        return sum(self._epochs.values())

    @property
    def seconds_left(self) -> float:
        return self._seconds / max(1, self.done) * (self.total - self.done)

    def add(self, report: EpochReport) -> None:
        """Take note of an epoch."""
        if report.arm not in self._begun:
            self._begun.add(report.arm)
            self._epochs[report.arm] = report.epochs - report.epoch + 1
        self.done += 1
        self._seconds += report.seconds
