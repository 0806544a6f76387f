"""Live progress of a study on standard error."""

from types import TracebackType

from dynst_platform.terminal.screen import TaskID, new_bars, progress_screen
from dynst_platform.text import printable

__all__ = ["TaskProgress"]


class TaskProgress:
    """One bar over the tasks of a study, or a line for each in a file."""

    def __init__(self, name: str, quiet: bool = False) -> None:
        self._name = name
        self._screen = progress_screen(quiet)
        counts = "{task.completed:.0f}/{task.total:.0f} tasks"
        self._progress = new_bars(self._screen, "{task.description:<28}", counts, time_left=True)
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
            self._bar = self._progress.add_task(printable(name), total=total)
        self._progress.update(self._bar, completed=done, description=printable(name))
        if not self._screen.is_terminal:
            self._screen.show(f"{self._name}: {name} done, {done} of {total} tasks")
