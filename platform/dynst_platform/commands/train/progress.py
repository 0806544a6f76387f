"""Live progress on standard error: a bar for each training on a terminal, a line for each epoch in
a file or CI log.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from types import TracebackType

from dynst.experiment.arms import ArmKind
from dynst_platform.commands.train.job_clock import JobClock
from dynst_platform.config.job import JobSpec
from dynst_platform.reports import EpochReport, Report
from dynst_platform.terminal.screen import TaskID, new_bars, progress_screen
from dynst_platform.text import printable

__all__ = ["TrainingProgress"]

KINDS = {
    ArmKind.DENSE: "dense reference",
    ArmKind.LEARNED: "DynST",
    ArmKind.RANDOM: "random choice",
}


class TrainingProgress:
    """Used as a context manager around a training.

    ``on_report`` may be called from another thread.
    """

    def __init__(self, job: JobSpec, quiet: bool = False) -> None:
        self._job, self._clock = job, JobClock(job)
        self._screen = progress_screen(quiet)
        self._bars: dict[str, TaskID] = {}
        self._rounds = Counter[str]()  # by arm
        self._progress = new_bars(self._screen, "{task.description:<16}", "{task.fields[figures]}")
        self._whole: TaskID | None = None

    def __enter__(self) -> "TrainingProgress":
        self._progress.start()
        note = _start(self._job.cluster.fewest_workers, self._job.cluster.most_workers)
        self._whole = self._progress.add_task(note, total=None, figures="")
        self._plain(f"{self._job.name}: {note}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def on_report(self, report: Report) -> None:
        if report.note is not None:
            self._screen.show(report.note, style="yellow")
        if isinstance(report, EpochReport):
            self._on_epoch(report)

    def _on_epoch(self, report: EpochReport) -> None:
        self._clock.add(report)
        for line in self._mask_changes(report):
            self._screen.show(line)
        arm, learned, machine = report.arm, _learning_figures(report), self._machine_figures(report)
        if arm not in self._bars:
            self._bars[arm] = self._progress.add_task(
                _title(report), total=report.epochs, figures=""
            )
        self._progress.update(self._bars[arm], completed=report.epoch, figures=learned)
        if self._whole is not None:
            done, total = self._clock.done, self._clock.total
            self._progress.update(
                self._whole, description="whole job", completed=done, total=total, figures=machine
            )
        self._plain(f"{_title(report)} {learned}  {machine}")

    def _mask_changes(self, report: EpochReport) -> Iterator[str]:
        """A line for each.

        Rounds are counted as in the run's mask plots, where sensors went that do not come back.
        """
        for update in report.updates:
            if not (update.pruned or update.grown):
                continue
            self._rounds[report.arm] += bool(update.pruned)
            which = f"round {self._rounds[report.arm]}, " if update.pruned else ""
            on = f"{sum(update.active)} of {len(update.active)} on"
            yield f"{_title(report)} {which}step {update.step}: {on}, {len(update.grown)} exchanged"

    def _machine_figures(self, report: EpochReport) -> str:
        left = f"{timedelta(seconds=round(self._clock.seconds_left))} left"
        if (
            report.windows_per_second is None or report.peak_memory_mib is None
        ):  # an older version's
            return left
        return (
            f"{report.windows_per_second:,.0f} windows/s  {report.peak_memory_mib:,.0f} MiB  {left}"
        )

    def _plain(self, line: str) -> None:
        if not self._screen.is_terminal:
            self._screen.show(line)


def _start(fewest: int, most: int) -> str:
    if not most:
        return "starting in this process"
    return (
        f"starting Ray with {most} workers"
        if fewest == most
        else f"starting Ray with {fewest} to {most} workers"
    )


def _title(report: EpochReport) -> str:
    number = report.arm.removeprefix("random-")
    if report.arm_kind == ArmKind.RANDOM and number.isdecimal():
        return f"{KINDS[ArmKind.RANDOM]} {int(number) + 1}"
    return KINDS.get(report.arm_kind) or printable(report.arm.replace("_", " "))


def _learning_figures(report: EpochReport) -> str:
    return (
        f"{report.epoch}/{report.epochs}  loss {report.train_loss:.4g}  val MAE "
        f"{report.val_mae:.4g}  off {report.sparsity:.0%}  exchanged {report.exchanged}"
    )
