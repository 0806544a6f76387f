"""Live progress on standard error: a bar for each training on a terminal, a line for each epoch in a file or CI log."""

from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeRemainingColumn

from dynst_platform.spec import JobSpec
from dynst_platform.worker import Report

__all__ = ["PieceProgress", "TrainingProgress"]

KINDS = {"dense": "dense reference", "learned": "DynST", "random": "random choice"}


class TrainingProgress:
    """Used as a context manager around a training; ``on_report`` may be called from another thread."""

    def __init__(self, job: JobSpec) -> None:
        self._job = job
        self._console = Console(stderr=True)
        self._bars: dict[str, TaskID] = {}
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description:<16}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._start: TaskID | None = None

    def __enter__(self) -> "TrainingProgress":
        self._progress.start()
        workers = self._job.cluster.num_workers
        note = f"starting Ray with {workers} workers" if workers else "starting in this process"
        self._start = self._progress.add_task(note, total=None, figures="")
        self._plain(f"{self._job.name}: {note}")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._progress.stop()

    def on_report(self, report: Report) -> None:
        if self._start is not None:
            self._progress.remove_task(self._start)
            self._start = None
        if "note" in report:
            self._console.print(f"[yellow]{escape(report['note'])}[/]", highlight=False, soft_wrap=True)
        if report["kind"] != "epoch":
            return
        arm = report["arm"]
        if arm not in self._bars:
            self._bars[arm] = self._progress.add_task(_title(report), total=report["epochs"], figures="")
        figures = (
            f"{report['epoch']}/{report['epochs']}  loss {report['train_loss']:.4g}  val MAE {report['val_mae']:.4g}  "
            f"off {report['sparsity']:.0%}  exchanged {report['exchanged']}"
        )
        self._progress.update(self._bars[arm], completed=report["epoch"], figures=figures)
        self._plain(f"{_title(report)} {figures}")

    def _plain(self, line: str) -> None:
        if not self._console.is_terminal:
            self._console.print(line, highlight=False, soft_wrap=True)


def _title(report: Report) -> str:
    return KINDS.get(report["arm_kind"]) or report["arm"].replace("_", " ")


class PieceProgress:
    """One bar over the pieces of a study, or a line for each in a file."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._console = Console(stderr=True)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description:<28}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed:.0f}/{task.total:.0f} pieces"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._bar: TaskID | None = None

    def __enter__(self) -> "PieceProgress":
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._progress.stop()

    def on_piece(self, name: str, done: int, total: int) -> None:
        if self._bar is None:
            self._bar = self._progress.add_task(name, total=total)
        self._progress.update(self._bar, completed=done, description=name)
        if not self._console.is_terminal:
            self._console.print(f"{self._name}: {name} done, {done} of {total} pieces", highlight=False, soft_wrap=True)
