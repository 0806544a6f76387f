"""The first lines of a delimited file: comments, separator, header, and the rows below it."""

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from dynst.data.importers.tabular.cell_kinds import kind_of
from dynst.data.importers.tabular.encodings import Encoding, open_text
from dynst.errors import DataError

__all__ = ["Head", "Line", "read_head"]

SAMPLE_ROWS, LEAST_ROWS, SAMPLE_CELLS = 200, 20, 20_000
SEPARATORS = (",", ";", "\t", "|")
JUDGED_ROWS, JUDGED_CELLS = 20, 50
MAX_NEWLINES = 50  # within one quoted cell at the end of the sample
MAX_BLANKS = 3  # lines at the end of the file


@dataclass(frozen=True)
class Line:
    """Cells of one line.

    Args:
        cells: without blanks around them.
        number: of the line in the file where it ends, from 1.
    """

    cells: tuple[str, ...]
    number: int


@dataclass(frozen=True)
class Head:
    """The start of a file.

    Args:
        lines: the first with its cells, without comments above and without blank lines.
        separator: between cells.
        comments: lines above that begin with #.
        blanks: number of blank lines above.
        above: number of lines above the first of ``lines``.
        complete: whether ``lines`` are the whole file.
    """

    lines: tuple[Line, ...]
    separator: str
    comments: tuple[str, ...]
    blanks: int
    above: int
    complete: bool

    def split(self, text: str) -> tuple[str, ...]:
        """Cells of one more line."""
        return next(iter(_lines([text], self.separator))).cells


def read_head(path: Path, encoding: Encoding) -> Head:
    """Only as much of the file as a look at it needs.

    Raises:
        DataError: there is no line but comments.
    """
    with open_text(path, encoding) as file:
        comments, blanks, first = [], 0, ""
        for first in file:
            if first.strip() and not first.startswith("#"):
                break
            blanks += not first.strip()
            comments += [first.strip()] if first.strip() else []
            first = ""
        if not first.strip(" \t\r\n,;|"):
            raise DataError("is empty; bring a file with a header line and rows below it")
        texts = [first, *islice(file, _rows(first))]
        while (
            sum(text.count('"') for text in texts) % 2 and len(texts) < _rows(first) + MAX_NEWLINES
        ):
            if not (more := file.readline()):
                break
            texts.append(more)
        complete = not any(text.strip() for text in islice(file, MAX_BLANKS))
    above = blanks + len(comments)
    used = [sign for sign in SEPARATORS if any(sign in text for text in texts)] or [","]
    separator = max(used, key=lambda sign: _fit(texts, sign)) if len(used) > 1 else used[0]
    lines = tuple(
        Line(line.cells, line.number + above)
        for line in _lines(texts, separator)
        if line.cells and (len(line.cells) > 1 or line.cells[0])
    )
    return Head(lines, separator, tuple(comments), blanks, above, complete)


def _rows(first: str) -> int:
    width = max(map(first.count, SEPARATORS)) + 1
    return max(LEAST_ROWS, min(SAMPLE_ROWS, SAMPLE_CELLS // width))


def _lines(texts: list[str], separator: str) -> Iterator[Line]:
    rows = csv.reader(texts, delimiter=separator)
    for cells in rows:
        yield Line(tuple(cell.strip() for cell in cells), rows.line_num)


def _fit(texts: list[str], separator: str) -> tuple[float, float, int]:
    """How well a separator makes a table of the lines: alike in number of cells, which are numbers
    and times.
    """
    try:
        lines = [line.cells for line in _lines(texts, separator) if line.cells]
    except csv.Error:  # a cell is too long to be one
        return 0.0, 0.0, 0
    width, count = Counter(map(len, lines)).most_common(1)[0]
    if width < 2:
        return 0.0, 0.0, 0
    cells = [cell for line in lines[1:][-JUDGED_ROWS:] for cell in line[:JUDGED_CELLS]]
    plain = sum(kind_of(cell) != "text" for cell in cells) / max(1, len(cells))
    return count / len(lines) + (len(lines[0]) == width), plain, width
