"""A sweep while it runs, on standard error: a live table on a terminal, a line for each trial that
ends in a file or CI log.
"""

from collections import Counter
from types import TracebackType

from dynst_platform.commands.tune.records import Record
from dynst_platform.commands.tune.reports import TrialReport
from dynst_platform.config.sweep import SweepSpec
from dynst_platform.studies.tasks import Task, TaskResult
from dynst_platform.terminal.output import settings_of
from dynst_platform.terminal.screen import Group, Live, TextTable, progress_screen, under

__all__ = ["SweepProgress"]

SHOWN = 12  # trials: those that run, then the best
COLOURS = {"running": "cyan", "finished": "", "stopped": "dim", "failed": "red"}


class SweepProgress:
    """Used as a context manager; all calls come from the driver's main thread."""

    def __init__(self, sweep: SweepSpec, quiet: bool = False) -> None:
        self._sweep = sweep
        self._screen = progress_screen(quiet)
        self._live = Live(console=self._screen, refresh_per_second=4, transient=True)
        self._trials: dict[int, Record] = {}
        self._epochs: dict[int, int] = {}
        self._note = "shared work: the dense reference and the warm-up"

    def __enter__(self) -> "SweepProgress":
        if self._screen.is_terminal:
            self._live.start()
        self._show(f"{self._sweep.name}: {self._note}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def on_task(self, task: Task, result: TaskResult) -> None:
        self._note = f"shared work: {task.name} done"
        self._show(f"{self._sweep.name}: {task.name} done")

    def on_trial(self, record: Record, report: TrialReport | None) -> None:
        self._note = ""
        self._trials[record.number] = record
        if report is not None:
            self._epochs[record.number] = report.epoch
        self._show(self._line(record) if record.ended else None)

    def _show(self, line: str | None) -> None:
        if self._screen.is_terminal:
            self._live.update(self._view())
        elif line:
            self._screen.show(line)

    def _line(self, record: Record) -> str:
        """A trial that has ended."""
        ended = sum(other.ended for other in self._trials.values())
        figures = (
            f"MAE {record.objectives['mae_all']:.4g}, {record.objectives['sparsity']:.0%} off"
            if record.objectives
            else ""
        )
        parts = [
            f"trial {record.number} {record.state}",
            settings_of(record.overrides),
            figures,
            record.reason,
            f"{ended} of {self._sweep.trials}",
        ]
        return "; ".join(part for part in parts if part)

    def _view(self) -> Group:
        counts = Counter(record.state for record in self._trials.values())
        summary = ", ".join(f"{count} {state}" for state, count in counts.items()) or self._note
        table = TextTable(box=None, pad_edge=False)
        for heading in ("trial", "state", "epoch", "val MAE", "off", "settings"):
            table.column(
                heading,
                justify="left" if heading in ("state", "settings") else "right",
                no_wrap=True,
            )
        for record in sorted(self._trials.values(), key=_running_then_best)[:SHOWN]:
            error, off = (record.objectives.get(name) for name in ("mae_all", "sparsity"))
            table.row(
                str(record.number),
                record.state,
                str(self._epochs.get(record.number, "")),
                "" if error is None else f"{error:.4g}",
                "" if off is None else f"{off:.0%}",
                record.reason or settings_of(record.overrides),
                style=COLOURS[record.state],
            )
        return under(f"{self._sweep.name}: {summary}; {self._sweep.trials} trials in all", table)


def _running_then_best(record: Record) -> tuple[bool, float]:
    return record.ended, record.objectives.get("mae_all", float("inf"))
