"""Live progress of a study on standard error."""

from types import TracebackType

from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from dynst_platform.terminal.screen import progress_console

__all__ = ["TaskProgress"]


class TaskProgress:
    """One bar over the tasks of a study, or a line for each in a file."""

    def __init__(self, name: str, quiet: bool = False) -> None:
        self._name = name
        self._console = progress_console(quiet)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description:<28}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed:.0f}/{task.total:.0f} tasks"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._bar: TaskID | None = None

    def __enter__(self) -> "TaskProgress":
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def on_task(self, name: str, done: int, total: int) -> None:
        if self._bar is None:
            self._bar = self._progress.add_task(name, total=total)
        self._progress.update(self._bar, completed=done, description=name)
        if not self._console.is_terminal:
            self._console.print(
                f"{self._name}: {name} done, {done} of {total} tasks",
                highlight=False,
                soft_wrap=True,
            )
