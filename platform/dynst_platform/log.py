"""The log: what was retried, replaced, skipped or repaired, and why.

Loggers are named as modules are. The screen shows nothing of them unless it is asked for with
``-v``. Every run keeps its log in its folder, one file for each process, and in MLflow.
"""

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TextIO

from dynst.errors import ConfigError
from dynst.notices import NOTICES, notice
from dynst.storage.addresses import without_credentials
from dynst_platform.text import printable, printable_lines

__all__ = ["LOGS", "configure_log", "log_of_run", "quiet_libraries"]

LOGS = "logs"  # in a run's folder
OURS = ("dynst", "dynst_platform")
LIBRARIES = ("mlflow", "alembic", "ray", "ray.train", "ray.tune", "ray.data")
TRACEBACKS = "mlflow.store.db.utils"  # each database error, which is raised as well
LINE = "%(asctime)s %(levelname)s %(process)d %(name)s: %(message)s"

_handlers: list[logging.Handler] = []


def configure_log(verbosity: int = 0, file: Path | None = None) -> None:
    """Set what this process logs; what an earlier call had set is forgotten.

    Args:
        verbosity: 0 shows nothing on the screen; 1 our own lines and the libraries' warnings; 2
            everything.
        file: where all lines are added, whatever the verbosity.

    Raises:
        ConfigError: ``file`` cannot be written.
    """
    for handler in list(_handlers):
        _detach(handler)
    _show_notices()
    if verbosity:
        screen = _Screen()
        screen.addFilter(lambda record: record.name != NOTICES)  # which is shown anyway
        _attach(screen, logging.INFO if verbosity == 1 else logging.DEBUG)
    if file is not None:
        try:
            file.open("a", encoding="utf-8").close()
        except OSError as error:
            raise ConfigError(
                f"--log-file must name a file that can be written, but {file} cannot "
                f"({error.strerror}); name another one"
            ) from error
        _attach(_File(file), logging.DEBUG)
    quiet_libraries()


@contextmanager
def log_of_run(folder: Path, process: str) -> Iterator[None]:
    """Inside, this process adds its lines to ``logs/<process>.log`` in a run's folder."""
    handler = _File(folder / LOGS / f"{process}.log")
    _attach(handler, logging.INFO)
    try:
        yield
    finally:
        _detach(handler)


def quiet_libraries() -> None:
    """Keep what libraries say below an error off the screen; the log takes their warnings.

    A handler that the root logger has too is that of a program around us, and stays as it is.

    To be called again once MLflow or Ray were imported, since both set up loggers at import.
    """
    for logger in map(logging.getLogger, LIBRARIES):
        for handler in logger.handlers:
            if handler not in _handlers and handler not in logging.root.handlers:
                handler.setLevel(logging.ERROR)
                handler.addFilter(_is_not_raised_as_well)
    if logging.lastResort is not None:  # for loggers without a handler
        logging.lastResort.setLevel(logging.ERROR)
    for handler in _handlers:
        _add_to_loggers(handler)
    warnings.filterwarnings("ignore", module=r"mlflow|ray|torch|pydantic")


def _show_notices() -> None:
    """Whatever the verbosity; what an earlier command of this process had said is said again."""
    notice.cache_clear()
    logger = logging.getLogger(NOTICES)
    for handler in logger.handlers[:]:
        logger.removeHandler(handler)
    screen = _Screen()
    screen.setFormatter(_Formatter("dynst: %(message)s"))
    logger.addHandler(screen)


def _attach(handler: logging.Handler, level: int) -> None:
    handler.setLevel(level)
    handler.setFormatter(_Formatter(LINE))
    handler.addFilter(partial(_wanted, level))
    _handlers.append(handler)
    _add_to_loggers(handler)


def _detach(handler: logging.Handler) -> None:
    if handler in _handlers:  # else the log was configured anew meanwhile
        _handlers.remove(handler)
    for name in (*OURS, *LIBRARIES):
        logging.getLogger(name).removeHandler(handler)
    handler.close()


def _add_to_loggers(handler: logging.Handler) -> None:
    """To ours, and to those of libraries whose lines no other one of these sees."""
    for name in (*OURS, *LIBRARIES):
        logger = logging.getLogger(name)
        if name in OURS:
            logger.setLevel(min(other.level for other in _handlers))
        elif logger.level == logging.NOTSET:
            logger.setLevel(logging.INFO)
        if not logger.propagate or logger.parent is logging.root:
            logger.addHandler(handler)


def _wanted(level: int, record: logging.LogRecord) -> bool:
    """Libraries' lines one level above ours: their warnings beside our INFO."""
    ours = record.name.split(".")[0] in OURS
    return record.levelno >= level + (0 if ours else logging.INFO - logging.DEBUG)


def _is_not_raised_as_well(record: logging.LogRecord) -> bool:
    return record.name != TRACEBACKS


class _Formatter(logging.Formatter):
    """Without the credentials that an address may hold, whoever wrote the line.

    No name in a line of ours begins another one, or steers a terminal.
    """

    def format(self, record: logging.LogRecord) -> str:
        return printable_lines(without_credentials(super().format(record)))

    def formatMessage(self, record: logging.LogRecord) -> str:
        if record.name.split(".")[0] in OURS:
            record.message = printable(record.message)
        return super().formatMessage(record)


class _Screen(logging.StreamHandler[TextIO]):
    """Writes to whatever standard error is at the time: progress displays exchange it."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


class _File(logging.FileHandler):
    """Made with its first line. A log that cannot be written ends no training."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, mode="a", encoding="utf-8", delay=True)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            Path(self.baseFilename).parent.mkdir(parents=True, exist_ok=True)
            super().emit(record)
        except OSError:
            pass

    def close(self) -> None:
        """What a full disk did not take is tried again here, and lost."""
        with suppress(OSError, ValueError):
            super().close()

    def handleError(self, record: logging.LogRecord) -> None:
        """A full disk: nothing can be done about it here."""
