"""Standard output and standard error whose reader may go away: a closed pipe or terminal, a full
disk behind ``>``.

What a command computes does not depend on who reads along.
"""

import codecs
import errno
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from typing import Any

import click

__all__ = ["READER_GONE", "reader_gone", "standard_streams"]

READER_GONE = 141  # 128 and the number of SIGPIPE, with which other programs end
GONE = {errno.EPIPE, errno.EIO, errno.EBADF}


class _Stream:
    """Passes everything on to a text stream until that fails, and nothing from then on."""

    def __init__(self, inner: TextIOWrapper) -> None:
        self.inner = inner
        self.failure: OSError | None = None

    def write(self, text: str) -> int:
        if self.failure is None:
            try:
                self.inner.write(text)
            except OSError as error:
                self._give_up(error)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        if self.failure is None:
            try:
                self.inner.flush()
            except OSError as error:
                self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """What is buffered still, here or in a library, goes nowhere without another error."""
        self.failure = error
        with suppress(OSError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.inner.fileno())
            os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        """Click would write UTF-8 past an ASCII stream if it found its ``buffer``."""
        if name == "buffer" and codecs.lookup(self.inner.encoding).name == "ascii":
            raise AttributeError(name)
        return getattr(self.inner, name)


@contextmanager
def standard_streams() -> Iterator[None]:
    """Inside, nothing that is printed ends the command; signs that a stream lacks are escaped.

    A block that ends well exits with ``READER_GONE`` where its output was not read to the end, and
    with 1 where it could not be written for another reason, which is said.
    """
    _open_closed()
    before: Any = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = output, errors = tuple(map(_guarded, before))
    try:
        try:
            yield
        except SystemExit as end:
            if end.code:
                raise
        output.flush()
        errors.flush()
        _end(getattr(output, "failure", None))
    finally:
        sys.stdout, sys.stderr = before


def reader_gone() -> bool:
    """Whether standard output has no reader any more: what only prints may end then."""
    return getattr(sys.stdout, "failure", None) is not None


def _end(failure: OSError | None) -> None:
    if failure is None:
        return
    if failure.errno in GONE:
        sys.exit(READER_GONE)
    click.echo(
        f"dynst: standard output cannot be written ({failure.strerror}); what was computed is "
        f"kept: make room, and print it again",
        err=True,
    )
    sys.exit(1)


def _guarded(stream: Any) -> Any:
    if not isinstance(stream, TextIOWrapper):
        return stream
    stream.reconfigure(errors="backslashreplace")
    return _Stream(stream)


def _open_closed() -> None:
    """A descriptor that was closed would be given to the next file, a database perhaps, which then
    takes what is printed.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
