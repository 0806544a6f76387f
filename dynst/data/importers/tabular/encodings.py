"""The encoding of a text file: by its byte order mark, UTF-8, or what the user says."""

import codecs
import gzip
import io
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO

from dynst.data.importers.report import Finding, known
from dynst.data.importers.sizes.lines import bounded
from dynst.data.importers.source import ReadOptions
from dynst.errors import DataError

__all__ = ["Encoding", "find_encoding", "open_bytes", "open_text", "refuse_undecodable"]

HEAD_BYTES = 2**20
MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
SHOWN = 40  # characters of a line in a message


@dataclass(frozen=True)
class Encoding:
    """``name`` as Python and Arrow know it."""

    name: str
    findings: tuple[Finding, ...] = ()

    @property
    def with_mark(self) -> str:
        """The codec that drops a byte order mark."""
        return "utf-8-sig" if self.name == "utf-8" else self.name


def find_encoding(path: Path, options: ReadOptions) -> Encoding:
    """How the bytes of a text file become text.

    Raises:
        DataError: the start of the file is no UTF-8 and has no byte order mark, or the encoding
            that the user names is none, or contradicts that mark.
    """
    with open_bytes(path) as file:
        head = file.read(HEAD_BYTES)
    marked = next((name for mark, name in MARKS if head.startswith(mark)), None)
    if options.encoding is not None:
        options.apply("encoding")
        return _named(options.encoding, marked)
    if marked is not None and marked != "utf-8":
        return Encoding(marked, (known(f"text is {marked.upper()}, by its byte order mark"),))
    _refuse_bytes(head, 1)
    if b"\0" in head:
        raise DataError(
            "text must not hold NUL bytes, but line "
            f"{head[: head.index(0)].count(10) + 1} does; say --encoding utf-16-le if it is UTF-16 "
            "without a byte order mark, or bring a text file"
        )
    return Encoding("utf-8")


def open_text(path: Path, encoding: Encoding, errors: str = "strict") -> TextIO:
    """The file as text, ``.gz`` unpacked, with its line ends as they are."""
    return io.TextIOWrapper(
        open_bytes(path), encoding=encoding.with_mark, errors=errors, newline=""
    )


def refuse_undecodable(path: Path, encoding: Encoding) -> None:
    """Raise DataError with the first line whose bytes are none of the encoding, if there is one."""
    if encoding.name == "utf-8":
        with open_bytes(path) as file:
            for number, line in enumerate(file, start=1):
                _refuse_bytes(line, number)
        return
    done = 0
    try:
        with open_text(path, encoding) as text:
            for done, _ in enumerate(text, start=1):  # noqa: B007
                pass
    except UnicodeError as error:
        raise DataError(
            f"text must be {encoding.name}, but what follows line {done} is not; name another "
            f"--encoding"
        ) from error


def open_bytes(path: Path) -> BinaryIO:
    """The bytes of a file, ``.gz`` unpacked.

    Reading them raises DataError within a line that is too long to be one.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    return bounded(opener(path, "rb"), path)


def _named(given: str, marked: str | None) -> Encoding:
    try:
        name = codecs.lookup(given).name
    except LookupError as error:
        raise DataError(
            f"--encoding must name an encoding such as latin-1, cp1252 or utf-16, but is '{given}'"
        ) from error
    name = "utf-8" if name == "utf-8-sig" else name
    if marked is not None and not name.startswith(marked):
        raise DataError(
            f"the file begins with the byte order mark of {marked.upper()}, but --encoding is "
            f"'{given}'; leave it out"
        )
    return Encoding(name, (known(f"text is {given}"),))


def _refuse_bytes(text: bytes, line: int) -> None:
    """Raise DataError where the bytes, which may end within a character, are no UTF-8."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(text)
    except UnicodeDecodeError as error:
        start = max(text.rfind(10, 0, error.start), text.rfind(13, 0, error.start)) + 1
        end = text.find(10, error.start)
        shown = text[start : end if end >= 0 else None].strip()
        guess = "cp1252" if any(0x80 <= byte < 0xA0 for byte in shown) else "latin-1"
        words = shown.decode(guess, errors="replace")[:SHOWN]
        raise DataError(
            f"text must be UTF-8, but line {line + text.count(10, 0, error.start)} is not; say "
            f"--encoding {guess} if it means '{words}', or name the encoding that it is in"
        ) from error
