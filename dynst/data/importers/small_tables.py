"""Small tables of text beside the readings: graphs, positions, attributes of sensors."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

from dynst.data.importers.sizes.lines import refuse_large_text
from dynst.data.importers.tabular.encodings import Encoding, open_text
from dynst.errors import DataError, in_one_line

__all__ = ["SHOWN", "UTF8", "Head", "read_cells", "read_head", "words"]

QUOTED = re.compile(r'"[^"]*"')
UTF8 = Encoding("utf-8")
SHOWN = 40  # characters of a line in a message
NO_UTF8 = "must be UTF-8 text, but is not; save it as UTF-8, as an editor or a spreadsheet can"


@dataclass(frozen=True)
class Head:
    """How a table begins.

    Args:
        separator: a character, or a pattern for blanks.
        first: cells of the first line.
        second: cells of the second line, which is empty where there is none.
    """

    separator: str
    first: tuple[str, ...]
    second: tuple[str, ...]

    @property
    def width(self) -> int:
        """Cells of the longer line: a header may lack the cell above the names of the rows."""
        return max(len(self.first), len(self.second))


def read_head(path: Path) -> Head:
    """The separator and the first two lines.

    Raises:
        DataError: the file is empty, cannot be opened, or is no UTF-8.
    """
    refuse_large_text(path)
    try:
        with open_text(path, UTF8) as file:
            lines = list(islice((line for line in file if line.strip()), 2))
    except UnicodeDecodeError as error:
        raise DataError(f"{path} {NO_UTF8}") from error
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or in_one_line(error)
        raise DataError(
            f"{path} cannot be read ({reason}); check its name and your permissions"
        ) from error
    if not lines:
        raise DataError(f"{path} is empty; bring a table with a header line and rows below it")
    separator = _separator(lines[0])
    first, second = (_cells(line, separator) for line in (*lines, "")[:2])
    if lines[0].startswith("#") and second and len(first) != len(second):
        raise DataError(
            f"{path} must begin with a line of names or with a row, but line 1 is the comment "
            f"'{lines[0].strip()[:SHOWN]}'; remove the lines that begin with #"
        )
    return Head(separator, first, second)


def read_cells(path: Path, head: Head, *, named_rows: bool = False) -> pd.DataFrame:
    """All cells as text, blanks around them removed; rows and columns are numbered from 0.

    Args:
        path: the file.
        head: how it begins.
        named_rows: whether lines may begin with a name that the header has no cell for.

    Raises:
        DataError: a line has too many cells, or the file is no UTF-8.
    """
    try:
        table = pd.read_csv(
            path,
            sep=head.separator,
            header=None,
            names=list(range(head.width)),
            index_col=False,
            dtype=str,
            keep_default_na=False,
            encoding=UTF8.with_mark,
            on_bad_lines="error",
        )
    except UnicodeDecodeError as error:
        raise DataError(f"{path} {NO_UTF8}") from error
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} must be a table whose lines have {head.width} cells, but one is not "
            f"({in_one_line(error)}); mend that line"
        ) from error
    cells: pd.DataFrame = table.fillna("").apply(lambda column: column.str.strip())
    beyond = (cells.iloc[:, len(head.first) :] != "").any(axis=1).to_numpy()
    if beyond.any() and not named_rows:
        line = int(np.argmax(beyond))
        shown = ", ".join(map(str, cells.iloc[line]))
        raise DataError(
            f"{path}: every line must have the {len(head.first)} cells of the first, but line "
            f"{line + 1} ({shown}) has more; mend it, or write "
            f"decimal points if these are decimal commas"
        )
    return cells


def words(name: str) -> tuple[str, ...]:
    """The words and numbers of a column's name, in lower case.

    Example:
        >>> words("Lon (deg)"), words("originId"), words("node_1")
        (('lon', 'deg'), ('origin', 'id'), ('node', '1'))
    """
    spaced = re.sub(r"(?<=[a-zäöü])(?=[A-ZÄÖÜ])", " ", name)
    return tuple(re.findall(r"[^\W\d_]+|\d+", spaced.lower()))


def _separator(line: str) -> str:
    count = {mark: QUOTED.sub("", line).count(mark) for mark in "\t;,"}
    if not any(count.values()):
        return r"\s+"
    return max(count, key=lambda mark: count[mark])  # the earlier one where two are equal


def _cells(line: str, separator: str) -> tuple[str, ...]:
    if separator == r"\s+":
        return tuple(line.split())
    cells: Sequence[str] = next(csv.reader([line.rstrip("\r\n")], delimiter=separator), [])
    return tuple(cell.strip() for cell in cells)
